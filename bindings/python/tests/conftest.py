"""What the tests share."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

DEADLINE = 20.0


def descriptors() -> dict[str, str]:
    """The open descriptors of this process, and what they are."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
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


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No test leaves a descriptor or a native thread behind. Event loops and pools end before it looks."""
    gc.collect()
    before, running = descriptors(), threads()
    yield
    gc.collect()
    wait_for(lambda: threads() <= running or threading.active_count() > 1, "were all threads gone")
    assert set(descriptors().values()) <= set(before.values())
