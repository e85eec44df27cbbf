"""The scripts that every language runs, with the same trace. Their grammar is in `tests/scenarios/steps/README.md`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from networkdb import Fault, Stepper, _native
from networkdb._handle import Handle, call, name_bytes
from networkdb.errors import Error
from networkdb.step import Address

SCRIPTS = sorted((Path(__file__).parents[3] / "tests/scenarios/steps").glob("*.txt"))
KINDS = {"networkdb": 1, "memberlist": 2, "sync_server": 3, "sync_client": 4, "codec": 5}
HOW = ("put", "create", "update", "delete")


def unhex(text: str) -> bytes:
    return b"" if text == "-" else bytes.fromhex(text)


def address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Runner:
    """Does what the lines say and writes them and their trace. It is the carrier of its node."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now = 0
        self.seed: bytes | None = None
        self.handle: Handle | None = None

    def run(self, script: str) -> str:
        for line in script.splitlines():
            if not line.startswith("  "):
                self.lines.append(line)
                word, *rest = line.split(" ", 1)
                if word and not word.startswith("#"):
                    getattr(self, f"do_{word}")(*rest)
        if self.handle is not None:
            self.handle.close()
        return "\n".join(self.lines) + "\n"

    def trace(self, line: str) -> None:
        self.lines.append(f"  {line}".rstrip())

    def answer(self, act: Any) -> None:
        try:
            answer = act() or ""
            self.trace(f"= 0 {answer}")
        except Error as error:
            assert error.status is not None
            self.trace(f"= {int(error.status)}")

    @property
    def native(self) -> _native.NativeNode:
        assert self.handle is not None
        return self.handle.native

    def do_seed(self, text: str) -> None:
        self.seed = unhex(text)

    def do_at(self, text: str) -> None:
        self.now = int(text)

    def do_node(self, rest: str) -> None:
        kind, config = rest.split(" ", 1)

        def create() -> None:
            self.handle = Handle(KINDS[kind], json.loads(config), self.seed, self.now)
            self.stepper = Stepper(self.handle)

        self.answer(create)

    def do_tick(self) -> None:
        self.stepper.tick()

    def do_datagram(self, rest: str) -> None:
        sender, data = rest.split(" ")
        self.stepper.datagram(address(sender), unhex(data))

    def do_accepted(self, rest: str) -> None:
        stream, peer = rest.split(" ")
        assert self.stepper.accepted(address(peer)) == int(stream)

    def do_opened(self, rest: str) -> None:
        stream, peer = rest.split(" ")
        self.stepper.opened(int(stream), address(peer))

    def do_received(self, rest: str) -> None:
        stream, data = rest.split(" ")
        self.stepper.received(int(stream), unhex(data))

    def do_sent(self, rest: str) -> None:
        stream, count = rest.split(" ")
        self.stepper.sent(int(stream), int(count))

    def do_finished(self, stream: str) -> None:
        self.stepper.finished(int(stream))

    def do_failed(self, rest: str) -> None:
        stream, fault = rest.split(" ")
        self.stepper.failed(int(stream), Fault(int(fault)))

    def do_gone(self, stream: str) -> None:
        self.stepper.gone(int(stream))

    def do_step(self) -> None:
        deadline = self.stepper.pump(self, self.now)
        self.trace(f"> deadline {'never' if deadline is None else deadline}")
        self.events()

    def do_command(self, request: str) -> None:
        self.answer(lambda: call(self.native.command, self.now, request))
        self.events()

    def do_write(self, rest: str) -> None:
        how, *row, value = rest.split(" ")
        network, table, key = map(name_bytes, row)
        number, data = HOW.index(how), unhex(value)
        self.answer(lambda: call(self.native.write, self.now, number, network, table, key, data))
        self.events()

    def do_publish(self, rest: str) -> None:
        syncer_type, key, *value = rest.split(" ")
        update = _native.NativeUpdate(
            key=key.encode(),
            value=unhex(value[0]) if value else None,
            revision=None,
            version=b"",
            ttl_ns=0,
            update_type=0,
        )

        done = call(self.native.publish, self.now, syncer_type, [update])
        self.trace(f"= {done.code}")
        self.events()

    def events(self) -> None:
        while events := call(self.native.events, 1):
            event = events[0]
            line = f"! {event.kind}"
            for name in ("code", "id", "number", "detail", "addr"):
                if value := getattr(event, name):
                    line += f" {name}={value}"
            for name in ("network", "table", "key", "value", "previous", "revision", "version"):
                data = getattr(event, name)
                if data or (data is not None and name in ("value", "previous")):
                    line += f" {name}={data.hex()}"
            self.trace(line)

    def send(self, to: Address, datagrams: list[bytes], /) -> None:
        for data in datagrams:
            self.trace(f"> datagram {shown(*to)} {data.hex()}")

    def open(self, stream: int, host: str, port: int, /) -> None:
        self.trace(f"> open {stream} {shown(host, port)}")

    def write(self, stream: int, data: bytes, /) -> None:
        self.trace(f"> write {stream} {data.hex()}")

    def reading(self, stream: int, on: bool, /) -> None:
        self.trace(f"> reading {stream} {'on' if on else 'off'}")

    def close(self, stream: int, abort: bool, /) -> None:
        self.trace(f"> close {stream} {'abort' if abort else 'finish'}")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_gives_the_committed_trace(path: Path) -> None:
    script = path.read_text()
    assert Runner().run(script) == script


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) > 5
