"""Typha's sync protocol without sockets: messages from bytes, and bytes from messages.

    decoder = Decoder()
    for chunk in chunks:                # cut anywhere
        for message in decoder.feed(chunk):
            match message:
                case Updates(updates): ...
                case Status(status): ...
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol, Union

from . import _native
from ._handle import call, name_bytes, name_text
from .errors import MalformedError


class SyncStatus(IntEnum):
    """How far the datastore is read."""

    WAIT_FOR_DATASTORE = 0
    RESYNC_IN_PROGRESS = 1
    IN_SYNC = 2


class UpdateType(IntEnum):
    """What an update does to its key."""

    UNKNOWN = 0
    NEW = 1
    UPDATED = 2
    DELETED = 3


@dataclass(frozen=True, slots=True)
class Update:
    """A key and its value; `None` deletes the key. `ttl_ns`: nanoseconds until it expires, 0 for never.

    `version` is `metadata.resourceVersion` of a v3 resource; `type` an `UpdateType`.
    """

    key: str
    value: bytes | None
    revision: str | None = None
    version: str = ""
    ttl_ns: int = 0
    type: int = UpdateType.NEW

    def native(self) -> _native.NativeUpdate:
        """As the native part takes it."""
        revision = None if self.revision is None else name_bytes(self.revision)
        return _native.NativeUpdate(
            key=name_bytes(self.key),
            value=self.value,
            revision=revision,
            version=name_bytes(self.version),
            ttl_ns=self.ttl_ns,
            update_type=int(self.type),
        )


@dataclass(frozen=True, slots=True)
class ClientHello:
    """The client's first message."""

    hostname: str = ""
    info: str = ""
    version: str = ""
    syncer_type: str = "felix"
    supports_decoder_restart: bool = False
    compression_algorithms: tuple[str, ...] = ()
    supports_modern_policy_keys: bool = False
    client_conn_id: int = 0


@dataclass(frozen=True, slots=True)
class ServerHello:
    """The server's answer."""

    version: str = ""
    syncer_type: str = "felix"
    supports_node_resource_updates: bool = True
    server_conn_id: int = 0


@dataclass(frozen=True, slots=True)
class DecoderRestart:
    """The server's stream ends here; another, perhaps compressed, begins once the client has acknowledged."""

    message: str = ""
    compression_algorithm: str = ""


@dataclass(frozen=True, slots=True)
class Ack:
    """The client is ready for the new stream."""


