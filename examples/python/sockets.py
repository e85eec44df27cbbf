"""A member of a memberlist cluster with sockets of its own: UDP is in this program's hands, here to count it, TCP in asyncio's.

    python sockets.py NAME BIND SEED [MEMBERS]      sockets.py p-1 10.0.0.6:7946 10.0.0.1:7946

Prints who comes and goes, and ends after so many that came, if told.
"""

from __future__ import annotations

import asyncio
import socket
import sys

from networkdb import Address, AsyncioTransport, EventKind, Memberlist, Stepper


class Counting:
    """A transport: the node says what to send, and is told what arrived."""

    def __init__(self, bind: str) -> None:
        host, _, port = bind.rpartition(":")
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setblocking(False)
        self.udp.bind((host, int(port)))
        self.address = "%s:%d" % self.udp.getsockname()
        self.tcp = AsyncioTransport(self.address, datagrams=False)
        self.sent = self.received = 0

    async def start(self, stepper: Stepper, /) -> None:
        self.stepper = stepper
        await self.tcp.start(stepper)
        asyncio.get_running_loop().add_reader(self.udp, self.readable)

    async def stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self.udp)
        self.udp.close()
        await self.tcp.stop()

    def readable(self) -> None:
        data, sender = self.udp.recvfrom(65536)
        self.received += 1
        self.stepper.datagram(sender, data)

    def send(self, to: Address, datagrams: list[bytes], /) -> None:
        for data in datagrams:
            try:
                self.udp.sendto(data, to)
                self.sent += 1
            except BlockingIOError:
                pass  # Datagrams may be lost.

    def open(self, stream: int, host: str, port: int, /) -> None:
        self.tcp.open(stream, host, port)

    def write(self, stream: int, data: bytes, /) -> None:
        self.tcp.write(stream, data)

    def reading(self, stream: int, on: bool, /) -> None:
        self.tcp.reading(stream, on)

    def close(self, stream: int, abort: bool, /) -> None:
        self.tcp.close(stream, abort)


async def main(name: str, bind: str, seed: str, members: str = "-1") -> None:
    left, transport = int(members), Counting(bind)
    async with Memberlist(name, advertise=transport.address).over(transport) as node:
        events = node.events()
        await node.join([seed])
        async for event in events:
            if event.kind in (EventKind.MEMBER_JOINED, EventKind.MEMBER_GONE) and event.key != name:
                came = event.kind == EventKind.MEMBER_JOINED
                print(event.key, "came" if came else "went", flush=True)
                left -= came
            if left == 0:
                break
        await node.leave()
    print(f"{transport.sent} datagrams sent, {transport.received} received", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
