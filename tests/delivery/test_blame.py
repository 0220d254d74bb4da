"""What was refused too often is taken out of records; counting it is bounded."""

from __future__ import annotations

from typing import Any

import pytest

from target_batch.common.reasons import Fault, Reason
from target_batch.delivery.muted_attributes import REMEMBERED, Blame


@pytest.mark.parametrize(
    ("record", "paths", "kept", "values"),
    [
        ({"a": 1, "b": 2}, ["a"], {"b": 2}, 1),
        ({"a": None, "b": 2}, ["a"], {"b": 2}, 0),
        ({"b": 2}, ["a", "b.c"], {"b": 2}, 0),
        ({"a.b": 1, "a": {"b": 2}}, ["a.b"], {"a": {"b": 2}}, 1),
        ({"a": {"b": {"c": 1, "d": 2}}}, ["a.b.c"], {"a": {"b": {"d": 2}}}, 1),
        ({"a": [{"b": 1, "c": 2}, "x", {"b": 3}, [{"b": 4}]]}, ["a.b"], {"a": [{"c": 2}, "x", {}, [{}]]}, 3),
    ],
    ids=["a value", "a null is none", "nothing there", "a dot in a name", "deep", "in arrays"],
)
def test_what_stands_at_a_path_is_taken_out_and_counted(
    record: dict[str, Any], paths: list[str], kept: dict[str, Any], values: int
) -> None:
    blame, before = Blame(3), repr(record)
    blame.paths += paths
    assert blame.spare(record) == (kept, values)
    assert repr(record) == before


def test_invented_names_do_not_fill_the_memory_and_a_bad_column_is_found_among_them() -> None:
    blame = Blame(100)
    found: list[tuple[str, str]] = []
    for number in range(3 * REMEMBERED):
        faults = [Fault(Reason.INVALID_NAME, f"name {number}")]
        if number % 200 == 0:
            faults.append(Fault(Reason.INVALID_NAME, "column"))
        found += blame.count(faults)
        assert len(blame.refused) <= REMEMBERED
    assert found == [("column", "invalid_name")]
