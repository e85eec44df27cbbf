"""A server of Typha's sync protocol. It publishes what it reads and then lets its clients go.

    python serve.py BIND      serve.py 10.0.0.6:5473 <keys.txt

`KEY VALUE` sets a key, `KEY` alone deletes it, an empty line says that all there is has been read.
"""

from __future__ import annotations

import asyncio
import sys

from networkdb import EventKind, SyncServer, SyncStatus, Update, UpdateType


async def follow_clients(server: SyncServer) -> None:
    async for event in server.events():
        if event.kind == EventKind.CLIENT_JOINED:
            print(f"{event.key} at {event.addr} asks for {event.table}", file=sys.stderr)
        elif event.kind == EventKind.CLIENT_CLOSED:
            print(f"{event.addr} has gone: {event.text}", file=sys.stderr)


def publish(server: SyncServer, line: str) -> None:
    key, _, value = line.strip().partition(" ")
    if not key:
        server.set_status(SyncStatus.IN_SYNC)
    elif value:
        server.publish([Update(key, value.encode())])
    else:
        server.publish([Update(key, None, type=UpdateType.DELETED)])


async def main(bind: str) -> None:
    async with SyncServer(bind=bind) as server:
        print(f"serving on {server.bound}", flush=True)
        followers = asyncio.create_task(follow_clients(server))
        while line := await asyncio.to_thread(sys.stdin.readline):
            publish(server, line)
        await server.drain(timeout=1)
    await followers


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1]))
