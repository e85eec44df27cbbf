"""The numbers of this package are those of the C header."""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path

import pytest

import networkdb
from networkdb import _native

HEADER = Path(__file__).parents[3] / "include/networkdb.h"


@pytest.mark.parametrize(
    ("prefix", "ours"),
    [("NDB_EVENT_", networkdb.EventKind), ("NDB_FAULT_", networkdb.Fault)],
)
def test_every_name_has_the_headers_number(prefix: str, ours: type[IntEnum]) -> None:
    found = re.findall(rf"^ +{prefix}(\w+) = (\d+),$", HEADER.read_text(), re.MULTILINE)
    assert {one.name: int(one) for one in ours} == {name: int(number) for name, number in found}


def test_every_status_has_the_headers_number_an_error_and_a_text() -> None:
    text = HEADER.read_text()
    block = text[text.index("enum ndb_status") :]
    found = dict(re.findall(r"^ +NDB_(\w+) = (\d+),$", block[: block.index("};")], re.MULTILINE))
    assert {one.name: int(one) for one in networkdb.Status} == {name: int(number) for name, number in found.items()}
    unraised = {networkdb.Status.OK, networkdb.Status.EMPTY, networkdb.Status.TOO_SMALL}
    for status in set(networkdb.Status) - unraised:
        error = networkdb.errors.error_of(status, _native.status_text(status))
        assert type(error) is not networkdb.Error and error.status == status
    unknown = networkdb.errors.error_of(77, "new")
    assert type(unknown) is networkdb.Error and unknown.status == 77
