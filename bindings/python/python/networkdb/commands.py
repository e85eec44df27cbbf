"""What every node can be asked at once: nothing here waits for the network. The asyncio and the blocking nodes share it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from time import monotonic_ns
from typing import Any

from . import _native
from ._handle import Handle, call, name_bytes, name_text
from ._router import News, Queue, Router, Updates
from .errors import TooLargeError, error_of
from .syncproto import SyncStatus, Update


@dataclass(frozen=True, slots=True)
class Gossip:
    """Settings of membership that are seldom changed. What is `None` is the peer's default. Times are in seconds."""

    packet_size: int | None = None
    compression: bool | None = None
    interval: float | None = None
    nodes: int | None = None
    probe_interval: float | None = None
    probe_timeout: float | None = None
    push_pull_interval: float | None = None
    stream_timeout: float | None = None

    def settings(self) -> dict[str, Any]:
        """As the native part reads them."""
        return given(
            packet_size=self.packet_size,
            compression=self.compression,
            interval_ms=ms(self.interval),
            nodes=self.nodes,
            probe_interval_ms=ms(self.probe_interval),
            probe_timeout_ms=ms(self.probe_timeout),
            push_pull_interval_ms=ms(self.push_pull_interval),
            stream_timeout_ms=ms(self.stream_timeout),
        )


@dataclass(frozen=True, slots=True)
class Tls:
    """Mutual TLS on the built-in host: both sides show a certificate. `key`, `cert` and `ca` are PEM files; of the other side's
    certificate the common name or a URI among its alternative names is demanded. Times are in seconds.
    """

    key: str
    cert: str
    ca: str
    peer_cn: str | None = None
    peer_uri_san: str | None = None
    handshake_timeout: float | None = None

    def settings(self) -> dict[str, Any]:
        """As the native part reads them."""
        return given(
            key=self.key,
            cert=self.cert,
            ca=self.ca,
            peer_cn=self.peer_cn,
            peer_uri_san=self.peer_uri_san,
            handshake_timeout_ms=ms(self.handshake_timeout),
        )


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the cluster."""

    name: str
    addr: str
    state: str
    incarnation: int
    meta: bytes


@dataclass(frozen=True, slots=True)
class Peer:
    """A node that takes part in a network; `addr` is `None` if it is not known."""

    name: str
    addr: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table. `state` is `live`, `hidden` or `deleted`; `time` its Lamport time."""

    network: str
    table: str
    key: str
    value: bytes
    owner: str
    time: int
    state: str


@dataclass(frozen=True, slots=True)
class Network:
    """A network this node takes part in."""

    name: str
    leaving: bool
    peers: int
    entries: int
    rows: int
    in_sync: bool


@dataclass(frozen=True, slots=True)
class Client:
    """A client of a sync server."""

    stream: int
    addr: str
    hostname: str
    info: str
    version: str
    syncer_type: str
    snappy: bool


class Remembered(IntEnum):
    """What a sync client remembers of the keys."""

    NONE = 0
    KEYS = 1
    VALUES = 2


def ms(seconds: float | None) -> int | None:
    """Milliseconds, for the native part."""
    return None if seconds is None else round(seconds * 1_000)


def given(**settings: Any) -> dict[str, Any]:
    """The settings that are not left to their defaults."""
    return {name: value for name, value in settings.items() if value is not None}


def _name(fields: dict[str, Any], field: str) -> str:
    """A name in an answer, which is in hex too if it is no text."""
    if (digits := fields.get(f"{field}_hex")) is not None:
        return name_text(bytes.fromhex(digits))
    text: str = fields[field]
    return text


def _member(fields: dict[str, Any]) -> Member:
    meta = bytes.fromhex(fields["meta_hex"])
    return Member(_name(fields, "name"), fields["addr"], fields["state"], fields["incarnation"], meta)


def _row(fields: dict[str, Any]) -> Row:
    network, table, key = (_name(fields, field) for field in ("network", "table", "key"))
    value, owner = bytes.fromhex(fields["value_hex"]), _name(fields, "owner")
    return Row(network, table, key, value, owner, fields["time"], fields["state"])


