"""A native node, its errors as exceptions, and what becomes of it in a forked child."""

from __future__ import annotations

import json
import os
import time
import weakref
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from . import _native
from .errors import ClosedError, InvalidError, PoisonedError, error_of
from .events import Event, EventKind

P = ParamSpec("P")
R = TypeVar("R")

_KINDS: dict[int, EventKind] = {int(kind): kind for kind in EventKind}
# One of the classes that uniffi puts into another's namespace afterwards.
_FAILURE: Any = _native.Failure.Status  # type: ignore[attr-defined]
_FORKED = "the node belongs to the process this one was forked from"


def call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Calls into the native part."""
    try:
        return function(*args, **kwargs)
    except _FAILURE as failure:
        raise error_of(failure.code, failure.text) from None
    except _native.InternalError as fault:
        raise PoisonedError(f"internal fault: {fault}") from None
    except (TypeError, ValueError) as error:
        # A number out of range, or something that is not bytes.
        raise InvalidError(str(error)) from error


def name_bytes(name: str) -> bytes:
    """A name as it is on the wire."""
    return name.encode("utf-8", "surrogateescape")


def name_text(name: bytes) -> str:
    """A name from the wire, whatever its bytes."""
    return name.decode("utf-8", "surrogateescape")


def plain(event: _native.NativeEvent) -> Event:
    """An event as users see it."""
    return Event(
        _KINDS.get(event.kind, event.kind),
        event.code,
        event.id,
        event.number,
        event.detail,
        event.addr,
        name_text(event.network),
        name_text(event.table),
        name_text(event.key),
        event.value,
        event.previous,
        name_text(event.revision),
        name_text(event.version),
        event.text,
    )


class Handle:
    """A node that exists. Any thread may call it."""

    def __init__(self, kind: int, config: dict[str, Any], seed: bytes | None, now_ns: int | None = None) -> None:
        now_ns = time.monotonic_ns() if now_ns is None else now_ns
        self._native: _native.NativeNode | None = call(_native.NativeNode, kind, json.dumps(config), seed, now_ns)
        self._why = "the node is closed"
        _HANDLES.add(self)

    @property
    def native(self) -> _native.NativeNode:
        """The native node. `ClosedError` if it is closed."""
        if self._native is None:
            raise ClosedError(self._why)
        return self._native

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._native is None

    def command(self, request: dict[str, Any], now_ns: int | None = None) -> dict[str, Any]:
        """Does what a request asks for."""
        now_ns = time.monotonic_ns() if now_ns is None else now_ns
        answer: dict[str, Any] = json.loads(call(self.native.command, now_ns, json.dumps(request)))
        return answer

    def events(self, limit: int) -> list[Event]:
        """The events that wait, so many at most."""
        return [plain(event) for event in call(self.native.events, limit)]

    def wait(self, seconds: float) -> Event | None:
        """The next event; waits for one for so long, other threads running on."""
        event = call(self.native.wait, int(seconds * 1e9))
        return None if event is None else plain(event)

    def close(self) -> bool:
        """Ends the node. `False` if it was closed before."""
        native, self._native = self._native, None
        if native is None:
            return False
        try:
            call(native.close)
        except ClosedError:
            return False
        return True

    def forked(self) -> None:
        """In a child the node's threads do not exist, and its locks may be held for ever: nothing of it is touched again."""
        self._native, self._why = None, _FORKED


_HANDLES: weakref.WeakSet[Handle] = weakref.WeakSet()


def _after_fork() -> None:
    for handle in list(_HANDLES):
        handle.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

