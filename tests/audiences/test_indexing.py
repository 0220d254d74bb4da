"""A state is emitted once Batch has indexed the accepted changes; otherwise the run reports why not."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from singer import state

from tests.audiences.cohorts import DONE, MIRROR, feed, head, kill, numbered, rows, wait_for

if TYPE_CHECKING:
    from tests.audiences.cohorts import Loader

MODES = {
    "update": {"kind": "audiences", "audience": "vip"},
    "mirror": MIRROR,
    "app": {"kind": "audiences", "audience": "vip", "destination": "app"},
}
LINES = [head(), *rows(numbered(1, 5)), state(DONE)]
NEVER = 1000


@pytest.fixture(params=MODES)
def either(request: pytest.FixtureRequest, loader: Loader) -> Loader:
    """A loader for each mode, with an existing audience."""
    loader.settings = {"streams": {"cohort": MODES[request.param]}, "app_api_keys": ["app-key-1"]}
    assert loader.run([head(), *rows(["u1"]), state(DONE)]).code == 0
    return loader


def views(loader: Loader) -> list[dict[str, Any]]:
    """Return the calls that polled the index of an audience."""
    return [row for row in loader.batch.requests() if row["endpoint"] in {"audiences/view", "app/view"}]


def test_a_run_without_changes_waits_for_the_index_of_the_run_before(either: Loader) -> None:
    """A retry by an orchestrator must not turn a failure into a success."""
    either.batch.post("settings", {"index_seconds": NEVER})
    for _ in range(2):
        found = either.run(LINES, max_indexing_seconds=1)
        assert (found.code, found.states) == (1, []), found.log
        assert "IN_PROGRESS" in found.log


def test_a_mirror_polls_the_index_of_an_earlier_run_until_it_is_done(loader: Loader) -> None:
    loader.settings = {"streams": {"cohort": MIRROR}}
    loader.batch.post("settings", {"index_seconds": 5})
    assert loader.run(LINES, max_indexing_seconds=1).code == 1
    wait_for(lambda: loader.batch.get("audiences")["audiences"][0]["pending"] == [])
    for looks in (1, 0):
        before = len(views(loader))
        found = loader.run(LINES)
        assert (found.code, found.states) == (0, [DONE]), found.log
        assert len(views(loader)) - before == looks


def test_the_state_is_emitted_once_the_index_is_done(either: Loader) -> None:
    """Polling goes on until Batch shows the change, and ends then."""
    before = len(views(either))
    either.batch.post("settings", {"index_seconds": 0.3})
    found = either.run(LINES)
    assert found.code == 0, found.log
    assert found.states == [DONE]
    one = next(one for one in either.batch.get("audiences")["audiences"] if one["name"] == "vip")
    assert one["pending"] == []
    assert one["members"] == 5
    assert 2 <= len(views(either)) - before <= 40, "60 seconds of the fast clock, with growing pauses"


@pytest.mark.parametrize("word", ["IN_PROGRESS", "IN_PROCESS", "SOMETHING_NEW"])
def test_a_run_waits_for_the_index_in_any_unfinished_state(either: Loader, word: str) -> None:
    """One page of Batch's documentation has `IN_PROCESS` instead of `IN_PROGRESS`."""
    answer = {"status": 200, "json": {"name": "vip", "nb_ids": 5, "indexing_state": word}}
    either.batch.fault({"answer": answer}, path="*vip*", method="GET", nth=[1, 2, 3])
    either.batch.fault({"answer": answer}, path="*/audiences/view*", nth=[1, 2, 3])
    found = either.run(LINES)
    assert found.code == 0, found.log
    assert either.batch.hits() >= 3
    assert found.states == [DONE]


@pytest.mark.parametrize("word", ["APPLIED", "REPLACED"])
def test_applied_and_replaced_mean_that_the_index_is_done(either: Loader, word: str) -> None:
    answer = {"status": 200, "json": {"name": "vip", "nb_ids": 5, "indexing_state": word}}
    either.batch.fault({"answer": answer}, path="*vip*", method="GET")
    either.batch.fault({"answer": answer}, path="*/audiences/view*")
    either.batch.post("settings", {"index_seconds": NEVER})
    found = either.run(LINES)
    assert found.code == 0, found.log
    assert found.states == [DONE]


def test_an_index_that_takes_too_long_stops_the_run(either: Loader) -> None:
    """Accepted changes may not be in effect, so the state is held, and the log names both settings."""
    either.batch.post("settings", {"index_seconds": NEVER})
    found = either.run(LINES, max_indexing_seconds=30)
    assert found.code == 1
    assert "Audience 'vip' was accepted but not indexed within 30 seconds (it is IN_PROGRESS)" in found.log
    assert "max_indexing_seconds" in found.log
    assert "wait_for_indexing" in found.log
    assert found.states == []
    assert found.totals("cohort")["undelivered"] > 0


def test_without_waiting_the_state_is_emitted_at_once(either: Loader) -> None:
    before = len(views(either))
    either.batch.post("settings", {"index_seconds": NEVER})
    found = either.run(LINES, wait_for_indexing=False)
    assert found.code == 0, found.log
    assert found.states == [DONE]
    assert len(views(either)) == before


def test_a_signal_ends_the_wait_for_the_index(either: Loader) -> None:
    """Also after the end of the input, the run ends within seconds, with exit code 1 and without a state."""
    before = len(views(either))
    either.batch.post("settings", {"index_seconds": NEVER})
    process = either.cold(max_indexing_seconds=100_000)
    feed(process, LINES, end=True)
    wait_for(lambda: len(views(either)) > before)
    process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    assert process.wait(20) == 1
    assert time.monotonic() - begun < 10
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read() == b""
    assert b"not indexed when the run had to end" in process.stderr.read()
    kill(process)


def test_the_index_is_polled_during_a_long_stream(loader: Loader) -> None:
    """States are emitted before the end of the stream."""
    loader.settings = {"streams": {"cohort": MODES["update"]}}
    lines = [head()]
    for first in range(1, 100_000, 10_000):
        lines += [*rows(numbered(first, first + 9_999)), state({"seen": first})]
    found = loader.run([*lines, state(DONE)], checkpoint_records=1)
    assert found.code == 0, found.log
    assert len(found.states) >= 2
    assert found.states[-1] == DONE
    assert len(loader.members()) == 100_000
