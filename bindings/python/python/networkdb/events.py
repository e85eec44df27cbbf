"""What nodes tell their users: one flat shape for all kinds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum


class EventKind(IntEnum):
    """What an event tells, and which of its fields it has. Numbers never change their meaning; new ones may come."""

    JOINED = 1
    """A join of the cluster is over. `id`: the request; `code`; `number`: seeds reached; `text`: why others were not."""
    LEFT = 2
    """A NetworkDB node has left. `id`: the request."""
    SPREAD = 3
    """The news of a member's leave or of its new meta has spread. `id`: the request; `code`."""
    SENT = 4
    """A reliable message is over. `id`: the request; `code`; `text`: why."""
    MISSED = 5
    """So many (`number`) older events were dropped because nobody took them."""
    WARNING = 6
    """Something to look at. `text`: what; `addr`: from where, if known."""
    NETWORK_JOINED = 16
    """A join of a network is over. `id`: the request; `network`; `number`: 1 if a node began to send its rows."""
    NODE_ACTIVE = 17
    """A node of the cluster takes part. `key`: its name; `addr`."""
    NODE_FAILED = 18
    """A node of the cluster does not answer. `key`: its name; `addr`."""
    NODE_LEFT = 19
    """A node of the cluster said goodbye. `key`: its name; `addr`."""
    PEER_JOINED = 20
    """A node joined a network. `network`; `key`: the node's name."""
    PEER_LEFT = 21
    """A node left a network. `network`; `key`: the node's name."""
    ALONE = 22
    """No other node answers."""
    ROW_CREATED = 23
    """A watched row is there. `id`: the watch; `network`, `table`, `key`, `value`."""
    ROW_UPDATED = 24
    """A watched row has a new value. `id`: the watch; `network`, `table`, `key`, `value`, `previous`."""
    ROW_DELETED = 25
    """A watched row is gone. `id`: the watch; `network`, `table`, `key`, `previous`."""
    RESYNC = 26
    """The watch (`id`) lagged behind: whatever it told is void, and the rows there are follow as created."""
    MEMBER_JOINED = 32
    """A member came. `key`: its name; `addr`; `value`: its meta."""
    MEMBER_UPDATED = 33
    """A member's meta changed. `key`: its name; `addr`; `value`: its meta."""
    MEMBER_GONE = 34
    """A member went. `key`: its name; `addr`; `number`: 2 dead, 3 left."""
    MESSAGE = 35
    """A user message arrived. `value`: its bytes."""
    CONFLICT = 36
    """Two members claim one name. `key`: the name; `addr`: the other one's address."""
    CLIENT_JOINED = 48
    """A client is served. `id`: its stream; `addr`; `key`: its host; `table`: its syncer type; `value`: its version; `text`."""
    CLIENT_CLOSED = 49
    """A connection ended. `id`: its stream; `addr`; `text`: why."""
    DRAINED = 50
    """The last connection has ended since the drain began."""
    UNREACHED = 64
    """A server could not be reached. `text`: where and why."""
    CONNECTED = 65
    """A server was reached. `addr`; `value`: its version; `table`: its syncer type."""
    STATUS = 66
    """How far the server's datastore is read. `number`: a `SyncStatus`."""
    UPDATE = 67
    """A key has a value. `key`, `value`, `revision`, `version`; `number`: its time to live in nanoseconds; `detail`: an `UpdateType`."""
    DELETION = 68
    """A key is gone. `key`, `revision`, `version`; `detail`: 3."""
    DISCONNECTED = 69
    """The connection has ended; another will be made. `text`: why."""
    FINISHED = 70
    """There will be no more connections and no more events. `text`: why."""
    CLIENT_HELLO = 80
    """The C library's codec read a client's hello, and so on: in Python these are messages of `networkdb.syncproto`."""
    SERVER_HELLO = 81
    DECODER_RESTART = 82
    ACK = 83
    PING = 84
    PONG = 85
    UPDATES = 86
    NIL = 87


@dataclass(frozen=True, slots=True)
class Event:
    """One event. A field its kind does not name is empty.

    Names and keys are text. Bytes of a name that are not UTF-8 are kept as Python keeps those of file names: `surrogateescape`.
    """

    kind: EventKind | int
    """What it tells; a plain number if this package does not know it yet."""
    code: int = 0
    """How a request ended: a `Status`."""
    id: int = 0
    """The request, watch or stream it is about."""
    number: int = 0
    """A number."""
    detail: int = 0
    """A small number."""
    addr: str | None = None
    """An address, `HOST:PORT`."""
    network: str = ""
    """A network."""
    table: str = ""
    """A table, or a syncer type."""
    key: str = ""
    """A key, or a name."""
    value: bytes | None = None
    """A value; `None` is not the same as empty."""
    previous: bytes | None = None
    """The value before; `None` is not the same as empty."""
    revision: str = ""
    """The datastore's revision."""
    version: str = ""
    """`metadata.resourceVersion` of a v3 resource."""
    text: str = ""
    """For people."""

    def __repr__(self) -> str:
        kind = self.kind.name if isinstance(self.kind, EventKind) else str(self.kind)
        shown = [kind]
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if value != field.default:
                shown.append(f"{field.name}={value!r}")
        return f"Event({', '.join(shown)})"