def _hex(keys: Iterable[bytes]) -> list[str]:
    return [key.hex() for key in keys]


class Node:
    """What all nodes have."""

    KIND = 0

    def __init__(self, config: dict[str, Any], seed: bytes | None) -> None:
        self._handle = Handle(self.KIND, config, seed)
        self._router = Router(self._handle, news=self._queue())

    def _queue(self) -> Queue:
        return News()

    @property
    def handle(self) -> Handle:
        """The node beneath, for a `Stepper`."""
        return self._handle

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._handle.closed

    @property
    def bound(self) -> str | None:
        """What the built-in host is bound to."""
        bound: str | None = self._info()["bound"]
        return bound

    @property
    def advertised(self) -> str | None:
        """Where others reach it, if it says so."""
        advertised: str | None = self._info()["advertise"]
        return advertised

    def _info(self) -> dict[str, Any]:
        return self._handle.command({"op": "info"})

    def stats(self) -> dict[str, Any]:
        """Counters and gauges."""
        return self._handle.command({"op": "stats"})

    def snapshot(self) -> dict[str, Any]:
        """All that the node knows, as plain data."""
        return self._handle.command({"op": "snapshot"})

    def __repr__(self) -> str:
        about = "closed" if self.closed else self.bound or self.advertised or "open"
        return f"<{type(self).__module__}.{type(self).__qualname__} {about}>"


class _Keys(Node):
    def add_key(self, key: bytes) -> None:
        """Accepts packets sealed with this key too. `KeyringError`."""
        self._handle.command({"op": "key_add", "key_hex": key.hex()})

    def use_key(self, key: bytes) -> None:
        """Seals with this key from now on; it must have been added. `KeyringError`."""
        self._handle.command({"op": "key_use", "key_hex": key.hex()})

    def remove_key(self, key: bytes) -> None:
        """Accepts this key no more; it may not be the one in use. `KeyringError`."""
        self._handle.command({"op": "key_remove", "key_hex": key.hex()})

    def members(self) -> list[Member]:
        """The members of the cluster that are known."""
        return [_member(fields) for fields in self._handle.command({"op": "members"})["members"]]


