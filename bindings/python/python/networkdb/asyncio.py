"""Nodes for asyncio.

    async with NetworkDB("a", bind="10.0.0.5:7946") as node:
        await node.join(["10.0.0.1:7946"])
        async for change in node.watch("web", "endpoint_table"):
            print(change)

A node is used on the thread of its event loop; what does not wait (`put`, `get`, `members` …) may be called from any. What waits is
cancelled as everything in asyncio is, and bounded by `asyncio.timeout`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Any, TypeVar

from ._handle import call
from ._host import Host
from ._router import LOG, Queue, Rows
from .commands import MemberlistNode, NetworkDBNode, Node, SyncClientNode, SyncServerNode, given, ms
from .errors import BusyError, ClosedError, Error, error_of
from .events import Event, EventKind
from .transport import Transport

T = TypeVar("T")
N = TypeVar("N", bound="AsyncNode")

_BATCH = 64


class Events(AsyncIterator[Event]):
    """Events as they come. They end when the node is closed or `FINISHED`."""

    def __init__(self, node: AsyncNode, queue: Queue) -> None:
        self._node = node
        self._queue = queue

    async def __anext__(self) -> Event:
        try:
            event = await self._node._until(self._next)
        except ClosedError:
            raise StopAsyncIteration from None
        if event is None:
            raise StopAsyncIteration
        return event

    def _next(self) -> tuple[Event | None] | None:
        event = self._queue.take()
        if event is not None:
            self._queue.over = event.kind == EventKind.FINISHED
            self._node._resume()
            return (event,)
        return (None,) if self._queue.over else None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._node!r}, {len(self._queue.events)} wait>"


class Watch(Events):
    """The rows of a table as they come, change and go; first those that are there. `RESYNC`: all that was told before is void.

    It goes on until `close`, or the end of an `async with`, whether somebody looks or not: of a row that changed often meanwhile only the
    newest value may be told.
    """

    def __init__(self, node: AsyncNode, number: int, rows: Rows) -> None:
        super().__init__(node, rows)
        self._number = number

    def close(self) -> None:
        """Ends the watch."""
        self._node._router.unwatch(self._number)
        self._node._tell()

    async def __aenter__(self) -> Watch:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class AsyncNode(Node):
    """What all nodes of this module have. `async with` starts and closes them, or `start` and `aclose` do."""

    # The descriptor of events: while it is listened to, and while it is not because nothing more can be taken.
    _fd: int | None = None
    _paused: int | None = None

    def __init__(self, config: dict[str, Any], seed: bytes | None) -> None:
        super().__init__(config, seed)
        self._transport: Transport | None = None
        self._host: Host | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiters: set[asyncio.Future[None]] = set()

    def over(self: N, transport: Transport) -> N:
        """Has the node carried by this transport in place of the built-in host. To be said before the start."""
        if self._loop is not None:
            raise BusyError("the node has been started")
        self._transport = transport
        return self

    async def start(self) -> None:
        """Starts the built-in host or the transport. `UnsupportedError`: neither `bind` nor a transport was given."""
        if self._loop is not None:
            raise BusyError("the node has been started")
        native = self._handle.native
        self._loop = asyncio.get_running_loop()
        self._listen(native.event_fd())
        if self._transport is None:
            call(native.run)
        else:
            self._host = Host(self._handle, self._transport)
            await self._host.start()

    async def aclose(self) -> None:
        """Ends the node. Says no goodbye: that is `leave`. Whoever waits is told `ClosedError`, and iterations end."""
        self._router.fail(ClosedError("the node is closed"))
        self._unlisten()
        if self._loop is not None:
            self._tell()
        host, self._host = self._host, None
        try:
            if host is not None:
                await host.stop()
        finally:
            if self._loop is not None and not self._handle.closed and self._transport is None:
                # It waits for the host's thread.
                await self._loop.run_in_executor(None, self._handle.close)
            else:
                self._handle.close()

    async def __aenter__(self: N) -> N:
        try:
            await self.start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def events(self) -> Events:
        """What happens, but for what was waited for and for rows. One reader at a time; what is not taken is dropped in the end."""
        return Events(self, self._router.news)

    def _listen(self, fd: int) -> None:
        assert self._loop is not None
        self._fd = fd
        self._loop.add_reader(fd, self._readable)

    def _unlisten(self) -> int | None:
        fd, self._fd = self._fd, None
        if fd is not None and self._loop is not None:
            self._loop.remove_reader(fd)
        return fd

    def _readable(self) -> None:
        """Takes what waits, in portions that let others have their turn."""
        try:
            for event in self._handle.events(_BATCH):
                self._router.route(event)
        except Error as error:
            self._router.fail(error)
            self._unlisten()
        if self._router.news.full:
            self._paused = self._unlisten()
        self._tell()

    def _resume(self) -> None:
        if self._paused is not None and not self._router.news.full and not self.closed:
            paused, self._paused = self._paused, None
            self._listen(paused)

    def _tell(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _until(self, ready: Callable[[], tuple[T] | None]) -> T:
        """Waits until there is something."""
        while True:
            if (found := ready()) is not None:
                return found[0]
            if self._router.failure is not None:
                raise self._router.failure
            if self._loop is None:
                raise ClosedError("the node was not started")
            waiter = self._loop.create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)

    async def _request(self, **request: object) -> Event:
        """Asks for what takes time, and waits for its end. If that is cancelled, it goes on all the same."""
        if self._loop is None:
            raise ClosedError("the node was not started")
        number = self._router.request(given(**request))

        def ready() -> tuple[Event] | None:
            event = self._router.answer(number)
            return None if event is None else (event,)

        try:
            event = await self._until(ready)
        finally:
            self._router.forget(number)
        if event.code:
            raise error_of(event.code, event.text or "not done", event)
        return event

    def __del__(self) -> None:
        if self._fd is not None and not self.closed:
            LOG.warning("%r was not closed", self)


class NetworkDB(NetworkDBNode, AsyncNode):
    __doc__ = NetworkDBNode.__doc__

    async def join(self, members: Iterable[str]) -> int:
        """Joins the cluster by these members, `HOST:PORT` each. Returns how many were reached.

        `UnreachableError`: none. `UnannouncedError`: one was, but the others could not be told in time. The node goes on trying by itself.
        """
        return (await self._request(op="join", members=list(members))).number

    async def leave(self) -> None:
        """Says goodbye to the cluster."""
        await self._request(op="leave")

    async def join_network(self, network: str) -> bool:
        """Joins a network. Whether a node of it began to send its rows. `AlreadyJoinedError`."""
        return bool((await self._request(op="network_join", network=network)).number)

    def watch(self, network: str | None = None, table: str | None = None, *, own: bool = False) -> Watch:
        """Watches the rows of a table, of a network or of all; `own`: also those that this node writes."""
        request = given(op="watch", network=network, table=table, own=own)
        return Watch(self, *self._router.watch(request))


class Memberlist(MemberlistNode, AsyncNode):
    __doc__ = MemberlistNode.__doc__

    async def join(self, members: Iterable[str]) -> int:
        """Joins the cluster by these members, `HOST:PORT` each. Returns how many were reached. `UnreachableError`: none."""
        return (await self._request(op="join", members=list(members))).number

    async def leave(self, timeout: float | None = None) -> None:
        """Says goodbye. `UnannouncedError`: not all could be told in so many seconds."""
        await self._request(op="leave", timeout_ms=ms(timeout))

    async def set_meta(self, meta: bytes, timeout: float | None = None) -> None:
        """Says something else of itself. `TooLargeError`; `UnannouncedError`: not all could be told in so many seconds."""
        await self._request(op="meta", meta_hex=meta.hex(), timeout_ms=ms(timeout))

    async def send(self, to: str, message: bytes) -> None:
        """Sends a user message to a member by name, over a stream. `MissingError`, `UndeliveredError`."""
        await self._request(op="send_reliable", to=to, message_hex=message.hex())


class SyncServer(SyncServerNode, AsyncNode):
    __doc__ = SyncServerNode.__doc__

    async def drain(self, timeout: float) -> None:
        """Ends all connections within so many seconds, in turn, and accepts no others. Returns at their end."""
        if self._loop is None:
            raise ClosedError("the node was not started")
        self._handle.command({"op": "drain", "timeout_ms": ms(timeout)})
        await self._until(lambda: None if self.clients() else (None,))


class SyncClient(SyncClientNode, AsyncNode):
    __doc__ = SyncClientNode.__doc__
