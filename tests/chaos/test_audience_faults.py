"""Audiences under faults: at the end the members are those of the stream, whatever happened on the way."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import figures
import pytest
from feeding import arrived, collected, wait_until
from singer import STRING, record, schema, state
from target_process import config_file, encoded, run, start
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


def test_an_answer_that_contradicts_itself_is_not_delivery(tmp_path: Path, batch: LocalBatch) -> None:
    """A token beside an error is not a success: the state is held."""
    told = {"indexing_token": "t", "error_code": "INTERNAL_ERROR"}
    batch.fault({"answer": {"status": 202, "json": told}}, path="*/audiences/update")
    ended = run(tmp_path, batch.url, LINES, max_retry_seconds=1)
    assert ended.code == 1, ended.log
    assert ended.states == []
    assert ended.totals("cohorts")["delivered"] == 0
    assert ended.totals("cohorts")["undelivered"] == len(ROWS)


@pytest.mark.parametrize("mode", ["update", "mirror"] if figures.FULL else ["update"])
def test_an_index_that_is_never_done_does_not_hold_the_stop(
    tmp_path: Path, batch: LocalBatch, mode: str
) -> None:
    """SIGTERM while the run waits for the index: exit 1 within 5 seconds, and no state."""
    looking = {"name": "big", "indexing_state": "IN_PROGRESS", "nb_ids": 0, "type": "CUSTOM_ID"}
    batch.fault({"answer": {"status": 200, "json": looking}}, path="*/audiences/view")
    options = {"cohorts": {"mode": mode, "audience": "big"}}
    process = start(config_file(tmp_path, batch.url, streams=options))
    assert process.stdin is not None
    process.stdin.write(encoded([*LINES, state({"seen": 1})]))
    process.stdin.close()
    wait_until(lambda: any("view" in row["path"] for row in batch.requests()), process)
    wait_until(arrived(batch, batch.summary()["requests"]["total"] + 1), process)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    ended = collected(process, tmp_path / "work")
    assert (ended.code, ended.out) == (1, "")
    assert time.monotonic() - begun < 6.5
    assert "Traceback" not in ended.log
