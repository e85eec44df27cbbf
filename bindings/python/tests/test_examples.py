"""The examples, as programs of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DEADLINE

from networkdb import EventKind, SyncStatus, sync

FOLDER = Path(__file__).parents[3] / "examples/python"
EXAMPLES = sorted(FOLDER.glob("*.py"))


def start(name: str, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-X", "dev", str(FOLDER / name), *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def output(name: str, *words: str, given: str = "") -> str:
    with start(name, *words) as program:
        out, errors = program.communicate(given, timeout=DEADLINE)
    assert program.returncode == 0 and "Traceback" not in errors and "Warning" not in errors, errors
    return out


def test_watch_prints_the_rows_of_a_table() -> None:
    with sync.NetworkDB("seed", bind="127.0.0.1:0") as seed:
        seed.join_network("web", timeout=DEADLINE)
        seed.create("web", "endpoint_table", "alpha", b"10.0.0.5:80")
        words = ("p-1", "127.0.0.1:0", str(seed.bound), "web", "endpoint_table", "1")
        assert output("watch.py", *words) == "created alpha = 10.0.0.5:80\n"


def test_publish_sets_endpoints_and_takes_them_away() -> None:
    with sync.NetworkDB("seed", bind="127.0.0.1:0") as seed:
        seed.join_network("web", timeout=DEADLINE)
        rows = seed.watch("web", "endpoint_table")
        with start("publish.py", "p-1", "127.0.0.1:0", str(seed.bound), "web") as program:
            assert program.stdin
            program.stdin.write("alpha 10.0.0.5:80\nbeta 10.0.0.6:80\n")
            program.stdin.flush()
            assert told(rows, 2) == {"alpha": b"10.0.0.5:80", "beta": b"10.0.0.6:80"}
            program.stdin.write("alpha\nnobody\n")
            program.stdin.flush()
            assert told(rows, 1) == {"alpha": None}
            _, errors = program.communicate(timeout=DEADLINE)
        assert (program.returncode, errors) == (0, "nobody: was not there\n")
        assert told(rows, 1) == {"beta": None}, "its rows go with it"


def told(rows: sync.Watch, count: int) -> dict[str, bytes | None]:
    events = [rows.get(DEADLINE) for _ in range(count)]
    return {event.key: event.value for event in events}


def test_codec_writes_a_stream_that_it_reads() -> None:
    command = [sys.executable, str(FOLDER / "codec.py")]
    stream = subprocess.run([*command, "encode", "/k", "v"], capture_output=True, check=True).stdout
    shown = subprocess.run([*command, "decode"], input=stream, capture_output=True, check=True).stdout.decode()
    assert shown.splitlines()[1:] == ["/k = b'v'", "status in_sync"]
    wrong = subprocess.run([*command, "decode"], input=b"\xff" * 16, capture_output=True, check=False)
    assert wrong.returncode == 1 and b"not a stream" in wrong.stderr


def test_serve_publishes_what_it_reads() -> None:
    with start("serve.py", "127.0.0.1:0") as program:
        assert program.stdin and program.stdout
        program.stdin.write("/k first\n/k second\n/gone v\n/gone\n\n")
        program.stdin.flush()
        address = program.stdout.readline().split()[-1]
        with sync.SyncClient([address], hostname="h") as client:
            events, state = client.events(), {}
            while (event := events.get(DEADLINE)).kind != EventKind.STATUS or event.number != SyncStatus.IN_SYNC:
                if event.kind in (EventKind.UPDATE, EventKind.DELETION):
                    state[event.key] = event.value
            assert {key: value for key, value in state.items() if value is not None} == {"/k": b"second"}
            _, errors = program.communicate(timeout=DEADLINE)
    assert program.returncode == 0 and "h at 127.0.0.1" in errors and "Traceback" not in errors, errors


def test_sockets_meets_the_members_of_a_cluster() -> None:
    with sync.Memberlist("seed", bind="127.0.0.1:0") as seed:
        assert output("sockets.py", "p-1", "127.0.0.1:0", str(seed.bound), "1") == "seed came\n"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_says_how_it_is_used(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 100
    told = subprocess.run([sys.executable, str(path)], capture_output=True, check=False, text=True)
    assert told.returncode == 1 and f"python {path.name}" in told.stderr


def test_there_are_five() -> None:
    assert len(EXAMPLES) == 5
