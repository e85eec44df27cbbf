"""Several datagrams of one peer in one call of the system."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from conftest import DEADLINE

from networkdb import Address, Gossip, Memberlist, Stepper, _udp

# All but the last are equal; then those that cannot all leave by one call.
TOGETHER = [[0], [1], [1, 1, 1], [1_400, 1_400, 1_400, 7], [9] * 64]
APART = [[9] * 65, [7, 9], [9, 7, 7], [9, 0, 9], [0, 0], [30_000, 30_000, 30_000], [1_400] * 100]


@contextmanager
def bound(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as made:
        made.bind((host, 0))
        made.settimeout(DEADLINE)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        yield made


def numbered(sizes: list[int]) -> list[bytes]:
    return [bytes([number]) * size for number, size in enumerate(sizes)]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("sizes", TOGETHER + APART, ids=lambda sizes: f"{len(sizes)} of {sizes[0]}")
def test_what_is_sent_together_arrives_one_by_one_at_a_socket_that_knows_nothing_else(host: str, sizes: list[int]) -> None:
    with bound(host) as ours, bound(host) as peer:
        assert _udp.send(ours, peer.getsockname(), numbered(sizes)) == 0
        assert [peer.recv(65_536) for _ in sizes] == numbered(sizes)


@pytest.mark.parametrize("sizes", TOGETHER, ids=lambda sizes: f"{len(sizes)} of {sizes[0]}")
def test_what_can_leave_by_one_call_is_read_by_one(sizes: list[int]) -> None:
    with bound() as ours, bound() as peer:
        _udp.read_together(peer)
        _udp.send(ours, peer.getsockname(), numbered(sizes))
        data, control, _, sender = peer.recvmsg(65_536, _udp.CONTROL_ROOM)
        assert (data, sender) == (b"".join(numbered(sizes)), ours.getsockname())
        assert _udp.stride(control, len(data)) == max(sizes[0], 1)


def test_what_the_system_does_not_cut_is_sent_one_by_one() -> None:
    with bound() as ours, bound() as peer:
        # For sockets that send no checksums, it does not.
        ours.setsockopt(socket.SOL_SOCKET, 11, 1)
        for sizes in TOGETHER + APART:
            assert _udp.send(ours, peer.getsockname(), numbered(sizes)) == 0
            assert [peer.recv(65_536) for _ in sizes] == numbered(sizes)


def test_what_the_system_does_not_take_is_counted_and_the_rest_sent() -> None:
    with bound() as ours, bound() as peer:
        assert _udp.send(ours, peer.getsockname(), [b"a", bytes(70_000), b"b"]) == 1
        assert [peer.recv(9), peer.recv(9)] == [b"a", b"b"]


def ping(number: int, length: int) -> bytes:
    """Memberlist's, with a field nobody knows."""
    begin = b"\x00\x83\xa5SeqNo\xcd" + number.to_bytes(2, "big") + b"\xa4Node\xa4here\xa7Filling\xda"
    left = length - len(begin) - 2
    return begin + left.to_bytes(2, "big") + bytes(left)


class Acks:
    """Of a node, to one address."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.calls: list[Address] = []

    def send(self, to: Address, datagrams: list[bytes], /) -> None:
        self.calls.append(to)
        for data in datagrams:
            at = data.index(b"SeqNo") + 5
            width = {0xCC: 1, 0xCD: 2}.get(data[at], 0)
            self.numbers.append(int.from_bytes(data[at + 1 : at + 1 + width], "big") if width else data[at])

    def open(self, stream: int, host: str, port: int, /) -> None: ...
    def write(self, stream: int, data: bytes, /) -> None: ...
    def reading(self, stream: int, on: bool, /) -> None: ...
    def close(self, stream: int, abort: bool, /) -> None: ...


async def test_a_node_is_given_each_datagram_of_those_read_together_and_answers_all_in_one_call() -> None:
    with bound() as ours, bound() as peer:
        # More than a stepper has room for at first; each tenth is shorter.
        pings = [ping(number, 60 if number % 10 else 50) for number in range(1_000, 1_640)]
        _udp.read_together(ours)
        ours.setblocking(False)
        node = Memberlist("here", advertise="127.0.0.1:7946", gossip=Gossip(compression=False))
        stepper, acks = Stepper(node.handle), Acks()
        assert stepper.receive(ours) == 0
        for begin in range(0, len(pings), 64):
            _udp.send(peer, ours.getsockname(), pings[begin : begin + 64])
        assert stepper.receive(ours, limit=1_000) == len(pings)
        stepper.pump(acks)
        assert acks.numbers == list(range(1_000, 1_640))
        assert acks.calls == [peer.getsockname()]
        await node.aclose()
