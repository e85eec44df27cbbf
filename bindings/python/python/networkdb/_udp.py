"""Several datagrams of one peer in one call of the system, where the system can: Linux's UDP_GRO and UDP_SEGMENT.

What is on the wire is the same.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

# Of linux/udp.h.
_UDP_SEGMENT = 103
_UDP_GRO = 104
_SEGMENT = struct.Struct("=H")
_STRIDE = struct.Struct("=i")
# So many leave by one call at most, and so many bytes: those of the longest datagram over IPv4.
_MAX_TOGETHER = 64
_MAX_PAYLOAD = 65_507

CONTROL_ROOM = 256
"""For what the system says of what it read, also for a user who has asked for more."""


def read_together(sock: socket.socket) -> None:
    """Has the system give several datagrams of one peer as one, if it can."""
    try:
        sock.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, 1)
    except OSError:
        pass


def stride(control: list[tuple[int, int, bytes]], length: int) -> int:
    """How long each of the datagrams is that were read as so many bytes; the last may be shorter. At least 1."""
    for level, kind, data in control:
        if level == socket.IPPROTO_UDP and kind == _UDP_GRO and len(data) >= _STRIDE.size:
            length = _STRIDE.unpack_from(data)[0]
    return max(length, 1)


def send(sock: socket.socket, to: tuple[Any, ...], datagrams: list[bytes]) -> int:
    """Sends datagrams to one address, one at least. Returns how many the system did not take."""
    if len(datagrams) == 1:
        return _send_each(sock, to, datagrams)
    return sum(_send_run(sock, to, run) for run in _runs(datagrams))


def _runs(datagrams: list[bytes]) -> Iterator[list[bytes]]:
    """Parts that can leave together: datagrams of one size, but for the last, which may be shorter."""
    begin = 0
    size = last = len(datagrams[0])
    room = _MAX_PAYLOAD - size
    for at in range(1, len(datagrams)):
        length = len(datagrams[at])
        if last < size or not 0 < length <= size or length > room or at - begin == _MAX_TOGETHER:
            yield datagrams[begin:at]
            begin, size, room = at, length, _MAX_PAYLOAD
        last = length
        room -= length
    yield datagrams[begin:]


def _send_run(sock: socket.socket, to: tuple[Any, ...], run: list[bytes]) -> int:
    if len(run) > 1:
        try:
            sock.sendmsg(run, [(socket.IPPROTO_UDP, _UDP_SEGMENT, _SEGMENT.pack(len(run[0])))], 0, to)
            return 0
        except OSError:
            pass  # Too long for the way there, say: one by one, the system cuts them into fragments.
    return _send_each(sock, to, run)


def _send_each(sock: socket.socket, to: tuple[Any, ...], datagrams: list[bytes]) -> int:
    lost = 0
    for datagram in datagrams:
        try:
            sock.sendto(datagram, to)
        except OSError:
            lost += 1
    return lost
