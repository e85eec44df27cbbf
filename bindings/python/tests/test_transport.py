"""Python's own sockets, and a user's transport."""

from __future__ import annotations

import asyncio
import logging

import pytest
from conftest import DEADLINE, soon

import networkdb
from networkdb import AsyncioTransport, EventKind, NetworkDB, Stepper, SyncClient, SyncServer, SyncStatus, Update


def carried(name: str, transport: AsyncioTransport) -> NetworkDB:
    return NetworkDB(name, advertise=transport.advertise).over(transport)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_a_node_on_pythons_sockets_shares_a_table_with_a_hosted_one(host: str) -> None:
    transport = AsyncioTransport(f"{host}:0")
    async with asyncio.timeout(DEADLINE), NetworkDB("a", bind=f"{host}:0") as a, carried("b", transport) as b:
        await a.join_network("web")
        a.create("web", "t", "alpha", bytes(1_000))
        rows = b.watch("web", "t")
        assert await b.join([str(a.bound)]) == 1
        await b.join_network("web")
        assert (await anext(rows)).value == bytes(1_000)
        back = a.watch("web", "t")
        b.create("web", "t", "beta", b"from python")
        assert (await anext(back)).key == "beta"
        await b.leave()


async def test_a_sync_server_on_pythons_sockets_serves_a_large_snapshot() -> None:
    transport = AsyncioTransport("127.0.0.1:0", datagrams=False)
    values = {f"/calico/v1/config/{number}": bytes([number % 256]) * 2_000 for number in range(2_000)}
    async with asyncio.timeout(2 * DEADLINE), SyncServer().over(transport) as server:
        server.publish([Update(key, value) for key, value in values.items()])
        server.set_status(SyncStatus.IN_SYNC)
        client = SyncClient([str(transport.advertise)], snappy=False).over(AsyncioTransport())
        async with client:
            seen = {}
            async for event in client.events():
                if event.kind == EventKind.UPDATE:
                    seen[event.key] = event.value
                if event.kind == EventKind.STATUS and event.number == SyncStatus.IN_SYNC:
                    break
            assert seen == values
        await soon(lambda: not server.clients(), "was the client gone")


async def test_a_dial_by_name_works_and_one_to_nobody_is_refused() -> None:
    transport = AsyncioTransport("127.0.0.1:0")
    async with asyncio.timeout(DEADLINE), NetworkDB("a", bind="127.0.0.1:0") as a, carried("b", transport) as b:
        with pytest.raises(networkdb.errors.UnreachableError, match="refused"):
            await b.join(["127.0.0.1:1"])
        port = str(a.bound).rpartition(":")[2]
        assert await b.join([f"localhost:{port}"]) == 1
        assert "AsyncioTransport 127.0.0.1" in repr(transport)


class Broken:
    """Raises wherever it can."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.stopped = False

    async def start(self, stepper: Stepper, /) -> None:
        self.stepper = stepper

    async def stop(self) -> None:
        self.stopped = True

    def send(self, to: networkdb.Address, datagrams: list[bytes], /) -> None:
        self._raise("send")

    def open(self, stream: int, host: str, port: int, /) -> None:
        self._raise("open")

    def write(self, stream: int, data: bytes, /) -> None:
        self._raise("write")

    def reading(self, stream: int, on: bool, /) -> None:
        self._raise("reading")

    def close(self, stream: int, abort: bool, /) -> None:
        self._raise("close")

    def _raise(self, call: str) -> None:
        self.calls.append(call)
        raise RuntimeError(f"{call} is broken")


async def test_what_a_transport_raises_is_logged_and_fails_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    transport = Broken()
    node = NetworkDB("a", advertise="10.0.0.1:7946").over(transport)
    with caplog.at_level(logging.ERROR, "networkdb"):
        async with asyncio.timeout(DEADLINE), node:
            # Sooner than the dial would be given up.
            async with asyncio.timeout(DEADLINE / 4):
                with pytest.raises(networkdb.errors.UnreachableError):
                    await node.join(["10.0.0.2:7946"])
            stream = transport.stepper.accepted(("10.0.0.9", 1))
            transport.stepper.received(stream, b"\xff" * 10)
            await soon(lambda: "close" in transport.calls, "was the stream closed")
    assert transport.stopped and "open is broken" in caplog.text
    transport.stepper.gone(stream)
    transport.stepper.datagram(("10.0.0.9", 1), b"late")


async def test_a_transport_that_cannot_start_ends_the_node() -> None:
    class Refuses(Broken):
        async def start(self, stepper: Stepper, /) -> None:
            raise OSError("not today")

    transport = Refuses()
    node = NetworkDB("a", advertise="10.0.0.1:7946").over(transport)
    with pytest.raises(OSError, match="not today"):
        async with node:
            pass
    assert node.closed and transport.stopped


async def test_wrong_words_of_a_transport_are_told_at_once() -> None:
    node = NetworkDB("a", advertise="10.0.0.1:7946")
    stepper = Stepper(node.handle)
    with pytest.raises(networkdb.errors.InvalidError):
        stepper.datagram(("no address", 1), b"")
    with pytest.raises(networkdb.errors.InvalidError):
        stepper.accepted(("10.0.0.1", 70_000))
    stepper.received(7, b"of a stream that never was")
    stepper.gone(7)
    flat, _ = stepper.step(1)
    assert isinstance(flat, bytes)
    await node.aclose()
    with pytest.raises(networkdb.errors.ClosedError):
        stepper.step(2)
