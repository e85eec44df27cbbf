"""The installed package without any other: a node, and that nothing of the checkout is used."""

from pathlib import Path

import networkdb
from networkdb import sync, syncproto

assert Path(__file__).parents[1] not in Path(networkdb.__file__).parents, networkdb.__file__
with sync.NetworkDB("a", bind="127.0.0.1:0") as node:
    node.join_network("web", timeout=20)
    node.create("web", "t", "k", b"v")
    assert node.get("web", "t", "k") == b"v"
assert list(syncproto.decode([syncproto.encode([syncproto.Ack()])])) == [syncproto.Ack()]
print(f"networkdb {networkdb.__version__} is installed")
