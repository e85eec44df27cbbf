"""NetworkDB nodes: joining, rows, watches; with asyncio and without."""

from __future__ import annotations

import asyncio

import pytest
from conftest import DEADLINE, soon, wait_for

import networkdb
from networkdb import EventKind, NetworkDB, sync


def hosted(name: str, **settings: object) -> NetworkDB:
    return NetworkDB(name, bind="127.0.0.1:0", **settings)  # type: ignore[arg-type]


async def joined(node: NetworkDB, seed: NetworkDB) -> None:
    assert await node.join([str(seed.bound)]) == 1
    await node.join_network("web")


async def test_two_nodes_share_a_table() -> None:
    async with asyncio.timeout(DEADLINE), hosted("a") as a, hosted("b") as b:
        assert not await a.join_network("web"), "there was nobody to send rows"
        a.create("web", "endpoints", "alpha", b"10.0.0.5:80")
        async with b.watch("web", "endpoints") as rows:
            await joined(b, a)
            first = await anext(rows)
            assert (first.kind, first.key, first.value) == (EventKind.ROW_CREATED, "alpha", b"10.0.0.5:80")
            assert b.get("web", "endpoints", "alpha") == b"10.0.0.5:80"
            a.update("web", "endpoints", "alpha", b"10.0.0.6:80")
            second = await anext(rows)
            assert (second.kind, second.value, second.previous) == (
                EventKind.ROW_UPDATED,
                b"10.0.0.6:80",
                b"10.0.0.5:80",
            )
            a.delete("web", "endpoints", "alpha")
            third = await anext(rows)
            assert (third.kind, third.value, third.previous) == (EventKind.ROW_DELETED, None, b"10.0.0.6:80")
        with pytest.raises(networkdb.errors.DeletedError):
            b.get("web", "endpoints", "alpha")
        assert [member.name for member in b.members()] == ["a", "b"]
        assert {peer.name for peer in b.peers("web")} == {"a", "b"}
        assert [network.name for network in b.networks()] == ["web"]


async def test_own_rows_are_told_if_asked_and_names_may_be_any_bytes() -> None:
    odd = b"\xff/\xfe".decode("utf-8", "surrogateescape")
    async with asyncio.timeout(DEADLINE), hosted("a") as a:
        await a.join_network("web")
        rows = a.watch(own=True)
        a.put("web", "t", odd, b"")
        event = await anext(rows)
        assert (event.key, event.value) == (odd, b"")
        assert a.get("web", "t", odd) == b""
        assert [row.key for row in a.rows("web")] == [odd]
        assert a.digest()[0]["rows"] == 1
        rows.close()


async def test_rows_come_in_pages_and_refusals_are_typed() -> None:
    async with asyncio.timeout(DEADLINE), hosted("a") as a:
        await a.join_network("web")
        for number in range(1_500):
            a.put("web", "t", f"{number:04}", b"v")
        assert [row.key for row in a.rows("web", "t")] == [f"{number:04}" for number in range(1_500)]
        with pytest.raises(networkdb.errors.ExistsError) as exists:
            a.create("web", "t", "0001", b"v")
        assert exists.value.status == networkdb.Status.EXISTS
        with pytest.raises(networkdb.errors.MissingError):
            a.update("web", "t", "none", b"v")
        with pytest.raises(networkdb.errors.AlreadyJoinedError):
            await a.join_network("web")
        with pytest.raises(networkdb.errors.NotJoinedError):
            a.leave_network("none")
        with pytest.raises(networkdb.errors.KeyringError):
            a.add_key(b"short")


async def test_a_seed_that_nobody_has_is_unreachable() -> None:
    async with asyncio.timeout(DEADLINE), hosted("a") as a:
        with pytest.raises(networkdb.errors.UnreachableError) as failure:
            await a.join(["127.0.0.1:1"])
        assert failure.value.event is not None and failure.value.event.kind == EventKind.JOINED
        assert "127.0.0.1:1" in failure.value.text


async def test_events_tell_of_others_and_of_their_leave() -> None:
    async with asyncio.timeout(DEADLINE), hosted("a") as a:
        events = a.events()
        async with hosted("b") as b:
            await joined(b, a)
            await b.leave()
        kinds = []
        async for event in events:
            kinds.append(event.kind)
            if event.kind == EventKind.NODE_LEFT:
                break
        assert EventKind.NODE_ACTIVE in kinds
        assert (event.key, event.addr is not None) == ("b", True)


async def test_keys_keep_strangers_out() -> None:
    key = bytes(range(16))
    async with asyncio.timeout(DEADLINE), hosted("a", keys=[key]) as a, hosted("b", keys=[key]) as b:
        await joined(b, a)
        a.add_key(key[::-1])
        a.use_key(key[::-1])
        with pytest.raises(networkdb.errors.KeyringError):
            a.remove_key(key[::-1])
        a.remove_key(key)


def test_the_same_without_a_loop() -> None:
    with sync.NetworkDB("a", bind="127.0.0.1:0") as a, sync.NetworkDB("b", bind="127.0.0.1:0") as b:
        a.join_network("web", timeout=DEADLINE)
        a.create("web", "endpoints", "alpha", b"1")
        rows = b.watch("web", "endpoints")
        assert b.join([str(a.bound)], timeout=DEADLINE) == 1
        b.join_network("web", timeout=DEADLINE)
        assert rows.get(DEADLINE).value == b"1"
        with pytest.raises(TimeoutError):
            rows.get(0.01)
        rows.close()
        events = a.events()
        b.leave(timeout=DEADLINE)
        wait_for(lambda: events.get(DEADLINE).kind == EventKind.NODE_LEFT, "was the leave told")


async def test_a_node_and_its_state_show_themselves() -> None:
    node = hosted("a")
    async with node:
        assert repr(node) == f"<networkdb.asyncio.NetworkDB {node.bound}>"
        assert node.stats() and node.snapshot()["name"] == "a"
        rows = node.watch()
        assert "0 wait" in repr(rows)
    assert repr(node) == "<networkdb.asyncio.NetworkDB closed>"
    event = networkdb.Event(EventKind.ALONE, key="k")
    assert repr(event) == "Event(ALONE, key='k')"
    error = networkdb.errors.MissingError("there is none")
    assert repr(error) == "MissingError('there is none', status=MISSING)"


async def test_a_crowd_of_waiters_is_served_by_one_reader() -> None:
    async with asyncio.timeout(DEADLINE), hosted("a") as a:
        networks = [f"n{number}" for number in range(20)]
        await asyncio.gather(*map(a.join_network, networks))
        assert sorted(network.name for network in a.networks()) == sorted(networks)
        await soon(lambda: not a._router._requests, "was every request forgotten")
