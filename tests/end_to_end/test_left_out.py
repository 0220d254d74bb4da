"""A column that is refused again and again: three rejects here, then it is left out and counted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from singer import INTEGER, STRING, record, schema, state
from target_process import run
from verdict import unbalanced

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

LONG = "x" * 301
USER = {"user_id": STRING, "bad": STRING, "n": INTEGER, "good": STRING}
EVENT = {"user_id": STRING, "event": STRING, "o": {"type": "object", "properties": {"n": INTEGER}}}
MESSAGE = {"userId": STRING, "type": STRING, "traits": {}, "context": {}}


def rows(stream: str, owner: str, **values: Any) -> list[str]:
    """Make ten rows with the same fault."""
    return [record(stream, **{owner: f"u{number}"}, **values) for number in range(10)]


def identified(**message: Any) -> list[str]:
    return rows("messages", "userId", type="identify", **message)


@pytest.mark.parametrize(
    ("stream", "properties", "lines", "code", "values"),
    [
        ("users", USER, rows("users", "user_id", bad=LONG, good="x"), "value_too_long", 7),
        ("users", USER, rows("users", "user_id", n="text", good="x"), "schema_violation", 7),
        (
            "users",
            USER,
            [
                *rows("users", "user_id", n="text", good="x"),
                record("users", user_id="without", good="x"),
                record("users", user_id="empty", n=None, good="x"),
                record("users", user_id="fine", n=7, good="x"),
                record("users", user_id="gone", n=7, _sdc_deleted_at="2026-01-01T00:00:00Z"),
            ],
            "schema_violation",
            8,
        ),
        (
            "events",
            EVENT,
            rows("events", "user_id", event="e", o={"n": "text", "m": 1}),
            "schema_violation",
            7,
        ),
        ("events", EVENT, rows("events", "user_id", event="e", p=[{"m": 1, "n": LONG}]), "value_too_long", 7),
        ("messages", MESSAGE, identified(traits={"bad": LONG, "good": "x"}), "value_too_long", 7),
        (
            "messages",
            MESSAGE,
            identified(traits={"bad": "shadowed"}, context={"traits": {"bad": LONG}}),
            "value_too_long",
            14,
        ),
    ],
    ids=["too long", "wrong type", "who has none", "in an object", "in an array", "trait", "shadowed trait"],
)
def test_three_rejects_then_the_column_is_left_out_and_counted(
    tmp_path: Path, batch: LocalBatch, stream: str, properties: Any, lines: list[str], code: str, values: int
) -> None:  # fmt: skip
    lines = [schema(stream, properties), *lines, state({"seen": 1})]
    ended = run(tmp_path, batch.url, lines, max_attribute_rejects=3)
    assert ended.code == 0
    assert ended.codes() == [code] * 3
    totals = ended.totals(stream)
    assert totals["reasons"].get("column_left_out") == values
    assert totals["rejected"] == 0
    assert unbalanced(ended) == []
    assert ended.log.count("is left out from now on") == 1
    held = {line["custom_id"]: [line["attributes"], line["events"]] for line in batch.journal()}
    assert {f"u{number}" for number in range(10)} <= held.keys()
    sent = json.dumps(held)
    assert all(word not in sent for word in (LONG, "text", "bad", '"n"'))


def test_zero_never_leaves_a_column_out(tmp_path: Path, batch: LocalBatch) -> None:
    lines = [schema("users", USER), *rows("users", "user_id", n="text", good="x"), state({"seen": 1})]
    ended = run(tmp_path, batch.url, lines, max_attribute_rejects=0)
    assert ended.codes() == ["schema_violation"] * 10
    assert "column_left_out" not in ended.totals("users")["reasons"]
    assert len(batch.journal()) == 10


def test_what_a_schema_requires_may_be_left_out_too(tmp_path: Path, batch: LocalBatch) -> None:
    """It is missing only in what is sent, not in the record that is held against its SCHEMA."""
    head = json.loads(schema("users", USER))
    head["schema"]["required"] = ["user_id", "bad"]
    lines = [json.dumps(head), *rows("users", "user_id", bad=LONG, good="x"), state({"seen": 1})]
    ended = run(tmp_path, batch.url, lines, max_attribute_rejects=3)
    assert ended.codes() == ["value_too_long"] * 3
    assert len(batch.journal()) == 10