@dataclass(frozen=True, slots=True)
class Status:
    """How far the server's datastore is read: a `SyncStatus`."""

    status: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a `Pong`. Times are nanoseconds since 1970, `None` if not set."""

    timestamp_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Pong:
    """Answers a `Ping`."""

    ping_timestamp_ns: int | None = None
    pong_timestamp_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Updates:
    """Keys and values."""

    updates: tuple[Update, ...]


@dataclass(frozen=True, slots=True)
class Nil:
    """An envelope without a message, which no peer sends."""


Message = Union[ClientHello, ServerHello, DecoderRestart, Ack, Status, Ping, Pong, Updates, Nil]


class Decoder:
    """Takes one direction of a connection apart from its first byte on, however it is cut, through restarts and snappy."""

    def __init__(self, *, from_client: bool = False) -> None:
        self._native = _native.NativeDecoder(from_client)

    def feed(self, data: bytes) -> list[Message]:
        """The messages that these bytes complete. `MalformedError`: the stream is over."""
        return [_message(message) for message in call(self._native.feed, data)]

    @property
    def pending(self) -> int:
        """Bytes kept of a message that is not whole yet."""
        return self._native.pending()

    def finish(self) -> None:
        """The stream is over. `MalformedError` if that is inside of a message."""
        if self.pending:
            raise MalformedError("the stream ends inside of a message")

    def __repr__(self) -> str:
        return f"<networkdb.syncproto.Decoder, {self.pending} bytes pending>"


class Encoder:
    """Writes one stream."""

    def __init__(self) -> None:
        self._begun = False

    def encode(self, *messages: Message) -> bytes:
        """The bytes of these messages, which follow those of the calls before."""
        parts = [] if self._begun else [_native.definitions()]
        parts.extend(call(_native.encode, _native_message(message)) for message in messages)
        self._begun = True
        return b"".join(parts)


class Reader(Protocol):
    """What bytes come from: an `asyncio.StreamReader`, for one."""

    async def read(self, n: int = -1, /) -> bytes:
        """Some bytes; none at the end."""
        ...


def decode(chunks: Iterable[bytes], *, from_client: bool = False) -> Iterator[Message]:
    """The messages in the chunks of a stream. `MalformedError`, also if it ends inside of one."""
    decoder = Decoder(from_client=from_client)
    for chunk in chunks:
        yield from decoder.feed(chunk)
    decoder.finish()


async def read(reader: Reader, *, from_client: bool = False) -> AsyncIterator[Message]:
    """The messages that come from a reader, until its end. `MalformedError`, also if that is inside of one."""
    decoder = Decoder(from_client=from_client)
    while chunk := await reader.read(65536):
        for message in decoder.feed(chunk):
            yield message
    decoder.finish()


def encode(messages: Sequence[Message]) -> bytes:
    """A whole stream."""
    return Encoder().encode(*messages)


def _ns(time: _native.NativeTime | None) -> int | None:
    return None if time is None else time.seconds * 1_000_000_000 + time.nanos


def _time(ns: int | None) -> _native.NativeTime | None:
    if ns is None:
        return None
    seconds, nanos = divmod(ns, 1_000_000_000)
    return _native.NativeTime(seconds=seconds, nanos=nanos)


def _update(update: _native.NativeUpdate) -> Update:
    revision = None if update.revision is None else name_text(update.revision)
    version = name_text(update.version)
    return Update(name_text(update.key), update.value, revision, version, update.ttl_ns, update.update_type)


def _message(message: _native.NativeMessage) -> Message:
    kinds = _native.NativeMessage
    if isinstance(message, kinds.UPDATES):
        return Updates(tuple(map(_update, message.updates)))
    if isinstance(message, kinds.STATUS):
        return Status(message.status)
    if isinstance(message, kinds.PING):
        return Ping(_ns(message.timestamp))
    if isinstance(message, kinds.PONG):
        return Pong(_ns(message.ping_timestamp), _ns(message.pong_timestamp))
    if isinstance(message, kinds.CLIENT_HELLO):
        return ClientHello(
            message.hostname,
            message.info,
            message.version,
            message.syncer_type,
            message.supports_decoder_restart,
            tuple(message.compression_algorithms),
            message.supports_modern_policy_keys,
            message.client_conn_id,
        )
    if isinstance(message, kinds.SERVER_HELLO):
        node_resources = message.supports_node_resource_updates
        return ServerHello(message.version, message.syncer_type, node_resources, message.server_conn_id)
    if isinstance(message, kinds.DECODER_RESTART):
        return DecoderRestart(message.message, message.compression_algorithm)
    return Ack() if isinstance(message, kinds.ACK) else Nil()


def _native_message(message: Message) -> Any:
    kinds: Any = _native.NativeMessage
    match message:
        case Updates(updates):
            return kinds.UPDATES(updates=[update.native() for update in updates])
        case Status(status):
            return kinds.STATUS(status=int(status))
        case Ping(timestamp):
            return kinds.PING(timestamp=_time(timestamp))
        case Pong(ping, pong):
            return kinds.PONG(ping_timestamp=_time(ping), pong_timestamp=_time(pong))
        case ClientHello():
            return kinds.CLIENT_HELLO(
                hostname=message.hostname,
                info=message.info,
                version=message.version,
                syncer_type=message.syncer_type,
                supports_decoder_restart=message.supports_decoder_restart,
                compression_algorithms=list(message.compression_algorithms),
                supports_modern_policy_keys=message.supports_modern_policy_keys,
                client_conn_id=message.client_conn_id,
            )
        case ServerHello():
            return kinds.SERVER_HELLO(
                version=message.version,
                syncer_type=message.syncer_type,
                supports_node_resource_updates=message.supports_node_resource_updates,
                server_conn_id=message.server_conn_id,
            )
        case DecoderRestart(text, algorithm):
            return kinds.DECODER_RESTART(message=text, compression_algorithm=algorithm)
        case Ack():
            return kinds.ACK()
        case Nil():
            return kinds.NIL()
