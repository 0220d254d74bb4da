"""The promises P1 to P5 hold for random streams and random faults."""

from __future__ import annotations

import tempfile
from collections.abc import Callable  # noqa: TC003 - an annotation of a module's variable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import figures
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from singer import INTEGER, STRING, record, schema, state
from target_process import run
from verdict import Sent, judge

if TYPE_CHECKING:
    from local_batch import LocalBatch

pytestmark = pytest.mark.chaos

EXAMPLES = 150 if figures.FULL else 8
USERS = {"user_id": STRING, "seat": INTEGER}
EVENTS = {**USERS, "event": STRING}
SMALL = st.integers(0, 7)
STEPS = st.one_of(
    st.tuples(st.just("users"), SMALL, st.integers(1, 6)),
    st.tuples(st.just("users"), SMALL, st.integers(1, 6)),
    st.tuples(st.just("events"), SMALL, st.integers(1, 20)),
    st.tuples(st.just("crowd"), SMALL, st.integers(1, 300)),
    st.tuples(st.just("state"), SMALL, st.just(1)),
    st.tuples(st.just("empty state"), SMALL, st.just(1)),
    st.tuples(st.just("without ID"), SMALL, st.integers(1, 3)),
    st.tuples(st.just("new schema"), SMALL, st.just(1)),
    st.tuples(st.just("noise"), SMALL, st.just(1)),
    st.tuples(st.just("version"), SMALL, st.just(1)),
)
PLACES = st.fixed_dictionaries({"nth": st.lists(st.integers(1, 12), min_size=1, max_size=4, unique=True)})
DOINGS = st.sampled_from(
    [
        {"answer": {"status": 500}},
        {"answer": {"status": 503}},
        {"accept_then": {"answer": {"status": 500}}},
        {"accept_then": "reset"},
        "reset",
        "close",
        {"delay": 0.1},
        {"max_body": 3000},
        {"refuse_ids": ["u3", "c7"]},
        {"answer": {"status": 401}},
        {"answer": {"status": 202, "json": {"code": "LATER"}}},
        {"partial_errors": [{"category": "c", "bulk_index": 0, "reason": "no"}]},
        {"partial_errors": [{"category": "c", "bulk_index": 0, "reason": "no", "attribute": "seat"}]},
    ]
)
RULES = st.lists(st.fixed_dictionaries({"match": PLACES, "do": DOINGS}), max_size=3)
CUTS = st.sampled_from([1, 10, 100, 10_000])


MAKERS: dict[str, Callable[[int, int], list[str]]] = {
    "users": lambda who, seat: [record("users", user_id=f"u{who}", seat=seat)],
    "events": lambda who, seat: [record("events", user_id=f"u{who}", seat=seat, event="seen")],
    "crowd": lambda _, seat: [record("users", user_id=f"c{seat}", seat=seat)],
    "without ID": lambda _, seat: [record("users", user_id="null", seat=seat)],
    "state": lambda who, seat: [state({"seen": seat, "who": who, "share": 0.1})],
    "empty state": lambda _who, _seat: [state({})],
    "new schema": lambda _, seat: [schema("users", {**USERS, f"more_{seat}": STRING})],
    "version": lambda _, seat: [f'{{"type": "ACTIVATE_VERSION", "stream": "users", "version": {seat}}}'],
    "noise": lambda _who, _seat: ["", '{"type": "PING"}'],
}


def lines_of(steps: list[tuple[str, int, int]]) -> list[str]:
    """Return the steps as Singer messages, with seats rising from 1."""
    lines = [schema("users", USERS), schema("events", EVENTS)]
    seat = 0
    for kind, who, times in steps:
        for _ in range(times):
            seat += 1
            lines += MAKERS[kind](who, seat)
    return [*lines, state({"seen": seat + 1})]


def has_lost_answers(rules: list[Any]) -> bool:
    """Return whether a fault applies a request without confirming it."""
    return any("accept_then" in rule["do"] for rule in rules)


def test_random_streams_and_faults_keep_the_promises(running_batch: LocalBatch) -> None:
    """No record is lost or out of order, no state is wrong, and the totals agree with the local Batch."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=not figures.FULL,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(steps=st.lists(STEPS, min_size=3, max_size=25), rules=RULES, cut=CUTS)
    def check(steps: list[tuple[str, int, int]], rules: list[Any], cut: int) -> None:
        running_batch.reset()
        running_batch.script(rules)
        lines = lines_of(steps)
        with tempfile.TemporaryDirectory() as folder:
            ended = run(
                Path(folder),
                running_batch.url,
                lines,
                checkpoint_records=cut,
                profile_endpoint="update",
                max_updates_per_second=100_000,
                max_retry_seconds=8,
                request_timeout_seconds=5,
                late_events="now",
                max_rejected_share=1,
            )
            verdict = judge(Sent(lines), ended, running_batch.journal())
            figures.note("random streams", verdict, faults=running_batch.hits())
            assert verdict.problems() == [], ended.log
            assert ended.code in {0, 1, 2}, ended.log
            assert "Traceback" not in ended.log
            assert "Internal error" not in ended.log, ended.log
            if ended.code == 0:
                assert verdict.last == verdict.newest, ended.log
            if not has_lost_answers(rules):
                assert verdict.last == verdict.finest, ended.log
                assert verdict.duplicates == 0
            read = sum(total["read"] for total in ended.run["streams"].values())
            assert ended.code or read == verdict.records
            whole = sum(total["rejected"] for total in ended.run["streams"].values())
            assert whole <= verdict.rejected_whole

    check()
