"""A NetworkDB node that joins a cluster and a network, and prints what becomes of a table's rows.

    python watch.py NAME BIND SEED NETWORK TABLE [ROWS]      watch.py p-1 10.0.0.6:7946 10.0.0.1:7946 web endpoint_table

Ends after so many rows, if told.
"""

from __future__ import annotations

import asyncio
import logging
import sys

from networkdb import EventKind, NetworkDB


async def main(name: str, bind: str, seed: str, network: str, table: str, rows: str = "-1") -> None:
    left = int(rows)
    async with NetworkDB(name, bind=bind) as node:
        # Watched first, so that not even the rows of the first exchange are missed.
        watch = node.watch(network, table)
        reached = await node.join([seed])
        print(f"joined through {reached} of the seeds", file=sys.stderr)
        await node.join_network(network)
        async for event in watch:
            match event.kind:
                case EventKind.ROW_CREATED | EventKind.ROW_UPDATED:
                    what = "created" if event.kind == EventKind.ROW_CREATED else "updated"
                    print(what, event.key, "=", (event.value or b"").decode(errors="replace"), flush=True)
                    left -= 1
                case EventKind.ROW_DELETED:
                    print("deleted", event.key, flush=True)
                case EventKind.RESYNC:
                    print("all over again", flush=True)
            if left == 0:
                break


if __name__ == "__main__":
    logging.basicConfig()
    if len(sys.argv) not in (6, 7):
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
