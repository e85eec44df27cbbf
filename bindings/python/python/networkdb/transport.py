"""Sockets of Python's own, and what others have to bring in their place."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from ipaddress import ip_address
from typing import Any, Protocol, cast

from . import _udp
from .step import Address, Carrier, Fault, Stepper

LOG = logging.getLogger("networkdb")

_BATCH = 64
_TRIES = 16
_BUFFER = 1 << 20


class Transport(Carrier, Protocol):
    """What carries a node of `networkdb.asyncio`: a `Carrier` that is started and stopped.

    All calls come on the thread of the event loop.
    """

    async def start(self, stepper: Stepper, /) -> None:
        """Begins to report to this stepper what arrives."""

    async def stop(self) -> None:
        """Gives everything back: nothing is reported any more."""


class AsyncioTransport:
    """UDP and TCP sockets in an asyncio loop.

    `bind` is bound at once, `HOST:PORT`, port 0 for any; without it the node only dials. `datagrams=False`: TCP alone, for a sync server.
    """

    def __init__(self, bind: str | None = None, *, datagrams: bool = True) -> None:
        self._udp: socket.socket | None = None
        self._tcp: socket.socket | None = None
        self.address: Address | None = None
        """What is bound."""
        self.dropped = 0
        """Datagrams that the system did not take."""
        if bind is not None:
            self._tcp, self._udp = _bind(_parse(bind), datagrams)
            self.address = _address(self._tcp.getsockname())
        self._server: asyncio.Server | None = None
        self._streams: dict[int, _Stream] = {}
        self._dials: dict[int, asyncio.Task[None]] = {}
        self._ends: set[asyncio.Future[None]] = set()

    @property
    def advertise(self) -> str | None:
        """What is bound, as nodes take it."""
        if self.address is None:
            return None
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def start(self, stepper: Stepper, /) -> None:
        """See `Transport`."""
        self._loop = asyncio.get_running_loop()
        self._stepper = stepper
        if self._udp is not None:
            self._loop.add_reader(self._udp, self._readable, self._udp)
        if self._tcp is not None:
            self._server = await self._loop.create_server(lambda: _Stream(self, None), sock=self._tcp)

    async def stop(self) -> None:
        """See `Transport`."""
        if self._udp is not None:
            if hasattr(self, "_loop"):
                self._loop.remove_reader(self._udp)
            self._udp.close()
        if self._server is not None:
            self._server.close()
        elif self._tcp is not None:
            self._tcp.close()
        for stream in list(self._streams.values()):
            stream.close(True)
        dials = list(self._dials.values())
        for dial in dials:
            dial.cancel()
        await asyncio.gather(*dials, *self._ends, return_exceptions=True)

    def _readable(self, sock: socket.socket) -> None:
        if self._stepper.receive(sock, _BATCH) and self._stepper.on_input is not None:
            self._stepper.on_input()

    def send(self, to: Address, datagrams: list[bytes], /) -> None:
        """See `Carrier`."""
        self.dropped += len(datagrams) if self._udp is None else _udp.send(self._udp, to, datagrams)

    def open(self, stream: int, host: str, port: int, /) -> None:
        """See `Carrier`."""
        self._dials[stream] = self._loop.create_task(self._dial(stream, host, port))

    async def _dial(self, stream: int, host: str, port: int) -> None:
        try:
            await self._loop.create_connection(lambda: _Stream(self, stream), host, port)
        except OSError as error:
            self._stepper.failed(stream, _fault(error))
            self._stepper.gone(stream)
        except asyncio.CancelledError:
            if stream not in self._streams:
                self._stepper.gone(stream)
            raise
        finally:
            self._dials.pop(stream, None)

    def write(self, stream: int, data: bytes, /) -> None:
        """See `Carrier`."""
        if (found := self._streams.get(stream)) is not None:
            found.write(data)

    def reading(self, stream: int, on: bool, /) -> None:
        """See `Carrier`."""
        if (found := self._streams.get(stream)) is not None:
            found.reading(on)

    def close(self, stream: int, abort: bool, /) -> None:
        """See `Carrier`."""
        if (found := self._streams.get(stream)) is not None:
            found.close(abort)
        elif (dial := self._dials.get(stream)) is not None:
            dial.cancel()

    def __repr__(self) -> str:
        return f"<networkdb.AsyncioTransport {self.advertise or 'unbound'}, {len(self._streams)} streams>"


class _Stream(asyncio.Protocol):
    """One TCP connection."""

    def __init__(self, owner: AsyncioTransport, stream: int | None) -> None:
        self._owner = owner
        self._stream = 0 if stream is None else stream
        self._unsent = 0
        self._over = self._finished = self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # Whatever waits is a reason to be told when nothing does.
        self._transport.set_write_buffer_limits(high=0)
        owner, stepper = self._owner, self._owner._stepper
        self._end: asyncio.Future[None] = owner._loop.create_future()
        owner._ends.add(self._end)
        self._end.add_done_callback(owner._ends.discard)
        peer = self._transport.get_extra_info("peername")
        if self._stream:
            stepper.opened(self._stream, peer)
        else:
            self._stream = stepper.accepted(peer)
        owner._streams[self._stream] = self

    def data_received(self, data: bytes) -> None:
        self._owner._stepper.received(self._stream, data)

    def eof_received(self) -> bool:
        self._ended = True
        self._owner._stepper.finished(self._stream)
        if self._finished:
            self._transport.close()
        return True

    def write(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        self._unsent += len(data)
        self._transport.write(data)
        if self._transport.get_write_buffer_size() == 0:
            self.resume_writing()

    def resume_writing(self) -> None:
        unsent, self._unsent = self._unsent, 0
        if unsent and not self._over:
            self._owner._stepper.sent(self._stream, unsent)

    def reading(self, on: bool) -> None:
        if not self._transport.is_closing():
            (self._transport.resume_reading if on else self._transport.pause_reading)()

    def close(self, abort: bool) -> None:
        if abort:
            self._over = True
            self._transport.abort()
        elif not self._finished:
            self._finished = True
            if self._transport.can_write_eof() and not self._transport.is_closing():
                self._transport.write_eof()
            if self._ended:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        stepper = self._owner._stepper
        if not self._over:
            self.resume_writing() if exc is None else None
            if exc is not None or not (self._finished and self._ended):
                stepper.failed(self._stream, _fault(exc))
        stepper.gone(self._stream)
        self._owner._streams.pop(self._stream, None)
        if not self._end.done():
            self._end.set_result(None)


def _fault(error: BaseException | None) -> Fault:
    if isinstance(error, ConnectionRefusedError):
        return Fault.REFUSED
    if isinstance(error, (ConnectionError, type(None))):
        return Fault.RESET
    if isinstance(error, TimeoutError):
        return Fault.TIMED_OUT
    unreachable = (errno.EHOSTUNREACH, errno.ENETUNREACH)
    if isinstance(error, socket.gaierror) or getattr(error, "errno", None) in unreachable:
        return Fault.UNREACHABLE
    return Fault.OTHER


def _parse(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _address(name: tuple[Any, ...]) -> Address:
    return name[0], name[1]


def _bind(at: Address, datagrams: bool) -> tuple[socket.socket, socket.socket | None]:
    """A listener and a UDP socket on one port. With port 0, one that both kinds have free is looked for."""
    for left in reversed(range(_TRIES)):
        tcp = _socket(at, socket.SOCK_STREAM)
        if not datagrams:
            return tcp, None
        try:
            udp = _socket((at[0], tcp.getsockname()[1]), socket.SOCK_DGRAM)
        except OSError:
            tcp.close()
            if at[1] != 0 or not left:
                raise
            continue
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        _udp.read_together(udp)
        return tcp, udp
    raise AssertionError("unreachable")


def _socket(at: Address, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET if ip_address(at[0]).version == 4 else socket.AF_INET6
    made = socket.socket(family, kind)
    try:
        made.setblocking(False)
        if kind == socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(at)
    except BaseException:
        made.close()
        raise
    return made
