"""What the tests share."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from networkdb import sync

DEADLINE = 20.0


def descriptors() -> Counter[str]:
    """How many descriptors of each kind this process has open."""
    found: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        try:
            found[re.sub(r"\d+", "", os.readlink(f"/proc/self/fd/{number}"))] += 1
        except OSError:
            pass  # The one that lists them.
    return found


def threads() -> set[str]:
    """The native threads of this process."""
    return set(os.listdir("/proc/self/task"))


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Looks again and again, until a deadline."""
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until, f"never {what}"
        time.sleep(0.005)


async def soon(condition: Callable[[], object], what: str) -> None:
    """The same in an event loop."""
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until, f"never {what}"
        await asyncio.sleep(0.005)


@pytest.fixture(scope="session", autouse=True)
def runtime() -> None:
    """The native runtime keeps a pair of sockets for signals, once a process."""
    with sync.NetworkDB("first", bind="127.0.0.1:0"):
        pass


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No test leaves a descriptor or a thread behind."""
    gc.collect()
    before, running = descriptors(), threads()
    yield
    gc.collect()
    wait_for(lambda: threads() <= running, "were all threads gone")
    assert descriptors() <= before
