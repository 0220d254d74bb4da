"""The shape of a call on profiles."""

import json
from typing import Any

import pytest
from msgspec import Raw

from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.rules.shapes import Entry, check_count, check_ids, read_entry, split_entries

WHO = {"custom_id": "u1"}
BAD: list[Any] = [
    {"identifiers": None},
    {"identifiers": {}},
    {"identifiers": {"custom_id": "a", "installation": "b"}},
    {"identifiers": {"custom_id": 5}},
    {"identifiers": {"custom_id": None}},
    {"identifiers": {"email": "x"}},
    {"identifiers": WHO, "attributes": None},
    {"identifiers": WHO, "attributes": []},
    {"identifiers": WHO, "events": {}},
    {"identifiers": WHO, "events": [1]},
    {"identifiers": WHO, "events": [{}]},
    {"identifiers": WHO, "events": [{"name": 1}]},
    {"identifiers": WHO, "events": [{"name": "e", "time": None}]},
    {"identifiers": WHO, "events": [{"name": "e", "when": "now"}]},
    {"identifiers": WHO, "traits": {}},
]


def read(*entries: Any) -> list[Entry | str]:
    return [read_entry(raw) for raw in split_entries(json.dumps(entries).encode())]


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b'[{"identifiers": {"custom_id": "u"}}', b"[" * 5000])
def test_a_body_that_is_not_an_array_refuses_the_call(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        split_entries(body)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "entry",
    [
        b"1",
        b"null",
        b"{}",
        b'{"identifiers": {"custom_id": "u"}, "attributes": NaN}',
        b'{"identifiers": {"custom_id": "u"}, "attributes": {"a": 1e400}}',
        b'{"identifiers": {"custom_id": "u"}, "attributes": {"a": -1e400}}',
        b'{"identifiers": {"custom_id": "\xff"}}',
        *(json.dumps(bad).encode() for bad in BAD),
    ],
)
def test_an_entry_of_a_bad_shape_is_not_read(entry: bytes) -> None:
    assert isinstance(read_entry(Raw(entry)), str)


@pytest.mark.parametrize(
    "identifiers",
    [
        [{"custom_id": "a"}, {"custom_id": "b"}, {"custom_id": "a"}],
        [{"installation": "a"}, {"installation": "a"}],
    ],
)
def test_the_same_id_twice_refuses_the_call(identifiers: list[Any]) -> None:
    with pytest.raises(Refused):
        check_ids(read(*({"identifiers": one} for one in identifiers)))


def test_ids_that_differ_in_case_or_blanks_are_different() -> None:
    check_ids(read(*({"identifiers": {"custom_id": name}} for name in ("a", "A", " a", "a "))))


@pytest.mark.parametrize(("count", "valid"), [(0, False), (1, True), (200, True), (201, False)])
def test_the_number_of_entries_is_bounded(count: int, *, valid: bool) -> None:
    if valid:
        check_count(count, 200)
    else:
        with pytest.raises(Refused):
            check_count(count, 200)
