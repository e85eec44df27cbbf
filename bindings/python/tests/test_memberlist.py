"""Membership alone."""

from __future__ import annotations

import asyncio

import pytest
from conftest import DEADLINE

import networkdb
from networkdb import EventKind, Gossip, Memberlist, sync

LOCAL = {"bind": "127.0.0.1:0", "profile": "local", "gossip": Gossip(interval=0.05, probe_interval=0.2)}


def member(name: str, meta: bytes = b"") -> Memberlist:
    return Memberlist(name, meta=meta, **LOCAL)  # type: ignore[arg-type]


async def until(events: networkdb.Events, kind: EventKind, key: str = "") -> networkdb.Event:
    async for event in events:
        if event.kind == kind and (not key or event.key == key):
            return event
    raise AssertionError(f"no {kind!r}")


async def test_members_meet_talk_and_part() -> None:
    async with asyncio.timeout(DEADLINE), member("a") as a, member("b", b"first") as b:
        events = a.events()
        assert await b.join([str(a.bound)]) == 1
        assert (await until(events, EventKind.MEMBER_JOINED, "b")).value == b"first"
        assert {found.name: found.meta for found in a.members()} == {"a": b"", "b": b"first"}
        await b.set_meta(b"second")
        assert (await until(events, EventKind.MEMBER_UPDATED, "b")).value == b"second"
        await b.send("a", b"\x00reliable")
        assert (await until(events, EventKind.MESSAGE)).value == b"\x00reliable"
        assert b.send_best_effort(["a", "nobody"], b"perhaps") == 1
        assert (await until(events, EventKind.MESSAGE)).value == b"perhaps"
        with pytest.raises(networkdb.errors.MissingError):
            await b.send("nobody", b"")
        with pytest.raises(networkdb.errors.TooLargeError):
            await b.set_meta(bytes(513))
        await b.leave()
        assert (await until(events, EventKind.MEMBER_GONE, "b")).number == 3


def test_the_same_without_a_loop() -> None:
    with sync.Memberlist("a", **LOCAL) as a, sync.Memberlist("b", **LOCAL) as b:  # type: ignore[arg-type]
        assert b.join([str(a.bound)], timeout=DEADLINE) == 1
        b.send("a", b"hello", timeout=DEADLINE)
        events = a.events()
        while (event := events.get(DEADLINE)).kind != EventKind.MESSAGE:
            pass
        assert event.value == b"hello"
        b.set_meta(b"m", timeout=DEADLINE)
        b.leave(timeout=DEADLINE)
