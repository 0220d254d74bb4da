"""Audiences under faults: at the end the members are those of the stream, whatever happened on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from singer import STRING, record, schema, state
from target_process import run
from verdict import unbalanced

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

pytestmark = pytest.mark.chaos

ROWS = [
    ("u1", "add"),
    ("u2", "add"),
    ("u3", "add"),
    ("u2", "remove"),
    ("u4", "add"),
    ("u1", "remove"),
    ("u1", "add"),
]
LINES = [
    schema("cohorts", {"user_id": STRING, "cohort": STRING, "action": STRING}),
    *(record("cohorts", user_id=who, cohort="big", action=action) for who, action in ROWS),
    record("cohorts", user_id="u9", cohort="big", action="perhaps"),
    state({"seen": 8}),
]


def test_members_are_right_after_a_lost_answer(tmp_path: Path, batch: LocalBatch) -> None:
    """After a lost answer the changes are repeated in order; an unknown action is rejected."""
    batch.fault({"accept_then": {"answer": {"status": 500}}}, path="*/audiences/update", nth=[1])
    ended = run(tmp_path, batch.url, LINES, max_retry_seconds=20)
    assert ended.code == 0, ended.log
    assert batch.audience("big") == {"u1", "u3", "u4"}
    assert ended.codes() == ["unknown_action"]
    assert ended.emitted == ['{"seen": 8}']
    assert unbalanced(ended) == []


def test_an_answer_without_its_token_is_not_delivery(tmp_path: Path, batch: LocalBatch) -> None:
    """The documented answer names an indexing token; another 202 holds the state."""
    batch.fault({"answer": {"status": 202, "json": {"code": "SUCCESS"}}}, path="*/audiences/update")
    ended = run(tmp_path, batch.url, LINES, max_retry_seconds=1)
    assert ended.code == 1, ended.log
    assert ended.states == []
    assert ended.totals("cohorts")["delivered"] == 0
    assert ended.totals("cohorts")["undelivered"] == len(ROWS)
