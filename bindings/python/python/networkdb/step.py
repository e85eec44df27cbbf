"""Steps: what arrived goes in, what is to be sent comes out. For those who bring their own sockets and their own loop."""

from __future__ import annotations

import ctypes
import logging
import socket
import struct
from collections.abc import Callable
from enum import IntEnum
from ipaddress import IPv4Address, ip_address
from time import monotonic_ns
from typing import Any, Protocol

from . import _native, _udp
from ._native import networkdb_native as _generated
from ._handle import Handle
from .errors import InvalidError, StreamError, error_of

LOG = logging.getLogger("networkdb")

Address = tuple[str, int]
"""A host and a port. A host is the text of an IP address, of IPv6 with its scope (`fe80::1%2`) if it has one."""


class Fault(IntEnum):
    """Why a dial or a stream broke."""

    OTHER = 0
    REFUSED = 1
    UNREACHABLE = 2
    TIMED_OUT = 3
    RESET = 4
    UNTRUSTED = 5


class Carrier(Protocol):
    """What carries out what a node asks for. No call may block, or step the node; each may report to the stepper.

    An exception is logged; of `open`, `write` and `close` it ends the stream.
    """

    def send(self, to: Address, datagrams: list[bytes], /) -> None:
        """Sends datagrams to one address. Each may be lost."""

    def open(self, stream: int, host: str, port: int, /) -> None:
        """Dials, and reports `opened` or `failed`. `host` may be a name to be resolved."""

    def write(self, stream: int, data: bytes, /) -> None:
        """Sends bytes on a stream, and reports `sent` when they have left."""

    def reading(self, stream: int, on: bool, /) -> None:
        """Reads a stream or stops reading it. On at the start."""

    def close(self, stream: int, abort: bool, /) -> None:
        """Ends a stream: drops it now, or once all is written sends no more and goes on reading. Reports `gone` when it is over."""


# An ndb_input or an ndb_output of the C header.
_RECORD = struct.Struct("=HHIQQQQ16sIHBB")
_ADDR = struct.Struct("=16sIHBB")
# Of an output: kind, code, stream, length. Its address begins where an `_ADDR` is left.
_OUTPUT = struct.Struct("=HH4xQ16xQ24x")
_TICK, _DATAGRAM, _ACCEPTED, _OPENED, _RECEIVED, _SENT, _FINISHED, _FAILED, _GONE = range(9)
_SEND, _OPEN, _WRITE, _READING, _CLOSE = range(5)
_DOINGS = {_SEND: "send", _OPEN: "dial", _WRITE: "write", _READING: "heed whether to read", _CLOSE: "close"}
_NOWHERE = (bytes(16), 0, 0, 0, 0)
_NEVER = _native.never()
_MAX_DATAGRAM = 65_536
_KNOWN_ADDRESSES = 4_096

_Packed = tuple[bytes, int, int, int, int]


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(_generated._UniffiLib._name)
    pointer, size, u64 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64
    library.ndb_step_flat.argtypes = [u64, u64, pointer, size, pointer, size, pointer, pointer, pointer]
    library.ndb_step_flat.restype = ctypes.c_int32
    return library


_STEP: Callable[..., int] = _library().ndb_step_flat


def pack_address(address: Address | tuple[Any, ...]) -> _Packed:
    """An address as the native part has it. Those of `recvfrom` over IPv6 have four parts."""
    host, port = address[0], address[1]
    try:
        ip = ip_address(host)
        if isinstance(ip, IPv4Address):
            packed = ip.packed + bytes(12), 0, port, 4, 0
        else:
            scope = int(ip.scope_id) if ip.scope_id else 0
            packed = ip.packed, (address[3] if len(address) == 4 else scope), port, 6, 0
        _ADDR.pack(*packed)
        return packed
    except (ValueError, struct.error) as error:
        raise InvalidError(f"not an address: {address!r}") from error


def unpack_address(packed: _Packed) -> Address:
    """The same the other way round."""
    ip, scope, port, family, _ = packed
    if family == 4:
        return socket.inet_ntop(socket.AF_INET, ip[:4]), port
    host = socket.inet_ntop(socket.AF_INET6, ip)
    return (f"{host}%{scope}" if scope else host), port


