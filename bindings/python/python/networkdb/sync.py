"""Nodes for programs without an event loop: the built-in host drives them, and what takes time has a `timeout` in seconds.

    with NetworkDB("a", bind="10.0.0.5:7946") as node:
        node.join(["10.0.0.1:7946"], timeout=10)
        for change in node.watch("web", "endpoint_table"):
            print(change)

Any thread may call any method. `TimeoutError` tells that time is over; what was asked for goes on all the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from types import TracebackType
from typing import Any, TypeVar

from ._handle import call
from ._router import Queue, Rows
from .commands import MemberlistNode, NetworkDBNode, Node, SyncClientNode, SyncServerNode, given, ms
from .errors import ClosedError, Error, error_of
from .events import Event, EventKind

T = TypeVar("T")
N = TypeVar("N", bound="SyncNode")

_SLICE = 0.25
"""Seconds of a wait in the native part. Between two, an interrupt from the keyboard is heard."""


class Events(Iterator[Event]):
    """Events as they come. They end when the node is closed or `FINISHED`."""

    def __init__(self, node: SyncNode, queue: Queue) -> None:
        self._node = node
        self._queue = queue

    def __next__(self) -> Event:
        try:
            event = self._node._until(self._next, None)
        except ClosedError:
            raise StopIteration from None
        if event is None:
            raise StopIteration
        return event

    def get(self, timeout: float | None = None) -> Event:
        """The next event. `TimeoutError`; `ClosedError` at the end."""
        event = self._node._until(self._next, timeout)
        if event is None:
            raise ClosedError("there will be no more events")
        return event

    def _next(self) -> tuple[Event | None] | None:
        event = self._queue.take()
        if event is not None:
            self._queue.over = event.kind == EventKind.FINISHED
            return (event,)
        return (None,) if self._queue.over else None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._node!r}, {len(self._queue.events)} wait>"


class Watch(Events):
    """The rows of a table as they come, change and go; first those that are there. `RESYNC`: all that was told before is void.

    It goes on until `close`, or the end of a `with`, whether somebody looks or not: of a row that changed often meanwhile only the
    newest value may be told.
    """

    def __init__(self, node: SyncNode, number: int, rows: Rows) -> None:
        super().__init__(node, rows)
        self._number = number

    def close(self) -> None:
        """Ends the watch."""
        self._node._router.unwatch(self._number)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SyncNode(Node):
    """What all nodes of this module have. `with` starts and closes them, or `start` and `close` do."""

    def __init__(self, config: dict[str, Any], seed: bytes | None) -> None:
        super().__init__(config, seed)
        self._turn = threading.Condition(self._router.lock)
        self._led = False

    def start(self) -> None:
        """Starts the built-in host. `UnsupportedError`: no `bind` was given. `BusyError`: it runs."""
        call(self._handle.native.run)

    def close(self) -> None:
        """Ends the node. Says no goodbye: that is `leave`. Whoever waits is told `ClosedError`, and iterations end."""
        self._router.fail(ClosedError("the node is closed"))
        self._handle.close()

    def __enter__(self: N) -> N:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def events(self) -> Events:
        """What happens, but for what was waited for and for rows. What is not taken is dropped in the end."""
        return Events(self, self._router.news)

    def _until(self, ready: Callable[[], tuple[T] | None], timeout: float | None) -> T:
        """Waits until there is something. Of several threads that wait, one takes the events for all."""
        until = None if timeout is None else monotonic() + timeout
        with self._turn:
            while True:
                if (found := ready()) is not None:
                    return found[0]
                if self._router.failure is not None:
                    raise self._router.failure
                left = _SLICE if until is None else min(_SLICE, until - monotonic())
                if left <= 0:
                    raise TimeoutError("nothing came in time")
                if self._led:
                    self._turn.wait(left)
                else:
                    self._lead(left)

    def _lead(self, seconds: float) -> None:
        """Takes events for all that wait, with the lock free while there are none."""
        self._led = True
        self._turn.release()
        event = None
        try:
            event = self._handle.wait(seconds)
        except Error as error:
            self._router.fail(error)
        finally:
            self._turn.acquire()
            self._led = False
            if event is not None:
                self._router.route(event)
            self._turn.notify_all()

    def _request(self, timeout: float | None, **request: object) -> Event:
        number = self._router.request(given(**request))

        def ready() -> tuple[Event] | None:
            event = self._router.answer(number)
            return None if event is None else (event,)

        try:
            event = self._until(ready, timeout)
        finally:
            self._router.forget(number)
        if event.code:
            raise error_of(event.code, event.text or "not done", event)
        return event


class NetworkDB(NetworkDBNode, SyncNode):
    __doc__ = NetworkDBNode.__doc__

    def join(self, members: Iterable[str], *, timeout: float | None = None) -> int:
        """Joins the cluster by these members, `HOST:PORT` each. Returns how many were reached.

        `UnreachableError`: none. `UnannouncedError`: one was, but the others could not be told in time. The node goes on trying by itself.
        """
        return self._request(timeout, op="join", members=list(members)).number

    def leave(self, *, timeout: float | None = None) -> None:
        """Says goodbye to the cluster."""
        self._request(timeout, op="leave")

    def join_network(self, network: str, *, timeout: float | None = None) -> bool:
        """Joins a network. Whether a node of it began to send its rows. `AlreadyJoinedError`."""
        return bool(self._request(timeout, op="network_join", network=network).number)

    def watch(self, network: str | None = None, table: str | None = None, *, own: bool = False) -> Watch:
        """Watches the rows of a table, of a network or of all; `own`: also those that this node writes."""
        request = given(op="watch", network=network, table=table, own=own)
        return Watch(self, *self._router.watch(request))


class Memberlist(MemberlistNode, SyncNode):
    __doc__ = MemberlistNode.__doc__

    def join(self, members: Iterable[str], *, timeout: float | None = None) -> int:
        """Joins the cluster by these members, `HOST:PORT` each. Returns how many were reached. `UnreachableError`: none."""
        return self._request(timeout, op="join", members=list(members)).number

    def leave(self, *, timeout: float | None = None) -> None:
        """Says goodbye. `UnannouncedError`: not all could be told in so many seconds, 5 unless told otherwise."""
        self._request(None, op="leave", timeout_ms=ms(timeout))

    def set_meta(self, meta: bytes, *, timeout: float | None = None) -> None:
        """Says something else of itself. `TooLargeError`; `UnannouncedError`: not all could be told in so many seconds."""
        self._request(None, op="meta", meta_hex=meta.hex(), timeout_ms=ms(timeout))

    def send(self, to: str, message: bytes, *, timeout: float | None = None) -> None:
        """Sends a user message to a member by name, over a stream. `MissingError`, `UndeliveredError`."""
        self._request(timeout, op="send_reliable", to=to, message_hex=message.hex())


class SyncServer(SyncServerNode, SyncNode):
    __doc__ = SyncServerNode.__doc__

    def drain(self, timeout: float) -> None:
        """Ends all connections within so many seconds, in turn, and accepts no others. Returns at their end."""
        self._handle.command({"op": "drain", "timeout_ms": ms(timeout)})
        self._until(lambda: None if self.clients() else (None,), None)


class SyncClient(SyncClientNode, SyncNode):
    __doc__ = SyncClientNode.__doc__
