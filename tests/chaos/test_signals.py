"""SIGTERM and SIGINT at random instants mean "stop reading": what was read is finished and confirmed."""

from __future__ import annotations

import random
import signal
import time
from typing import TYPE_CHECKING, Any

import figures
import pytest
from feeding import Feeder, arrived, collected, mixed, wait_until
from target_process import KEY, Ended, config_file, start
from verdict import Sent, Verdict, judge

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

pytestmark = pytest.mark.chaos

SETTINGS = {
    "profile_endpoint": "update",
    "max_updates_per_second": 100_000,
    "checkpoint_records": 60,
    "checkpoint_seconds": 0.2,
    "max_retry_seconds": 30,
}
SITUATIONS: dict[str, list[dict[str, Any]]] = {
    "calm": [],
    "in flight": [{"do": {"delay": 0.25}}],
    "back-off": [{"match": {"share": 0.5, "seed": 1}, "times": 8, "do": {"answer": {"status": 503}}}],
    "throttled": [{"times": 1, "do": {"retry_after": 1}}],
    "lost answers": [{"match": {"nth": {"every": 3}}, "times": 3, "do": {"accept_then": "reset"}}],
}
FAILURES: dict[str, Any] = {
    "503": {"answer": {"status": 503}},
    "Retry-After": {"retry_after": 20},
    "no answer": {"delay": {"seconds": 30, "then": "close"}},
    "trickling": {"trickle": 0.05},
}
STOP_IDLE = 1.0
STOP_FAILING = 5.0
MARGIN = 1.5
"""Seconds for a machine that is busy with other tests too."""
RUNS = 200 if figures.FULL else 8
Lines = list[str]


def stopped(
    folder: Path, batch: LocalBatch, lines: Lines, chance: random.Random, burst: list[signal.Signals]
) -> tuple[Ended, float]:
    """Feed a run, wait for its first request, signal at a random instant after it."""
    config = config_file(folder, batch.url, **SETTINGS)
    process = start(config)
    feeder = Feeder(process, lines)
    wait_until(arrived(batch), process)
    time.sleep(chance.uniform(0.0, 0.5))
    begun = time.monotonic()
    for number in burst:
        process.send_signal(number)
        time.sleep(chance.uniform(0.0, 0.05))
    ended = collected(process, folder / "work")
    feeder.stop()
    return ended, time.monotonic() - begun


def assert_in_good_order(ended: Ended, verdict: Verdict, sent: Sent) -> None:
    """Assert that everything read is confirmed and its state passed."""
    totals = ended.run["streams"].values()
    assert sum(total["undelivered"] for total in totals) == 0, ended.log
    read = sum(total["read"] for total in totals)
    assert verdict.last >= verdict.safe, ended.log
    passed = sum(record.line < verdict.last for record in sent.records)
    assert passed <= read <= passed + 100 or verdict.last == verdict.newest
    assert KEY not in ended.log
    assert "Traceback" not in ended.log