class Stepper:
    """Gathers what arrived for a node, and gives it to the node in one step.

    What arrived is reported by the methods from `datagram` to `gone`; `pump` then steps. Not for several threads at once. Words
    about a stream that is gone are ignored: they cross.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._number = handle.native.number()
        self._inputs, self._arena = bytearray(), bytearray()
        self._room(records=256, arena=4 * _MAX_DATAGRAM)
        self._count = 0
        self._used = 0
        self._accepted = 0
        self._streams: set[int] = set()
        self._packed: dict[Any, _Packed] = {}
        self._unpacked: dict[bytes, Address] = {}
        self._out, self._len, self._deadline = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_uint64()
        self._places = (ctypes.byref(self._out), ctypes.byref(self._len), ctypes.byref(self._deadline))
        self.on_input: Callable[[], None] | None = None
        """Called whenever something was reported."""

    def _room(self, *, records: int, arena: int) -> None:
        """Makes room for so many in all. What is there stays."""
        self._inputs = _grown(self._inputs, records * _RECORD.size)
        self._arena = _grown(self._arena, arena)
        self._view = memoryview(self._arena)
        self._at = (_address_of(self._inputs), _address_of(self._arena))

    def _add(self, kind: int, code: int, stream: int, packed: _Packed, data: bytes, length: int) -> None:
        if self._count * _RECORD.size == len(self._inputs) or self._used + len(data) > len(self._arena):
            self._room(records=self._count + 1, arena=self._used + len(data))
        at, used = self._count * _RECORD.size, self._used
        _RECORD.pack_into(self._inputs, at, kind, code, 0, stream, 0, used, length, *packed)
        if data:
            self._view[used : used + len(data)] = data
            self._used = used + len(data)
        self._count += 1
        if self.on_input is not None:
            self.on_input()

    def _about(self, kind: int, stream: int, *, code: int = 0, data: bytes = b"", length: int = 0) -> None:
        if stream in self._streams:
            self._add(kind, code, stream, _NOWHERE, data, length)

    def _from(self, address: Any) -> _Packed:
        packed = self._packed.get(address)
        if packed is None:
            if len(self._packed) >= _KNOWN_ADDRESSES:
                self._packed.clear()
            packed = self._packed[address] = pack_address(address)
        return packed

    def _to(self, packed: bytes) -> Address:
        if len(self._unpacked) >= _KNOWN_ADDRESSES:
            self._unpacked.clear()
        address = self._unpacked[packed] = unpack_address(_ADDR.unpack(packed))
        return address

    def tick(self) -> None:
        """Nothing but time. A step without inputs is one."""
        self._add(_TICK, 0, 0, _NOWHERE, b"", 0)

    def datagram(self, sender: Address, data: bytes) -> None:
        """A datagram arrived."""
        self._add(_DATAGRAM, 0, 0, self._from(sender), data, len(data))

    def receive(self, sock: socket.socket, limit: int = 64) -> int:
        """Reads datagrams from a UDP socket that does not block, until it would or so many have come. Returns how many.

        Where the system gives several of one peer as one (UDP_GRO), it takes them apart, and may return some more.
        """
        count = 0
        while count < limit:
            used = self._used
            if used + _MAX_DATAGRAM > len(self._arena):
                self._room(records=self._count, arena=used + _MAX_DATAGRAM)
            try:
                length, control, _, sender = sock.recvmsg_into([self._view[used:]], _udp.CONTROL_ROOM)
            except (BlockingIOError, InterruptedError):
                break
            except ConnectionError:
                continue  # An earlier one found nobody there.
            packed = self._packed.get(sender) or self._from(sender)
            if control:
                count += self._apart(packed, length, _udp.stride(control, length))
            else:
                self._read(packed, length)
                count += 1
        return count

    def _read(self, packed: _Packed, length: int) -> None:
        """A datagram whose bytes are already in the arena."""
        at = self._count * _RECORD.size
        if at == len(self._inputs):
            self._room(records=self._count + 1, arena=self._used)
        _RECORD.pack_into(self._inputs, at, _DATAGRAM, 0, 0, 0, 0, self._used, length, *packed)
        self._used += length
        self._count += 1

    def _apart(self, packed: _Packed, length: int, stride: int) -> int:
        """The same of several, and how many they are."""
        begins = range(0, max(length, 1), stride)
        for begin in begins:
            self._read(packed, min(stride, length - begin))
        return len(begins)

    def accepted(self, peer: Address) -> int:
        """A stream was accepted. Returns its number."""
        packed = self._from(peer)
        stream = self._accepted + 2 if self._accepted else 1
        self._accepted = stream
        self._streams.add(stream)
        self._add(_ACCEPTED, 0, stream, packed, b"", 0)
        return stream

    def opened(self, stream: int, peer: Address) -> None:
        """A dial worked; `peer`: whom it reached."""
        packed = self._from(peer)
        if stream in self._streams:
            self._add(_OPENED, 0, stream, packed, b"", 0)

    def received(self, stream: int, data: bytes) -> None:
        """Bytes of a stream arrived, cut anywhere."""
        self._about(_RECEIVED, stream, data=data, length=len(data))

    def sent(self, stream: int, count: int) -> None:
        """So many more bytes of a stream have left. The node writes no more than a window ahead of it."""
        if count < 0:
            raise StreamError(f"{count} bytes cannot have left")
        self._about(_SENT, stream, length=count)

    def finished(self, stream: int) -> None:
        """The peer will send no more."""
        self._about(_FINISHED, stream)

    def failed(self, stream: int, fault: Fault = Fault.OTHER) -> None:
        """The dial or stream broke. It is over."""
        self._about(_FAILED, stream, code=int(fault))

    def gone(self, stream: int) -> None:
        """Nothing is held of the stream any more: the last word about it."""
        self._about(_GONE, stream)
        self._streams.discard(stream)

    def pump(self, carrier: Carrier, now_ns: int | None = None) -> int | None:
        """Gives the node what was gathered, or nothing but the time, and has `carrier` carry out what is to be done.

        Times are nanoseconds; without `now_ns` those of `time.monotonic_ns`. Returns when to pump again at the latest, `None` for when
        something arrives or `wake_fd` is readable. `BusyError`, `ClosedError`, `PoisonedError`.
        """
        flat, deadline = self.step(monotonic_ns() if now_ns is None else now_ns)
        at, end = 0, len(flat)
        while at < end:
            kind, code, stream, length = _OUTPUT.unpack_from(flat, at)
            begin = at + _OUTPUT.size
            packed = flat[begin - _ADDR.size : begin]
            at = begin + length
            try:
                if kind == _SEND:
                    datagrams, at = _in_a_row(flat, packed, [flat[begin:at]], at)
                    carrier.send(self._unpacked.get(packed) or self._to(packed), datagrams)
                else:
                    self._carry(carrier, kind, code, stream, packed, flat[begin:at])
            except Exception:
                self._broken(kind, stream)
        return deadline

    def _carry(self, carrier: Carrier, kind: int, code: int, stream: int, packed: bytes, data: bytes) -> None:
        if kind == _WRITE:
            carrier.write(stream, data)
        elif kind == _OPEN:
            self._streams.add(stream)
            if data:
                carrier.open(stream, data.decode(), _ADDR.unpack(packed)[2])
            else:
                carrier.open(stream, *self._to(packed))
        elif kind == _READING:
            carrier.reading(stream, bool(code))
        elif kind == _CLOSE:
            carrier.close(stream, bool(code))

    def _broken(self, kind: int, stream: int) -> None:
        """The carrier raised."""
        LOG.exception("the transport failed to %s", _DOINGS.get(kind, "do what is new to this package"))
        if kind in (_OPEN, _WRITE, _CLOSE):
            self.failed(stream)
            self.gone(stream)

    def step(self, now_ns: int) -> tuple[bytes, int | None]:
        """A step as `ndb_step_flat` of the C header makes it: the outputs as it lays them, and the deadline."""
        _ = self._handle.native  # It must be open.
        count, used = self._count, self._used
        self._count = self._used = 0
        inputs, arena = self._at
        status = _STEP(self._number, now_ns, inputs, count, arena, used, *self._places)
        if status:
            raise error_of(status, _native.status_text(status))
        length = self._len.value
        flat = ctypes.string_at(self._out.value, length) if length and self._out.value else b""
        deadline = self._deadline.value
        return flat, None if deadline == _NEVER else deadline

    @property
    def wake_fd(self) -> int:
        """A descriptor that is readable when a command left work: pump. Only to be polled, not read or closed."""
        return self._handle.native.wake_fd()

    def __repr__(self) -> str:
        return f"<networkdb.Stepper, {self._count} inputs gathered, {len(self._streams)} streams>"


def _in_a_row(flat: bytes, to: bytes, datagrams: list[bytes], at: int) -> tuple[list[bytes], int]:
    """These datagrams and those to the same address that follow, and where what comes then begins."""
    end, size, unpack = len(flat), _OUTPUT.size, _OUTPUT.unpack_from
    while at < end:
        kind, _, _, length = unpack(flat, at)
        begin = at + size
        if kind != _SEND or flat[begin - _ADDR.size : begin] != to:
            break
        at = begin + length
        datagrams.append(flat[begin:at])
    return datagrams, at


def _grown(buffer: bytearray, needed: int) -> bytearray:
    """A buffer that has so many bytes: this one, or a copy at least twice as long."""
    if needed <= len(buffer):
        return buffer
    grown = bytearray(max(needed, 2 * len(buffer)))
    grown[: len(buffer)] = buffer
    return grown


def _address_of(buffer: bytearray) -> int:
    """Where a buffer that is never resized begins."""
    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))
