"""Dotted paths: a property whose own name has a dot wins over a path to a nested one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_batch.common.properties import holds, projected, split, value_at

ROW: dict[str, Any] = {"a": {"b": 1, "c.d": 2}, "a.b": "name", "": "empty", "list": [{"x": 1}, {"x": 2}]}


@pytest.mark.parametrize(
    ("path", "names", "found"),
    [
        ("a.b", {"a.b", "a"}, ("a.b", None)),
        ("a.b.c", {"a.b", "a"}, ("a.b", "c")),
        ("a.c", {"a.b", "a"}, ("a", "c")),
        ("x.y", {"a"}, ("x", "y")),
        ("", {""}, ("", None)),
        ("x", set[str](), ("x", None)),
    ],
)
def test_the_longest_name_goes_first(path: str, names: set[str], found: tuple[str, str | None]) -> None:
    assert split(path, names) == found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b", "name"),
        ("a.c.d", 2),
        ("a.x", None),
        ("", "empty"),
        ("list.x", None),
        ("x", None),
        ("a.b.c", None),
    ],
)
def test_the_value_at_a_path(path: str, value: Any) -> None:
    assert value_at(ROW, path) == value


def test_projection_keeps_only_the_named_paths() -> None:
    """An array of objects is kept whole, because its items cannot be named."""
    kept = projected(ROW, ["a.c.d", "", "list.x", "missing", "missing.too"])
    assert kept == {"a": {"c.d": 2}, "": "empty", "list": ROW["list"]}
    assert projected(ROW, ["a.b"]) == {"a.b": "name"}
    assert projected(ROW, ["a", "a.c.d"]) == {"a": ROW["a"]}


def test_a_record_holds_a_path_if_it_has_the_property_the_path_begins_with() -> None:
    assert holds(ROW, "a.b.c")
    assert holds(ROW, "list.x")
    assert not holds(ROW, "x.a")


NAMES = st.text(alphabet="ab.", max_size=4)
RECORDS = st.recursive(st.integers(), lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)


@given(st.dictionaries(NAMES, RECORDS, max_size=4), NAMES)
def test_projection_keeps_the_value_at_a_path(record: dict[str, Any], path: str) -> None:
    value = value_at(record, path)
    if value is not None:
        assert value_at(projected(record, [path]), path) == value
