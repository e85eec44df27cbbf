"""What users may do wrong: they are told, and nothing crashes or leaks."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import weakref

import pytest
from conftest import DEADLINE, soon, wait_for

import networkdb
from networkdb import NetworkDB, SyncClient, SyncServer, Tls, errors, sync


def node(name: str = "a") -> NetworkDB:
    return NetworkDB(name, bind="127.0.0.1:0")


async def test_a_closed_node_tells_so_and_may_be_closed_again() -> None:
    a = node()
    async with a:
        pass
    for act in (a.stats, a.members, lambda: a.put("n", "t", "k", b""), lambda: a.get("n", "t", "k"), a.watch):
        with pytest.raises(errors.ClosedError):
            act()
    for ask in (lambda: a.join(["127.0.0.1:1"]), a.leave, a.start):
        with pytest.raises((errors.ClosedError, errors.BusyError)):
            await ask()
    await a.aclose()
    await a.aclose()


async def test_a_node_that_was_not_started_tells_so() -> None:
    a = node()
    with pytest.raises(errors.ClosedError):
        await a.join(["127.0.0.1:1"])
    await a.aclose()


async def test_starts_are_refused_twice_and_without_a_place() -> None:
    async with node() as a:
        with pytest.raises(errors.BusyError):
            await a.start()
        with pytest.raises(errors.BusyError):
            a.over(networkdb.AsyncioTransport())
        with pytest.raises(errors.BusyError):
            networkdb.Stepper(a.handle).step(1)
    b = NetworkDB("b", advertise="10.0.0.1:7946")
    with pytest.raises(errors.UnsupportedError):
        async with b:
            pass
    assert b.closed


def test_settings_are_checked() -> None:
    for settings in ({"keys": [b"short"]}, {"bind": "nowhere"}, {}):
        with pytest.raises(errors.ConfigError):
            NetworkDB("a", **settings)
    with pytest.raises(errors.InvalidError, match="32 bytes"):
        NetworkDB("a", advertise="10.0.0.1:7946", seed=b"short")
    tls = Tls(key="/nowhere/key.pem", cert="/nowhere/cert.pem", ca="/nowhere/ca.pem", peer_cn="felix", handshake_timeout=1.5)
    for make in (lambda: SyncServer(bind="127.0.0.1:0", tls=tls), lambda: SyncClient(["127.0.0.1:1"], hostname="h", tls=tls)):
        with pytest.raises(errors.ConfigError, match="/nowhere/"):
            make()
    with pytest.raises(errors.ConfigError):
        SyncServer(bind="127.0.0.1:0", tick=-1.0)
    with sync.NetworkDB("a", bind="127.0.0.1:0") as a, pytest.raises(errors.SystemRefusedError):
        NetworkDB("b", bind=a.bound)


async def test_a_cancelled_wait_ends_and_the_request_goes_on() -> None:
    async with asyncio.timeout(DEADLINE), node() as a:
        rows = a.watch("web")
        waits = asyncio.create_task(anext(rows))
        await asyncio.sleep(0)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        joins = asyncio.create_task(a.join_network("web"))
        await asyncio.sleep(0)
        joins.cancel()
        with pytest.raises(asyncio.CancelledError):
            await joins
        assert not a._waiters and not a._router._requests
        assert [network.name for network in a.networks()] == ["web"]


async def test_closing_ends_every_wait() -> None:
    a = node()
    await a.start()
    rows, events = a.watch("web"), a.events()
    watches = asyncio.create_task(_all(rows))
    listens = asyncio.create_task(_all(events))
    def never() -> tuple[int] | None:
        return None

    waits = asyncio.create_task(a._until(never))
    await asyncio.sleep(0)
    await a.aclose()
    await asyncio.gather(watches, listens)
    with pytest.raises(errors.ClosedError):
        await waits


async def _all(events: networkdb.Events) -> list[networkdb.Event]:
    return [event async for event in events]


def test_closing_ends_the_waits_of_threads() -> None:
    a = sync.NetworkDB("a", bind="127.0.0.1:0")
    a.start()
    outcomes: list[object] = []

    def wait(rows: sync.Watch) -> None:
        outcomes.append(list(rows))

    waiters = [threading.Thread(target=wait, args=(a.watch("web"),)) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    wait_for(lambda: a._led, "did a thread wait")
    a.close()
    for waiter in waiters:
        waiter.join(DEADLINE)
    assert outcomes == [[], [], []]


def test_threads_that_wait_together_each_get_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "_SLICE", 10 * DEADLINE)
    with sync.NetworkDB("a", bind="127.0.0.1:0") as a:
        names = [f"n{number}" for number in range(8)]
        joins = [threading.Thread(target=a.join_network, args=(name,), kwargs={"timeout": DEADLINE}) for name in names]
        for join in joins:
            join.start()
        for join in joins:
            join.join(DEADLINE)
        assert sorted(network.name for network in a.networks()) == names


def test_a_wait_hears_an_interrupt() -> None:
    with sync.NetworkDB("a", bind="127.0.0.1:0") as a:
        rows = a.watch("web")

        def interrupt() -> None:
            wait_for(lambda: a._led, "was it waited")
            os.kill(os.getpid(), signal.SIGINT)

        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        with pytest.raises(KeyboardInterrupt):
            next(rows)
        interrupter.join()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_child_cannot_use_the_node_and_the_parent_can() -> None:
    with sync.NetworkDB("a", bind="127.0.0.1:0") as a:
        child = os.fork()
        if child == 0:
            told = 1
            try:
                a.stats()
            except errors.ClosedError as error:
                told = 0 if "forked" in str(error) else 2
            a.close()
            del a
            gc.collect()
            os._exit(told)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert a.stats()


async def test_a_fault_inside_is_an_error_and_ends_the_waits() -> None:
    a = node()
    await a.start()
    waits = asyncio.create_task(anext(a.watch("web")))
    await asyncio.sleep(0)
    # `test` builds with the feature `fault-injection`.
    with pytest.raises(errors.PoisonedError):
        a.handle.command({"op": "panic"})
    with pytest.raises(errors.PoisonedError):
        await waits
    with pytest.raises(errors.PoisonedError):
        a.stats()
    await a.aclose()


async def test_a_forgotten_node_is_ended_by_its_collection() -> None:
    native = weakref.ref(networkdb.Codec()._handle)
    await soon(lambda: gc.collect() is not None and native() is None, "was it collected")


async def test_what_is_not_taken_is_bounded() -> None:
    async with asyncio.timeout(DEADLINE), node() as a:
        await a.join_network("web")
        rows = a.watch("web", own=True)
        for number in range(25_000):
            a.put("web", "t", str(number % 10), str(number).encode())
            if number % 50 == 0:
                await asyncio.sleep(0)  # Events are taken as they come, though nobody looks at them.
        await soon(lambda: any(event.value == b"24999" for event in rows._queue.events), "was the last change told")
        assert len(rows._queue.events) <= 10_000
        newest: dict[str, bytes | None] = {}
        while len(newest) < 10 or newest["9"] != b"24999":
            event = await anext(rows)
            if event.kind == networkdb.EventKind.RESYNC:
                newest = {}
            else:
                newest[event.key] = event.value
        assert newest == {str(digit): str(24_990 + digit).encode() for digit in range(10)}


def test_news_of_rows_become_one_for_each() -> None:
    from collections import deque

    from networkdb._router import conflate

    kind, event = networkdb.EventKind, networkdb.Event

    def row(what: networkdb.EventKind, key: str, value: bytes | None, previous: bytes | None = None) -> networkdb.Event:
        return event(what, id=1, network="n", table="t", key=key, value=value, previous=previous)

    created, updated, deleted = kind.ROW_CREATED, kind.ROW_UPDATED, kind.ROW_DELETED
    before = [
        row(created, "gone", b"1"),
        event(kind.RESYNC, id=1),
        row(created, "new", b"1"),
        row(updated, "new", b"2", b"1"),
        row(created, "short", b"1"),
        row(deleted, "short", None, b"1"),
        row(updated, "old", b"2", b"1"),
        row(updated, "old", b"3", b"2"),
        row(deleted, "left", None, b"7"),
        row(created, "left", b"8"),
        row(updated, "dead", b"2", b"1"),
        row(deleted, "dead", None, b"2"),
    ]
    assert list(conflate(deque(before))) == [
        event(kind.RESYNC, id=1),
        row(created, "new", b"2"),
        row(updated, "old", b"3", b"1"),
        row(updated, "left", b"8", b"7"),
        row(deleted, "dead", None, b"1"),
    ]


async def test_a_warning_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with asyncio.timeout(DEADLINE), node() as a:
        import socket

        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stranger:
            host, _, port = str(a.bound).rpartition(":")
            stranger.connect((host, int(port)))
            stranger.sendall(b"\xff" * 64)
        await soon(lambda: "networkdb" in [record.name for record in caplog.records], "was it logged")
