"""A manager of endpoints: joins a cluster and a network, and publishes in the table `endpoint_table` what it reads.

    python publish.py NAME BIND SEED NETWORK      publish.py p-1 10.0.0.6:7946 10.0.0.1:7946 web <endpoints.txt

`NAME ADDRESS` sets an endpoint, `NAME` alone takes it away. At the end of the input it says goodbye.
"""

from __future__ import annotations

import sys

from networkdb import errors
from networkdb.sync import NetworkDB

TABLE = "endpoint_table"


def publish(node: NetworkDB, network: str, line: str) -> None:
    name, _, address = line.strip().partition(" ")
    try:
        if address:
            node.put(network, TABLE, name, address.encode())
        elif name:
            node.delete(network, TABLE, name)
    except errors.TooLargeError:
        print(f"{name}: too large for a packet", file=sys.stderr)
    except errors.MissingError:
        print(f"{name}: was not there", file=sys.stderr)


def main(name: str, bind: str, seed: str, network: str) -> None:
    with NetworkDB(name, bind=bind) as node:
        node.join([seed], timeout=30)
        node.join_network(network, timeout=30)
        for line in sys.stdin:
            publish(node, network, line)
        # Its rows go with it: the others are told.
        node.leave(timeout=30)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
