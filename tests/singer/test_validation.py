"""Records against their SCHEMA: what is wrong is named, what only looks unusual is not."""

from __future__ import annotations

from typing import Any

import pytest

from target_batch.common.errors import InputError
from target_batch.singer.validation import Validator, without

DRAFT_7 = "http://json-schema.org/draft-07/schema#"


def faults(schema: dict[str, Any], record: dict[str, Any]) -> list[tuple[str | None, str]]:
    validator = Validator("users", schema)
    found = [(fault.property, fault.message) for fault in validator.faults(record)]
    assert validator.is_valid(record) is (not found)
    return found


@pytest.mark.parametrize("draft", [None, DRAFT_7, "https://json-schema.org/draft/2020-12/schema"])
def test_a_format_restricts_nothing_whatever_the_draft(draft: str | None) -> None:
    """A date-time without zone is taken as UTC; older drafts would refuse it before that."""
    schema: dict[str, Any] = {"properties": {"at": {"type": "string", "format": "date-time"}}}
    schema |= {"$schema": draft} if draft else {}
    assert faults(schema, {"at": "2024-01-02 03:04:05"}) == []


@pytest.mark.parametrize(
    ("older", "good", "bad"),
    [
        ({"type": "number", "maximum": 10, "exclusiveMaximum": True, "multipleOf": 0.01}, 9.99, 10),
        ({"type": "array", "items": [{"type": "string"}]}, ["a"], [1]),
    ],
    ids=["draft 4", "draft 7"],
)
def test_a_schema_of_an_older_draft_that_names_none_is_read_as_one(older: Any, good: Any, bad: Any) -> None:
    """What taps of PostgreSQL write of a numeric column must not end the run."""
    assert faults({"properties": {"p": older}}, {"p": good}) == []
    assert [path for path, _ in faults({"properties": {"p": older}}, {"p": bad})] == ["p"]


def test_each_wrong_property_is_named_and_no_value_is_shown() -> None:
    schema = {"properties": {"n": {"type": "integer"}, "o": {"properties": {"p": {"maxLength": 2}}}}}
    found = faults(schema, {"n": "secret", "o": {"p": "secret"}})
    assert [path for path, _ in found] == ["n", "o.p"]
    assert "secret" not in str(found)


def test_a_missing_property_blames_the_record() -> None:
    assert faults({"required": ["id"]}, {})[0][0] is None


def test_an_invalid_schema_names_the_stream_and_the_setting() -> None:
    with pytest.raises(InputError, match="validate_records"):
        Validator("users", {"type": "no such type"})


def test_a_record_goes_without_what_is_wrong_at_any_depth() -> None:
    record = {"a": {"b": 1, "c": 2}, "d.e": 3}
    assert without(record, "a.b") == {"a": {"c": 2}, "d.e": 3}
    assert without(record, "d.e") == {"a": {"b": 1, "c": 2}}
    assert record == {"a": {"b": 1, "c": 2}, "d.e": 3}
