"""The formats of memberlist and NetworkDB alone: packets taken apart and put together. For the sync protocol see `syncproto`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ._handle import Handle
from .commands import given

_KIND = 5


@dataclass(frozen=True, slots=True)
class PacketMessage:
    """A message in a packet: its type by memberlist's name, and its body; or `error`: why this part cannot be read."""

    type: str | None
    body: bytes
    error: str | None = None


class Codec:
    """Opens and seals memberlist packets. Without `keys`, of which the first seals, everything is plain."""

    def __init__(self, *, keys: Sequence[bytes] = (), label: str = "", seed: bytes | None = None) -> None:
        self._handle = Handle(_KIND, given(keys=[key.hex() for key in keys], label=label), seed)

    def open_packet(self, packet: bytes) -> list[PacketMessage]:
        """The messages in a packet, compound and compressed ones taken apart."""
        found = self._handle.command({"op": "open_packet", "packet_hex": packet.hex()})["messages"]
        return [
            PacketMessage(one.get("type"), bytes.fromhex(one.get("body_hex", "")), one.get("error")) for one in found
        ]

    def seal_packet(self, message: bytes, *, crc: bool = False) -> bytes:
        """A packet with a message in it."""
        request = {"op": "seal_packet", "message_hex": message.hex(), "crc": crc}
        return bytes.fromhex(self._handle.command(request)["packet_hex"])

    def networkdb(self, message: bytes) -> dict[str, Any]:
        """What a NetworkDB message, the body of a memberlist user message, says. `MalformedError`."""
        return self._handle.command({"op": "networkdb", "message_hex": message.hex()})

    def close(self) -> None:
        """Gives it back."""
        self._handle.close()

    def __enter__(self) -> Codec:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<networkdb.Codec {'closed' if self._handle.closed else 'open'}>"
