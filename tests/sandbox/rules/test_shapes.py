"""The shape of a call on profiles."""

import json
from typing import Any

import pytest

from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.rules.shapes import check_count, check_ids, decode_entries

WHO = {"custom_id": "u1"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[1]",
        b"[null]",
        b"[{}]",
        b'[{"identifiers": {}, "attributes": NaN}]',
        b'[{"identifiers": {"custom_id": "\xff"}}]',
        b'[{"identifiers": {"custom_id": "u"}}',
        b"[" * 5000,
        *(
            json.dumps([entry]).encode()
            for entry in (
                {"identifiers": None},
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
            )
        ),
    ],
)
def test_a_malformed_body_refuses_the_call(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        decode_entries(body)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "identifiers",
    [
        [{}],
        [{"custom_id": "a", "installation": "b"}],
        [{"custom_id": "a"}, {"custom_id": "b"}, {"custom_id": "a"}],
        [{"installation": "a"}, {"installation": "a"}],
    ],
)
def test_identifiers_refuse_the_call(identifiers: list[Any]) -> None:
    entries = decode_entries(json.dumps([{"identifiers": one} for one in identifiers]).encode())
    with pytest.raises(Refused):
        check_ids(entries)


def test_ids_that_differ_in_case_or_blanks_are_different() -> None:
    names = ["a", "A", " a", "a "]
    body = json.dumps([{"identifiers": {"custom_id": name}} for name in names])
    check_ids(decode_entries(body.encode()))


@pytest.mark.parametrize(("count", "well"), [(0, False), (1, True), (200, True), (201, False)])
def test_the_number_of_entries_is_bounded(count: int, *, well: bool) -> None:
    entries = decode_entries(json.dumps([{"identifiers": WHO}] * count).encode())
    if well:
        check_count(entries, 200)
    else:
        with pytest.raises(Refused):
            check_count(entries, 200)
