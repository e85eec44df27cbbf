"""NetworkDB, memberlist and Typha's sync protocol for Python, beside the Go peers byte for byte.

The nodes here are those of `networkdb.asyncio`; `networkdb.sync` has them for programs without an event loop, and `networkdb.syncproto`
the sync protocol without sockets. Warnings of nodes go to the logger `networkdb`.
"""

from . import _native, errors, sync, syncproto
from .asyncio import Events, Memberlist, NetworkDB, SyncClient, SyncServer, Watch
from .codec import Codec, PacketMessage
from .commands import Client, Gossip, Member, Network, Peer, Remembered, Row, Tls
from .errors import Error, Status
from .events import Event, EventKind
from .step import Address, Carrier, Fault, Stepper
from .syncproto import SyncStatus, Update, UpdateType
from .transport import AsyncioTransport, Transport

__version__ = _native.version()

__all__ = [
    "Address",
    "AsyncioTransport",
    "Carrier",
    "Client",
    "Codec",
    "Error",
    "Event",
    "EventKind",
    "Events",
    "Fault",
    "Gossip",
    "Member",
    "Memberlist",
    "Network",
    "NetworkDB",
    "PacketMessage",
    "Peer",
    "Remembered",
    "Row",
    "Status",
    "Stepper",
    "SyncClient",
    "SyncServer",
    "SyncStatus",
    "Tls",
    "Transport",
    "Update",
    "UpdateType",
    "Watch",
    "errors",
    "sync",
    "syncproto",
]
