"""Audiences and their members."""

from typing import Any

import pytest

from target_batch.sandbox.rules.audiences import (
    audience_name_violation,
    count_violation,
    member_violation,
    tags_violation,
)
from target_batch.sandbox.rules.times import date_violation, local_date_violation


@pytest.mark.parametrize("name", ["a", "A-b_0", "x" * 255])
def test_a_name_is_accepted(name: str) -> None:
    assert audience_name_violation(name) is None


@pytest.mark.parametrize("name", ["", "a b", "é", "a/b", "x" * 256, "a\n"])
def test_a_name_is_refused(name: str) -> None:
    assert audience_name_violation(name)


@pytest.mark.parametrize(("count", "valid"), [(0, False), (1, True), (10_000, True), (10_001, False)])
def test_the_number_of_members_is_bounded(count: int, *, valid: bool) -> None:
    assert (count_violation(count) is None) is valid


@pytest.mark.parametrize(
    "attributes",
    [
        None,
        {},
        {f"a{n}": n for n in range(15)},
        {"a": "x", "b": 1, "c": 1.5, "date(d)": "2024-01-01T00:00:00Z", "url(e)": "https://x.co"},
        {"a": ["x", "y"]},
    ],
)
def test_a_member_is_accepted(attributes: Any) -> None:
    assert member_violation("u1", attributes) is None


@pytest.mark.parametrize(
    ("identifier", "attributes"),
    [
        ("null", None),
        ("", None),
        ("u1", {f"a{n}": n for n in range(16)}),
        ("u1", {"a": True}),
        ("u1", {"a": None}),
        ("u1", {"a": {}}),
        ("u1", {"a": []}),
        ("u1", {"A": 1}),
        ("u1", {"$language": "fr"}),
        ("u1", {"a": "x" * 301}),
        ("u1", {"a": 1, "date(a)": "2024-01-01T00:00:00Z"}),
    ],
)
def test_a_member_is_refused(identifier: str, attributes: Any) -> None:
    assert member_violation(identifier, attributes)


def test_the_accepted_forms_of_a_date_depend_on_the_platform() -> None:
    zoned, local = {"date(a)": "2024-01-01T00:00:00Z"}, {"date(a)": "2024-01-01T00:00:00"}
    assert member_violation("u1", local)
    assert member_violation("u1", local, (local_date_violation,)) is None
    assert member_violation("u1", zoned, (local_date_violation,))
    assert member_violation("u1", zoned, (local_date_violation, date_violation)) is None


@pytest.mark.parametrize("tags", [["a"], ["value-1", "value-2"], ["x" * 300] * 25])
def test_tags_are_accepted(tags: Any) -> None:
    assert tags_violation(tags) is None


@pytest.mark.parametrize("tags", [[], [1], {"hobbies": ["a"]}, [["a"]], "a", 5, [""], ["a"] * 26])
def test_tags_are_refused(tags: Any) -> None:
    assert tags_violation(tags)
