"""The sync protocol: a server and its clients, and the codec alone."""

from __future__ import annotations

import asyncio

import pytest
from conftest import DEADLINE, soon

import networkdb
from networkdb import EventKind, SyncClient, SyncServer, SyncStatus, Update, UpdateType, sync, syncproto

KEY = "/calico/v1/config/LogSeverityFile"


async def test_a_client_gets_the_snapshot_then_changes() -> None:
    async with asyncio.timeout(DEADLINE), SyncServer(bind="127.0.0.1:0") as server:
        assert server.publish([Update(KEY, b"INFO", revision="1")]) == 1
        server.set_status(SyncStatus.IN_SYNC)
        async with SyncClient([str(server.bound)], hostname="h") as client:
            events = client.events()
            seen = []
            async for event in events:
                seen.append((event.kind, event.key, event.value))
                if event.kind == EventKind.CONNECTED:
                    assert event.table == "felix" and event.addr == server.bound
                if event.kind == EventKind.STATUS and event.number == SyncStatus.IN_SYNC:
                    break
            assert (EventKind.UPDATE, KEY, b"INFO") in seen and EventKind.CONNECTED in [one[0] for one in seen]
            server.publish([Update(KEY, None, type=UpdateType.DELETED)])
            gone = await anext(events)
            assert (gone.kind, gone.key, gone.detail) == (EventKind.DELETION, KEY, UpdateType.DELETED)
            assert [one.hostname for one in server.clients()] == ["h"]
            with pytest.raises(networkdb.errors.MissingError):
                server.disconnect(99)
            client.stop()
            assert [event.kind async for event in events][-1:] == [EventKind.FINISHED]
        await server.drain(1.0)


async def test_a_snapshot_larger_than_any_queue_comes_whole_to_a_slow_reader() -> None:
    keys = [f"/calico/v1/config/key{number:05}" for number in range(5_000)]
    async with asyncio.timeout(2 * DEADLINE), SyncServer(bind="127.0.0.1:0") as server:
        server.publish([Update(key, b"value") for key in keys])
        server.set_status(SyncStatus.IN_SYNC)
        async with SyncClient([str(server.bound)], pending_bytes=65_536) as client:
            await soon(lambda: client._router.news.full, "was the queue full")
            assert len(client._router.news.events) < 1_024 + 64
            seen = []
            async for event in client.events():
                await asyncio.sleep(0)
                assert len(client._router.news.events) < 1_024 + 64
                if event.kind == EventKind.UPDATE:
                    seen.append(event.key)
                if event.kind == EventKind.STATUS and event.number == SyncStatus.IN_SYNC:
                    break
            assert sorted(seen) == keys


def test_the_same_without_a_loop() -> None:
    with sync.SyncServer(bind="127.0.0.1:0") as server:
        server.publish([Update(KEY, b"INFO")])
        server.set_status(SyncStatus.IN_SYNC)
        with sync.SyncClient([str(server.bound)]) as client:
            updates = [event for event in _until_in_sync(client) if event.kind == EventKind.UPDATE]
            assert [(event.key, event.value) for event in updates] == [(KEY, b"INFO")]


def _until_in_sync(client: sync.SyncClient) -> list[networkdb.Event]:
    events, seen = client.events(), []
    while True:
        seen.append(events.get(DEADLINE))
        if seen[-1].kind == EventKind.STATUS and seen[-1].number == SyncStatus.IN_SYNC:
            return seen


def test_publications_are_refused_with_a_reason() -> None:
    with sync.SyncServer(bind="127.0.0.1:0") as server:
        with pytest.raises(networkdb.errors.MissingError):
            server.publish([Update(KEY, b"")], syncer_type="nobody")
        with pytest.raises(networkdb.errors.InvalidError):
            server.publish([Update(KEY, b"", ttl_ns=1 << 70)])
        large = [Update(KEY, b"INFO"), Update("/long", bytes(9 << 20)), Update("/never", b"")]
        with pytest.raises(networkdb.errors.TooLargeError) as refused:
            server.publish(large)
        assert refused.value.taken == 1


MESSAGES: list[syncproto.Message] = [
    syncproto.ClientHello("host", "info", "v3", "bgp", True, ("snappy",), True, 7),
    syncproto.ServerHello("v3", "bgp", True, 9),
    syncproto.Ping(1_700_000_000_123_456_789),
    syncproto.Pong(1_700_000_000_123_456_789, None),
    syncproto.Ack(),
    syncproto.Updates((Update(KEY, b"INFO", "17", "3", 5, UpdateType.NEW), Update("/gone", None, type=3))),
    syncproto.Status(SyncStatus.IN_SYNC),
    syncproto.DecoderRestart("why", "snappy"),
]


@pytest.mark.parametrize("size", [1, 7, 65_536])
def test_messages_come_back_from_a_stream_however_it_is_cut(size: int) -> None:
    stream = syncproto.encode(MESSAGES)
    cuts = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert list(syncproto.decode(cuts)) == MESSAGES


async def test_messages_come_from_an_asyncio_reader() -> None:
    reader = asyncio.StreamReader()
    encoder = syncproto.Encoder()
    reader.feed_data(encoder.encode(syncproto.ServerHello()))
    reader.feed_data(encoder.encode(syncproto.Status(1)))
    reader.feed_eof()
    kinds = [type(message) async for message in syncproto.read(reader)]
    assert kinds == [syncproto.ServerHello, syncproto.Status]


def test_other_bytes_are_malformed() -> None:
    decoder = syncproto.Decoder()
    for _ in range(2):  # Nothing more is read of it.
        with pytest.raises(networkdb.errors.MalformedError):
            decoder.feed(b"GET / HTTP/1.1\r\n" * 10)
    half = syncproto.encode([syncproto.Status(2)])[:-1]
    decoder = syncproto.Decoder()
    assert decoder.feed(half) == [] and decoder.pending > 0 and "pending" in repr(decoder)
    with pytest.raises(networkdb.errors.MalformedError, match="ends inside"):
        list(syncproto.decode([half]))


def test_packets_are_opened_and_sealed() -> None:
    key = bytes(16)
    with networkdb.Codec(keys=[key], label="dc") as codec, networkdb.Codec() as plain:
        packet = codec.seal_packet(b"\x08hello")
        assert codec.open_packet(packet) == [networkdb.PacketMessage("user", b"hello")]
        assert plain.open_packet(packet)[0].error
        with pytest.raises(networkdb.errors.MalformedError):
            codec.networkdb(b"\xff\xff")
