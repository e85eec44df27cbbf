"""What the package costs a program in Python. Prints one figure a line: NAME VALUE UNIT.

    python bench.py LOAD [SECONDS]

The machine is a member (`Memberlist`) without keys and compression. Two messages of 1,400 bytes stand for the datagram, as in the
figures for C. An ack for nobody, whose payload is long, is read and dropped: `taken`. A ping with a long field that nobody knows is
answered by an ack of some 20 bytes: `answered`. `call` is a call that does nothing, `empty` a step without inputs; `… reported` counts
also what `Stepper.datagram` costs. These are the time of the thread. `echo` is `AsyncioTransport` in an event loop: pings over
loopback from the program LOAD (`benches/c/load.c`); `hosted` the same with the built-in host. In those called `single` LOAD hands the
system one ping a call, in the others many. `own time` is that of the process.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable

from networkdb import AsyncioTransport, Gossip, Memberlist, Stepper, _native

SIZE = 1_400
BATCH = 64
PLAIN = Gossip(compression=False, packet_size=SIZE)


def text(value: bytes) -> bytes:
    return bytes([0xA0 | len(value)]) + value  # msgpack: a short string


def filled(begin: bytes, field: bytes) -> bytes:
    """The message with a last field of as many bytes as are left."""
    begin += text(field)
    left = SIZE - len(begin) - 3
    return begin + b"\xda" + left.to_bytes(2, "big") + bytes(ord("a") + at % 26 for at in range(left))


PING = filled(b"\x00\x83" + text(b"SeqNo") + b"\x07" + text(b"Node") + text(b"bench"), b"Filling")
ACK = filled(b"\x02\x82" + text(b"SeqNo") + b"\x07", b"Payload")


def report(name: str, value: float, unit: str) -> None:
    print(f"{name:<24} {value:12.1f} {unit}", flush=True)


def per_call(act: Callable[[], object], seconds: float, count: int = 1) -> float:
    """Nanoseconds of this thread for one of the `count` things that a call does."""
    calls, start = 0, time.thread_time_ns()
    while (spent := time.thread_time_ns() - start) < seconds * 1e9:
        for _ in range(256):
            act()
        calls += 256
    return spent / (calls * count)


def alone(seconds: float) -> None:
    stepper = Stepper(Memberlist("bench", advertise="127.0.0.1:7946", gossip=PLAIN).handle)
    report("call", per_call(_native.never, seconds), "ns")
    report("empty", per_call(lambda: stepper.step(time.monotonic_ns()), seconds), "ns")
    sender = ("127.0.0.1", 9)
    for name, message, answers in (("taken", ACK, 0), ("answered", PING, 1)):
        for count in (1, BATCH):
            for _ in range(count):
                stepper.datagram(sender, message)
            used = stepper._used

            def again() -> None:
                # What was gathered still lies there.
                stepper._count, stepper._used = count, used  # noqa: B023
                stepper.step(time.monotonic_ns())

            stepper.step(time.monotonic_ns())
            nanos = per_call(again, seconds, count)
            stepper._count, stepper._used = count, used
            flat, _ = stepper.step(time.monotonic_ns())
            assert bool(flat) == bool(answers), "other answers than expected"
            report(f"{name}, batches of {count}", nanos, "ns a datagram")
            report(f"{name}, batches of {count}", 1e9 / nanos, "datagrams/s")

        def reported() -> None:
            for _ in range(BATCH):
                stepper.datagram(sender, message)  # noqa: B023
            stepper.step(time.monotonic_ns())

        report(f"{name}, {BATCH}, reported", per_call(reported, seconds, BATCH), "ns a datagram")


async def echoed(name: str, how: list[str], node: Memberlist, load: str, port: int, seconds: float) -> None:
    async with node:
        start = time.process_time_ns()
        process = await asyncio.create_subprocess_exec(load, str(port), str(seconds), *how, stdout=subprocess.PIPE)
        printed, _ = await process.communicate()
        own = time.process_time_ns() - start
    answered, spent = map(float, printed.split())
    name = ", ".join([name, *how])
    report(name, answered / spent, "datagrams/s")
    report(f"{name}, own time", own / answered, "ns a datagram")


def echoes(how: list[str], load: str, seconds: float) -> None:
    transport = AsyncioTransport("127.0.0.1:0")
    assert transport.address is not None
    carried = Memberlist("bench", advertise=transport.advertise, gossip=PLAIN).over(transport)
    asyncio.run(echoed("echo", how, carried, load, transport.address[1], seconds))
    hosted = Memberlist("bench", bind="127.0.0.1:0", gossip=PLAIN)
    port = int(str(hosted.bound).rpartition(":")[2])
    asyncio.run(echoed("hosted", how, hosted, load, port, seconds))


def main(load: str, seconds: float) -> None:
    alone(seconds)
    for how in ([], ["single"]):
        echoes(how, load, 2 * seconds)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 2.0)
