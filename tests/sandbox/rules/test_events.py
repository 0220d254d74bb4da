"""Events."""

from typing import Any

import msgspec
import pytest

from target_batch.sandbox.rules.events import event_violation
from target_batch.sandbox.rules.limits import EVENT_BYTES
from target_batch.sandbox.rules.shapes import Event


def level(count: int, value: object = 1) -> dict[str, Any]:
    return {f"a{n}": value for n in range(count)}


def event_of_bytes(size: int) -> dict[str, Any]:
    """Make attributes with which an event has exactly so many bytes of JSON."""
    attributes: dict[str, Any] = {f"a{n}": ["x" * 300] * 14 for n in range(5)}
    missing = size - len(msgspec.json.encode(Event("e", attributes={**attributes, "rest": ["x"]})))
    whole, rest = divmod(missing, 303)
    attributes["rest"] = ["x" * 300] * whole + ["x" * (1 + rest)]
    assert len(msgspec.json.encode(Event("e", attributes=attributes))) == size
    return attributes


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        level(20),
        {"a": "x", "b": 1, "c": 1.5, "d": True, "date(e)": "2024-01-01T00:00:00Z"},
        {"url(a)": "https://example.com"},
        {"a": ["x"] * 25},
        {"a": {"b": {"c": {"d": 1}}}},
        {"a": {"b": {"c": {"d": ["x"]}}}},
        {"a": [{"b": {"c": {"d": 1}}}] * 25},
        {"a": level(20)},
        {"a": " x "},
        {"$label": "x" * 200, "$tags": ["x" * 64] * 10},
        {"$label": "x", "$tags": ["x"], **level(20)},
        event_of_bytes(EVENT_BYTES),
    ],
)
def test_attributes_of_an_event_are_accepted(attributes: dict[str, Any]) -> None:
    assert event_violation(Event("e", attributes=attributes)) is None


@pytest.mark.parametrize(
    "attributes",
    [
        level(21),
        {"a": level(21)},
        {"a": None},
        {"a": {"b": None}},
        {"a": [{"b": None}]},
        {"A": 1},
        {"a": {"B": 1}},
        {"a": ""},
        {"a": "x" * 301},
        {"a": []},
        {"a": ["x"] * 26},
        {"a": [{"b": 1}] * 26},
        {"a": ["x", {"b": 1}]},
        {"a": [{"b": 1}, 2]},
        {"a": [1, 2]},
        {"a": [["x"]]},
        {"a": {"b": {"c": {"d": {"e": 1}}}}},
        {"a": {"b": {"c": {"d": {}}}}},
        {"a": [{"b": {"c": {"d": {"e": 1}}}}]},
        {"a": [{"b": [{"c": [{"d": [{"e": 1}]}]}]}]},
        {"a": " "},
        {"a": "x\ny"},
        {"a": "x\r"},
        {"a": "x\u2028y"},
        {"a": ["x", "\t"]},
        {"a": {"b": "x\ny"}},
        {"$label": " "},
        {"$tags": ["x\ny"]},
        {"$label": "x", "$tags": ["x"], **level(21)},
        {"date(a)": "2024-01-01"},
        {"date(a)": {"b": 1}},
        {"a": 1, "date(a)": "2024-01-01T00:00:00Z"},
        {"$label": ""},
        {"$label": "x" * 201},
        {"$label": 1},
        {"$tags": []},
        {"$tags": ["x"] * 11},
        {"$tags": ["x" * 65]},
        {"$tags": "x"},
        {"a": {"$label": "x"}},
        {"$other": "x"},
        event_of_bytes(EVENT_BYTES + 1),
    ],
)
def test_attributes_of_an_event_are_refused(attributes: dict[str, Any]) -> None:
    assert event_violation(Event("e", attributes=attributes))


@pytest.mark.parametrize("event", [Event("E"), Event(""), Event("x" * 31), Event("e", "yesterday")])
def test_an_event_is_refused_for_its_name_or_time(event: Event) -> None:
    assert event_violation(event)


def test_the_reason_names_the_attribute_at_fault() -> None:
    violation = event_violation(Event("e", attributes={"a": {"b": ""}}))
    assert violation
    assert violation.where == "b"
