"""The verdict on one entry."""

from typing import Any

import pytest
from msgspec import UNSET, convert

from target_batch.sandbox.readings import Readings
from target_batch.sandbox.rules.entries import Verdict, judge
from target_batch.sandbox.rules.shapes import Entry

NOON = 1_700_049_600.0
"""2023-11-15T12:00:00Z."""


def verdict(custom_id: str = "u1", reading: dict[str, str] | None = None, **entry: Any) -> Verdict:
    whole = convert({"identifiers": {"custom_id": custom_id}, **entry}, Entry)
    return judge(whole, 3, NOON, Readings(reading))


def named(found: Verdict) -> list[Any]:
    return [(b.category, b.bulk_index, b.attribute) for b in found.errors]


def test_a_valid_entry_is_accepted_with_its_keys_as_sent() -> None:
    attributes = {"a": 1, "date(b)": "2024-01-01T00:00:00Z", "c": None, "$language": None}
    found = verdict(attributes=attributes, events=[{"name": "e"}])
    assert found.attributes == attributes
    assert [event.name for event in found.events] == ["e"]
    assert not found.errors


def test_only_the_attribute_at_fault_is_refused() -> None:
    found = verdict(attributes={"a": 1, "B": 2, "$language": "EN", "c": "", "url(d)": None})
    assert found.attributes == {"a": 1, "url(d)": None}
    assert named(found) == [
        ("attribute", 3, "B"),
        ("attribute", 3, "$language"),
        ("attribute", 3, "c"),
    ]
    assert not found.refused


def test_an_attribute_given_twice_is_refused_under_both_keys() -> None:
    found = verdict(attributes={"a": "x", "date(a)": "2024-01-01T00:00:00Z", "b": 1})
    assert found.attributes == {"b": 1}
    assert named(found) == [("attribute", 3, "a"), ("attribute", 3, "date(a)")]


def test_only_the_event_at_fault_is_refused() -> None:
    found = verdict(events=[{"name": "e"}, {"name": "f", "attributes": {"a": None}}])
    assert [event.name for event in found.events] == ["e"]
    assert named(found) == [("event", 3, "f")]


@pytest.mark.parametrize("time", ["2023-11-14T11:59:59Z", "2023-11-15T12:00:01Z"])
def test_an_event_outside_the_window_is_refused_alone_and_named(time: str) -> None:
    found = verdict(attributes={"a": 1}, events=[{"name": "late", "time": time}, {"name": "now"}])
    assert [event.name for event in found.late] == ["late"]
    assert [event.name for event in found.events] == ["now"]
    assert found.attributes == {"a": 1}
    assert named(found) == [("event", 3, "late")]
    assert not found.refused


def test_an_event_without_a_time_is_taken_unless_the_reading_refuses_it() -> None:
    events = [{"name": "e"}]
    assert not verdict(events=events).errors
    assert named(verdict(reading={"event_without_time": "refused"}, events=events)) == [("event", 3, "e")]


def test_of_a_name_given_twice_the_last_one_is_kept_if_the_reading_says_so() -> None:
    attributes = {"a": "x", "date(a)": "2024-01-01T00:00:00Z"}
    found = verdict(reading={"repeated_name": "last_wins"}, attributes=attributes)
    assert found.attributes == attributes


@pytest.mark.parametrize(
    "entry",
    [
        {"custom_id": "null"},
        {"custom_id": "x" * 513},
        {"attributes": {f"a{n}": 1 for n in range(51)}},
        {"attributes": {"$language": "fr", **{f"a{n}": None for n in range(50)}}},
        {"events": [{"name": "e"}] * 16},
    ],
)
def test_an_entry_is_refused_as_a_whole(entry: dict[str, Any]) -> None:
    found = verdict(**{"attributes": {"a": 1}, **entry})
    assert named(found) == [("profile", 3, UNSET)]
    assert found.refused
    assert not found.attributes


@pytest.mark.parametrize(
    "entry",
    [{}, {"attributes": {f"a{n}": 1 for n in range(50)}}, {"events": [{"name": "e"}] * 15}],
)
def test_an_entry_at_the_limits_is_accepted(entry: dict[str, Any]) -> None:
    assert not verdict(**entry).errors
