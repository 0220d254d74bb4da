"""After faults, an audience has the members of its stream, or the state is held."""

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


def test_an_audience_is_right_after_a_lost_answer(tmp_path: Path, batch: LocalBatch) -> None:
    """The changes are sent again in order; an unknown action is rejected."""
    batch.fault({"accept_then": {"answer": {"status": 500}}}, path="*/audiences/update", nth=[1])
    ended = run(tmp_path, batch.url, LINES, max_retry_seconds=20)
    assert ended.code == 0, ended.log
    assert batch.audience("big") == {"u1", "u3", "u4"}
    assert ended.codes() == ["unknown_action"]
    assert ended.emitted == ['{"seen": 8}']
    assert unbalanced(ended) == []


def test_an_answer_with_a_token_and_an_error_is_not_a_success(tmp_path: Path, batch: LocalBatch) -> None:
    """The records are undelivered and the state is held."""
    answer = {"indexing_token": "t", "error_code": "INTERNAL_ERROR"}
    batch.fault({"answer": {"status": 202, "json": answer}}, path="*/audiences/update")
    ended = run(tmp_path, batch.url, LINES, max_retry_seconds=1)
    assert ended.code == 1, ended.log
    assert ended.states == []
    assert ended.totals("cohorts")["delivered"] == 0
    assert ended.totals("cohorts")["undelivered"] == len(ROWS)


@pytest.mark.parametrize("mode", ["update", "mirror"] if figures.FULL else ["update"])
def test_an_index_that_never_finishes_does_not_delay_the_stop(
    tmp_path: Path, batch: LocalBatch, mode: str
) -> None:
    """SIGTERM while the run waits for the index ends it within 5 seconds, with exit code 1 and no state."""
    unfinished = {"name": "big", "indexing_state": "IN_PROGRESS", "nb_ids": 0, "type": "CUSTOM_ID"}
    batch.fault({"answer": {"status": 200, "json": unfinished}}, path="*/audiences/view")
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