class NetworkDBNode(_Keys):
    """A NetworkDB node: tables by network, spread by gossip.

    `bind` is the address of the built-in host's sockets, port 0 for any; `advertise` where others reach it. Times are in seconds.
    Without `keys`, of which the first seals, everything is plain. What is `None` is the peer's default. `ConfigError`,
    `SystemRefusedError` if `bind` cannot be bound.
    """

    KIND = 1

    def __init__(
        self,
        name: str,
        *,
        bind: str | None = None,
        advertise: str | None = None,
        keys: Sequence[bytes] = (),
        label: str = "",
        gossip: Gossip | None = None,
        table_gossip_interval: float | None = None,
        bulk_sync_interval: float | None = None,
        reap_entry: float | None = None,
        rejoin_interval: float | None = None,
        leave_timeout: float | None = None,
        seed: bytes | None = None,
    ) -> None:
        config = given(
            name=name,
            bind=bind,
            advertise=advertise,
            keys=_hex(keys),
            label=label,
            gossip=gossip and gossip.settings(),
            table_gossip_interval_ms=ms(table_gossip_interval),
            bulk_sync_interval_ms=ms(bulk_sync_interval),
            reap_entry_ms=ms(reap_entry),
            rejoin_interval_ms=ms(rejoin_interval),
            leave_timeout_ms=ms(leave_timeout),
        )
        super().__init__(config, seed)

    def put(self, network: str, table: str, key: str, value: bytes) -> None:
        """Writes a row whether it is there or not. `TooLargeError`, `MissingError` if the network was not joined."""
        self._write(0, network, table, key, value)

    def create(self, network: str, table: str, key: str, value: bytes) -> None:
        """Writes a row that must not be there: `ExistsError`."""
        self._write(1, network, table, key, value)

    def update(self, network: str, table: str, key: str, value: bytes) -> None:
        """Writes a row that must be there: `MissingError`."""
        self._write(2, network, table, key, value)

    def delete(self, network: str, table: str, key: str) -> None:
        """Deletes a row, which must be there: `MissingError`."""
        self._write(3, network, table, key, b"")

    def _write(self, how: int, network: str, table: str, key: str, value: bytes) -> None:
        row = name_bytes(network), name_bytes(table), name_bytes(key)
        call(self._handle.native.write, monotonic_ns(), how, *row, value)

    def get(self, network: str, table: str, key: str) -> bytes:
        """The value of a row. `MissingError`, `DeletedError`, `HiddenError`: each a `LookupError`."""
        return call(self._handle.native.read, name_bytes(network), name_bytes(table), name_bytes(key))

    def rows(self, network: str | None = None, table: str | None = None) -> list[Row]:
        """The rows there are, those deleted and hidden too."""
        rows: list[Row] = []
        query = given(op="list", network=network, table=table)
        while page := self._handle.command(query)["rows"]:
            rows.extend(map(_row, page))
            names = ("network", "table", "key")
            query["behind"] = {field: text for field, text in page[-1].items() if field.removesuffix("_hex") in names}
        return rows

    def networks(self) -> list[Network]:
        """The networks this node takes part in."""
        fields = ("leaving", "peers", "entries", "rows", "in_sync")
        found = self._handle.command({"op": "networks"})["networks"]
        return [Network(_name(one, "name"), *(one[field] for field in fields)) for one in found]

    def peers(self, network: str | None = None) -> list[Peer]:
        """The nodes of a network, or of the cluster."""
        found = self._handle.command(given(op="peers", network=network))["peers"]
        return [Peer(_name(one, "name"), one["addr"]) for one in found]

    def digest(self, network: str | None = None, table: str | None = None) -> list[dict[str, Any]]:
        """A number for each table that is the same on nodes that have the same live rows."""
        digests: list[dict[str, Any]] = self._handle.command(given(op="digest", network=network, table=table))["digests"]
        return digests

    def leave_network(self, network: str) -> None:
        """Leaves a network; own rows in it become tombstones. `NotJoinedError`."""
        self._handle.command({"op": "network_leave", "network": network})


class MemberlistNode(_Keys):
    """A member of a cluster, without tables. See `NetworkDBNode` for the settings; `profile` is `lan`, `wan` or `local`; `meta` what it
    says of itself, at most 512 bytes."""

    KIND = 2

    def __init__(
        self,
        name: str,
        *,
        bind: str | None = None,
        advertise: str | None = None,
        keys: Sequence[bytes] = (),
        label: str = "",
        profile: str = "lan",
        meta: bytes = b"",
        gossip: Gossip | None = None,
        seed: bytes | None = None,
    ) -> None:
        config = given(
            name=name,
            bind=bind,
            advertise=advertise,
            keys=_hex(keys),
            label=label,
            profile=profile,
            meta_hex=meta.hex(),
            gossip=gossip and gossip.settings(),
        )
        super().__init__(config, seed)

    def send_best_effort(self, to: Iterable[str], message: bytes) -> int:
        """Sends a user message in a packet to members by name. Returns to how many."""
        request = {"op": "send_best_effort", "to": list(to), "message_hex": message.hex()}
        sent: int = self._handle.command(request)["sent"]
        return sent


