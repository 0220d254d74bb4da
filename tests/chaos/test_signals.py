"""At any moment, SIGTERM and SIGINT stop the reading; records already read are sent and confirmed."""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import figures
import pytest
from feeding import Feeder, arrived, collected, mixed, wait_until
from singer import state
from target_process import KEY, Ended, config_file, start
from verdict import Sent, Verdict, judge

if TYPE_CHECKING:
    from local_batch import LocalBatch

pytestmark = pytest.mark.chaos

SETTINGS = {
    "late_events": "now",
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
"""Extra seconds for a machine that also runs other tests."""
RUNS = 200 if figures.FULL else 8
Lines = list[str]


def stopped(
    folder: Path, batch: LocalBatch, lines: Lines, chance: random.Random, burst: list[signal.Signals]
) -> tuple[Ended, float]:
    """Feed a run, wait for its first request, and send signals at a random moment after it."""
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
    """Assert that all records read are confirmed and that their state was emitted."""
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
    """Exit code 143 or 130; every record read is confirmed, every one before the emitted state is there."""
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
    """If the tap is silent and everything is confirmed, a signal ends the run at once."""
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
def test_a_failing_api_does_not_delay_the_stop(tmp_path: Path, batch: LocalBatch, failure: str) -> None:
    """Exit code 1 within 5 seconds, without a state for records that were not delivered."""
    batch.script([{"match": {"nth": {"from": 3}}, "do": FAILURES[failure]}])
    lines = mixed(3000, 3000, every=20)
    config = config_file(tmp_path, batch.url, **SETTINGS)
    process = start(config)
    feeder = Feeder(process, lines)
    wait_until(arrived(batch, 3), process)
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


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT], ids=["SIGHUP", "SIGQUIT"])
def test_sighup_and_sigquit_stop_a_run_like_sigterm(
    tmp_path: Path, batch: LocalBatch, number: signal.Signals
) -> None:
    """Records read are confirmed, the exit code contains the signal, and the log reports it once."""
    lines = mixed(100, 30, every=10)
    process = start(config_file(tmp_path, batch.url, **SETTINGS))
    wait_until(Feeder(process, lines).done.is_set, process)
    wait_until(arrived(batch), process)
    process.send_signal(number)
    ended = collected(process, tmp_path / "work")
    assert ended.code == 128 + number, ended.log
    assert judge(Sent(lines), ended, batch.journal()).problems() == []
    assert ended.log.count(f"{number.name}: reading has stopped. Finishing what was read (") == 1


def test_a_signal_that_nohup_ignores_stays_ignored(tmp_path: Path, batch: LocalBatch) -> None:
    lines = mixed(100, 30, every=10)
    process = start(config_file(tmp_path, batch.url, **SETTINGS), before=["nohup"])
    wait_until(Feeder(process, lines[:50]).done.is_set, process)
    wait_until(arrived(batch), process)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGPIPE)
    ended = collected_after(process, tmp_path / "work", lines[50:])
    assert ended.code == 0, ended.log
    assert judge(Sent(lines), ended, batch.journal()).held == 100


def collected_after(process: Any, work: Path, lines: Lines) -> Ended:
    """Write the remaining lines, close the input and wait for the end."""
    wait_until(Feeder(process, lines).done.is_set, process)
    process.stdin.close()
    return collected(process, work)


def test_a_full_pipe_does_not_delay_the_stop(tmp_path: Path, batch: LocalBatch) -> None:
    """A state fills the pipe and is not read: exit code 1 within 5 seconds, with a message."""
    lines = [*mixed(100, 30, every=1000), state({"seen": "x" * 200_000})]
    process = start(config_file(tmp_path, batch.url, **SETTINGS))
    wait_until(Feeder(process, lines, chunk=200).done.is_set, process)
    wait_until(lambda: readable(process.stdout), process)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    seconds = time.monotonic() - begun
    ended = collected(process, tmp_path / "work")
    assert ended.code == 1, ended.log
    assert "cannot be written to the standard output (its reader has stopped reading)" in ended.log
    assert "Traceback" not in ended.log
    assert seconds < STOP_FAILING + MARGIN


def readable(stream: Any) -> bool:
    """Return whether a stream has data to read."""
    return bool(select.select([stream], [], [], 0)[0])


def test_a_locked_ledger_does_not_delay_the_stop(tmp_path: Path, batch: LocalBatch) -> None:
    """If another process keeps the ledger locked, the run gives up on it and ends with exit code 1."""
    settings = {**SETTINGS, "skip_unchanged": True}
    lines = mixed(100, 30, every=10)
    config = config_file(tmp_path, batch.url, **settings)
    process = start(config)
    wait_until(Feeder(process, lines[:60]).done.is_set, process)
    wait_until(arrived(batch), process)
    with closing(sqlite3.connect(tmp_path / "work" / "ledger.db", isolation_level=None)) as other:
        other.execute("PRAGMA busy_timeout = 10000")
        other.execute("BEGIN EXCLUSIVE")
        wait_until(Feeder(process, lines[60:]).done.is_set, process)
        time.sleep(0.7)  # a checkpoint is due, so the run now waits for the lock
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        ended = collected(process, tmp_path / "work")
        seconds = time.monotonic() - begun
    assert ended.code == 1, ended.log
    assert "SIGTERM: reading has stopped" in ended.log
    assert "left as after a crash" in ended.log
    assert judge(Sent(lines), ended, batch.journal()).problems() == []
    assert seconds < STOP_FAILING + MARGIN


def test_a_run_with_process_number_1_stops_like_any_other(tmp_path: Path, batch: LocalBatch) -> None:
    """The kernel drops signals without a handler for the first process of a container."""
    unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], check=False).returncode:
        pytest.skip("unshare(1) may not make process namespaces here")
    lines = mixed(100, 30, every=10)
    process = start(config_file(tmp_path, batch.url, **SETTINGS), before=unshare)
    wait_until(Feeder(process, lines).done.is_set, process)
    wait_until(arrived(batch), process)
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGTERM)
    ended = collected(process, tmp_path / "work")
    assert ended.code == 143, ended.log
    assert judge(Sent(lines), ended, batch.journal()).problems() == []


def test_a_signal_in_the_final_drain_changes_nothing(tmp_path: Path, batch: LocalBatch) -> None:
    """After the end of the input, all records are confirmed, whether the exit code is 0, 130 or 143."""
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


def test_an_idle_tap_does_not_delay_the_delivery(tmp_path: Path, batch: LocalBatch) -> None:
    """While the input is silent, records older than `checkpoint_seconds` are sent and their state emitted."""
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
