"""The codec of Typha's sync protocol alone, between standard input and output.

    python codec.py decode <stream         prints the messages that a server sent
    python codec.py encode KEY VALUE …     writes a server's stream with these keys and values, and then that it is in sync
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from networkdb import errors
from networkdb.syncproto import ServerHello, Status, SyncStatus, Update, Updates, decode, encode


def chunks() -> Iterator[bytes]:
    """The input as it comes; messages may be cut anywhere."""
    while chunk := os.read(sys.stdin.fileno(), 65536):
        yield chunk


def show(stream: Iterator[bytes]) -> None:
    for message in decode(stream):
        match message:
            case Updates(updates):
                for update in updates:
                    print(update.key, "=", update.value)
            case Status(status):
                print("status", SyncStatus(status).name.lower())
            case other:
                print(other)


def main(what: str, *words: str) -> None:
    if what == "decode":
        try:
            show(chunks())
        except errors.MalformedError as error:
            sys.exit(f"not a stream of the sync protocol: {error}")
    else:
        updates = tuple(Update(key, value.encode()) for key, value in zip(words[::2], words[1::2], strict=True))
        stream = encode([ServerHello(version="example"), Updates(updates), Status(SyncStatus.IN_SYNC)])
        sys.stdout.buffer.write(stream)


if __name__ == "__main__":
    if sys.argv[1:2] not in (["decode"], ["encode"]):
        sys.exit(__doc__)
    main(*sys.argv[1:])