class SyncServerNode(Node):
    """A server of Typha's sync protocol, with the caches it serves: one for each of `syncer_types`. Times are in seconds.

    `tick` is how long updates that come one by one are gathered after a publication; without it, each is published at once.
    `ConfigError`, `SystemRefusedError` if `bind` cannot be bound.
    """

    KIND = 3

    def __init__(
        self,
        *,
        bind: str | None = None,
        tls: Tls | None = None,
        syncer_types: Sequence[str] = ("felix",),
        version: str | None = None,
        unix_origin_ns: int | None = None,
        max_batch_size: int | None = None,
        tick: float | None = None,
        max_message_size: int | None = None,
        ping_interval: float | None = None,
        pong_timeout: float | None = None,
        write_timeout: float | None = None,
        handshake_timeout: float | None = None,
        max_fall_behind: float | None = None,
        max_connections: int | None = None,
        max_accepted: int | None = None,
        conflate: Sequence[str] = (),
        seed: bytes | None = None,
    ) -> None:
        config = given(
            bind=bind,
            tls=tls and tls.settings(),
            syncer_types=list(syncer_types),
            version=version,
            unix_origin_ns=unix_origin_ns,
            max_batch_size=max_batch_size,
            tick_ms=ms(tick),
            max_message_size=max_message_size,
            ping_interval_ms=ms(ping_interval),
            pong_timeout_ms=ms(pong_timeout),
            write_timeout_ms=ms(write_timeout),
            handshake_timeout_ms=ms(handshake_timeout),
            max_fall_behind_ms=ms(max_fall_behind),
            max_connections=max_connections,
            max_accepted=max_accepted,
            conflate=list(conflate),
        )
        super().__init__(config, seed)

    def publish(self, updates: Iterable[Update], *, syncer_type: str = "felix") -> int:
        """Publishes updates to the clients of a syncer type. Returns how many.

        `MissingError`: no such syncer type. `TooLargeError`: its `taken` says how many before the one that is too large were taken.
        """
        native = [update.native() for update in updates]
        done = call(self._handle.native.publish, monotonic_ns(), syncer_type, native)
        if done.code:
            error = error_of(done.code, _native.status_text(done.code))
            if isinstance(error, TooLargeError):
                error.taken = done.taken
            raise error
        return done.taken

    def set_status(self, status: SyncStatus, *, syncer_type: str = "felix") -> None:
        """Tells clients how far the datastore is read."""
        self._handle.command({"op": "status", "syncer_type": syncer_type, "status": int(status)})

    def clients(self) -> list[Client]:
        """Those that are served."""
        fields = ("stream", "from", "hostname", "info", "version", "syncer_type", "snappy")
        found = self._handle.command({"op": "clients"})["clients"]
        return [Client(*(one[field] for field in fields)) for one in found]

    def disconnect(self, stream: int) -> None:
        """Ends the connection of a client. `MissingError`."""
        self._handle.command({"op": "disconnect", "stream": stream})

    def set_max_connections(self, count: int) -> None:
        """Drops random connections beyond so many."""
        self._handle.command({"op": "max_connections", "max": count})


class SyncClientNode(Node):
    """A client of Typha's sync protocol. `endpoints` are its servers, `HOST:PORT`; times are in seconds."""

    KIND = 4

    def __init__(
        self,
        endpoints: Sequence[str],
        *,
        hostname: str = "",
        tls: Tls | None = None,
        shuffle: bool | None = None,
        syncer_type: str | None = None,
        version: str | None = None,
        info: str | None = None,
        as_3_2_5: bool = False,
        accept_old_servers: bool = False,
        snappy: bool | None = None,
        tracking: Remembered = Remembered.VALUES,
        reconnect: bool | None = None,
        tries: int | None = None,
        read_timeout: float | None = None,
        write_timeout: float | None = None,
        connect_timeout: float | None = None,
        pending_bytes: int | None = None,
        seed: bytes | None = None,
    ) -> None:
        config = given(
            endpoints=list(endpoints),
            hostname=hostname,
            tls=tls and tls.settings(),
            shuffle=shuffle,
            syncer_type=syncer_type,
            version=version,
            info=info,
            as_3_2_5=as_3_2_5,
            accept_old_servers=accept_old_servers,
            snappy=snappy,
            tracking=tracking.name.lower(),
            reconnect=reconnect,
            tries=tries,
            read_timeout_ms=ms(read_timeout),
            write_timeout_ms=ms(write_timeout),
            connect_timeout_ms=ms(connect_timeout),
            pending_bytes=pending_bytes,
        )
        super().__init__(config, seed)

    def _queue(self) -> Queue:
        return Updates()

    def stop(self) -> None:
        """Ends the connection; the events end with `FINISHED`."""
        self._handle.command({"op": "stop"})

    def set_endpoints(self, endpoints: Sequence[str]) -> None:
        """Other servers, from the next connection on."""
        self._handle.command({"op": "endpoints", "endpoints": list(endpoints)})