@pytest.mark.parametrize("number", range(RUNS))
def test_a_signal_at_a_random_instant_loses_nothing(tmp_path: Path, batch: LocalBatch, number: int) -> None:
    """Exit 143 or 130; no record before the emitted state is missing, none was read and not confirmed."""
    chance = random.Random(number)  # noqa: S311 - repeatable, not secret
    situation = list(SITUATIONS)[number % len(SITUATIONS)]
    batch.script(SITUATIONS[situation])
    first = chance.choice((signal.SIGTERM, signal.SIGINT))
    burst = [first, *chance.choices((signal.SIGTERM, signal.SIGINT), k=chance.choice((0, 0, 3)))]
    lines = mixed(6000, 500, every=20, seed=number)
    ended, seconds = stopped(tmp_path, batch, lines, chance, burst)
    sent = Sent(lines)
    verdict = judge(sent, ended, batch.journal())
    figures.note(f"signals: {situation}", verdict, faults=batch.hits(), **{"stop s": seconds})
    assert verdict.problems() == []
    asked = {128 + number for number in burst}
    assert ended.code in asked, f"{situation}: {ended.log}"
    assert_in_good_order(ended, verdict, sent)
    if situation != "lost answers":
        assert verdict.duplicates == 0
    assert seconds < STOP_FAILING + MARGIN


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_an_idle_run_stops_within_a_second(tmp_path: Path, batch: LocalBatch, number: signal.Signals) -> None:
    """The tap says nothing, everything is confirmed: the signal ends the wait at once."""
    lines = mixed(100, 30, every=10)
    config = config_file(tmp_path, batch.url, **SETTINGS)
    process = start(config)
    feeder = Feeder(process, lines)
    wait_until(feeder.done.is_set, process)
    sent = Sent(lines)
    wait_until(lambda: judge(sent, Ended(0, [], "", tmp_path), batch.journal()).held == 100, process)
    begun = time.monotonic()
    process.send_signal(number)
    ended = collected(process, tmp_path / "work")
    seconds = time.monotonic() - begun
    verdict = judge(sent, ended, batch.journal())
    figures.note("signals: idle", verdict, **{"stop s": seconds})
    assert verdict.problems() == []
    assert ended.code == 128 + number
    assert verdict.last == verdict.newest
    assert seconds < STOP_IDLE + (MARGIN if figures.FULL else 0.5)


@pytest.mark.parametrize("failure", list(FAILURES) if figures.FULL else ["Retry-After"])
def test_a_failing_api_does_not_hold_the_stop(tmp_path: Path, batch: LocalBatch, failure: str) -> None:
    """Exit 1 within 5 seconds, and no state for what is not delivered."""
    batch.script([{"match": {"nth": {"from": 3}}, "do": FAILURES[failure]}])
    lines = mixed(3000, 3000, every=20)
    config = config_file(tmp_path, batch.url, **SETTINGS)
    process = start(config)
    feeder = Feeder(process, lines)
    wait_until(arrived(batch, 4), process)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    ended = collected(process, tmp_path / "work")
    feeder.stop()
    seconds = time.monotonic() - begun
    verdict = judge(Sent(lines), ended, batch.journal())
    figures.note("signals: failing API", verdict, faults=batch.hits(), **{"stop s": seconds})
    assert verdict.problems() == []
    assert ended.code == 1, ended.log
    assert verdict.last >= verdict.safe
    assert sum(total["undelivered"] for total in ended.run["streams"].values()) > 0
    assert seconds < STOP_FAILING + MARGIN


def test_a_signal_in_the_final_drain_changes_nothing(tmp_path: Path, batch: LocalBatch) -> None:
    """The input is at its end already: all of it is confirmed, whatever the exit code says."""
    batch.script([{"do": {"delay": 0.4}}])
    lines = mixed(1000, 1000, every=50)
    late = {"checkpoint_records": 10_000, "checkpoint_seconds": 60, "profile_endpoint": "auto"}
    settings = {**SETTINGS, **late}
    config = config_file(tmp_path, batch.url, **settings)
    process = start(config)
    Feeder(process, lines, chunk=2000).done.wait(10)
    assert process.stdin is not None
    process.stdin.close()
    wait_until(arrived(batch, 2), process)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    ended = collected(process, tmp_path / "work")
    verdict = judge(Sent(lines), ended, batch.journal())
    figures.note("signals: final drain", verdict)
    assert verdict.problems() == []
    assert ended.code in {0, 130, 143}
    assert verdict.last == verdict.newest
    assert verdict.duplicates == 0


def test_a_tap_that_waits_does_not_hold_anything_back(tmp_path: Path, batch: LocalBatch) -> None:
    """The input is open and silent: what is older than `checkpoint_seconds` is sent and its state passes."""
    lines = mixed(30, 30, every=10)
    config = config_file(tmp_path, batch.url, **{**SETTINGS, "checkpoint_records": 10_000})
    process = start(config)
    Feeder(process, lines)
    assert process.stdout is not None
    wait_until(arrived(batch), process)
    assert process.stdout.readline() == b'{"seen": 30}\n'
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    ended = collected(process, tmp_path / "work")
    assert (ended.code, ended.out) == (143, "")
