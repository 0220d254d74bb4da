"""After `kill -9`, a dead tap or a closed output, a run from the last state delivers everything missing."""

from __future__ import annotations

import json
import random
import signal
import time
from typing import TYPE_CHECKING

import figures
import pytest
from feeding import Feeder, arrived, collected, mixed, wait_until
from singer import INTEGER, STRING, record, schema, state
from target_process import Ended, config_file, encoded, finished, run, start
from verdict import Journal, Sent, judge

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from local_batch import LocalBatch

pytestmark = pytest.mark.chaos

INTERVAL = 60
PER_REQUEST = 200
KILLS = 10 if figures.FULL else 2
SETTINGS = {
    "late_events": "now",
    "profile_endpoint": "update",
    "max_updates_per_second": 100_000,
    "checkpoint_records": INTERVAL,
    "checkpoint_seconds": 0.2,
    "max_retry_seconds": 5,
}


def rest(lines: list[str], ended: Ended) -> list[str]:
    """Return the lines of a tap's next run: the schemas and everything after the last emitted state."""
    position = max(Sent(lines).positions(ended.emitted), default=-1)
    return [*lines[:2], *lines[max(position + 1, 2) :]]


def killed(folder: Path, batch: LocalBatch, lines: list[str], chance: random.Random) -> Ended:
    """Feed a run and kill it at a random moment after its first request."""
    before = batch.summary()["requests"]["total"]
    process = start(config_file(folder, batch.url, **SETTINGS))
    feeder = Feeder(process, lines)
    wait_until(arrived(batch, before + 1), process)
    time.sleep(chance.uniform(0.0, 0.4))
    process.kill()
    ended = collected(process, folder / "work")
    feeder.stop()
    assert ended.code == -signal.SIGKILL
    return ended


def test_a_chain_of_kills_loses_nothing(tmp_path: Path, batch: LocalBatch) -> None:
    """Runs killed and resumed from the last state deliver everything, with a bounded number of duplicates."""
    batch.script([{"do": {"delay": 0.05}}])
    chance = random.Random(9)  # noqa: S311 - repeatable, not secret
    lines = everything = mixed(800 * (KILLS + 1), 400, every=20)
    for _ in range(KILLS):
        since = batch.summary()["journal"]["total"]
        ended = killed(tmp_path, batch, lines, chance)
        verdict = judge(Sent(lines), ended, batch.journal(), since=since)
        most = batch.summary()["requests"]["peak_in_flight"]
        repeated = [record for record in Sent(rest(lines, ended)).records if record.stream == "events"]
        held = set(events(batch))
        twice = sum(record.seat in held for record in repeated)
        figures.note("kill -9", verdict, faults=1, duplicates=twice)
        assert verdict.problems() == []
        assert twice <= INTERVAL + most * PER_REQUEST
        lines = rest(lines, ended)
    since = batch.summary()["journal"]["total"]
    last = finished(config_file(tmp_path, batch.url, **SETTINGS), lines)
    verdict = judge(Sent(lines), last, batch.journal(), since=since)
    figures.note("kill -9: last run", verdict)
    assert (last.code, verdict.problems()) == (0, [])
    whole = judge(Sent(everything), last, batch.journal())
    assert whole.held == len(Sent(everything).records)


def test_states_are_emitted_during_a_long_final_drain(tmp_path: Path, batch: LocalBatch) -> None:
    """One ID's events are sent 15 at a time: a crash after the end of the input repeats only one interval."""
    lines = [schema("events", {"user_id": STRING, "event": STRING, "seat": INTEGER})]
    for seat in range(1, 601):
        lines.append(record("events", user_id="busy", event="seen", seat=seat))
        lines += [state({"seen": seat})] if seat % 15 == 0 else []
    batch.script([{"do": {"delay": 0.05}}])
    config = config_file(tmp_path, batch.url, **{**SETTINGS, "checkpoint_records": 30})
    process = start(config)
    assert process.stdin is not None
    process.stdin.write(encoded(lines))
    process.stdin.close()
    wait_until(arrived(batch, 20), process)
    process.kill()
    ended = collected(process, tmp_path / "work")
    accepted = len(events(batch))
    passed = json.loads(ended.emitted[-1])["seen"]
    assert accepted - 30 - 15 <= passed <= accepted < 600


def events(batch: LocalBatch) -> list[int]:
    """Return the seats of every accepted event."""
    return [event["attributes"]["seat"] for line in batch.journal() for event in line.get("events", ())]


def test_a_kill_between_acceptance_and_state_repeats_only_that_request(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """Only the request that Batch applied without answering is sent twice after the resume."""
    lines = mixed(150, 150, every=10)
    process = start(config_file(tmp_path, batch.url, **SETTINGS))
    sent = Sent(lines)
    for count in (50, 100):
        write(process, lines, count)
        wait_until(lambda count=count: held(sent, batch) == count, process)  # type: ignore[misc]
        assert process.stdout is not None
    wait_until_state(process, '{"seen": 100}')
    batch.script([{"do": {"accept_then": {"delay": {"seconds": 20, "then": "close"}}}}])
    write(process, lines, 150)
    wait_until(lambda: held(sent, batch) == 150, process)
    process.kill()
    collected(process, tmp_path / "work")
    first = Ended(-9, [], "", tmp_path / "nowhere", '{"seen": 100}\n')
    for fault in batch.get("faults")["faults"]:
        batch.post(f"faults/{fault['id']}", {"enabled": False})
    again = run(tmp_path, batch.url, rest(lines, first), **SETTINGS)
    verdict = judge(sent, again, batch.journal())
    figures.note("kill before the answer", verdict, faults=1)
    assert again.code == 0
    assert verdict.held == 150
    assert 0 < verdict.duplicates <= 50


def write(process: subprocess.Popen[bytes], lines: list[str], count: int) -> None:
    """Write the next lines up to the state after `count` records, with the schemas the first time."""
    ends = [index for index, _ in Sent(lines).states]
    wanted = [json.loads(line).get("value", {}).get("seen", 0) for line in lines]
    last = wanted.index(count)
    first = max((index + 1 for index in ends if wanted[index] == count - 50), default=0)
    assert process.stdin is not None
    process.stdin.write(encoded(lines[first : last + 1]))
    process.stdin.flush()


def wait_until_state(process: subprocess.Popen[bytes], value: str) -> None:
    """Read the output until this state."""
    assert process.stdout is not None
    while (line := process.stdout.readline().decode()) != f"{value}\n":
        assert line, "the process ended too early"


def held(sent: Sent, batch: LocalBatch) -> int:
    """Count the records that the local Batch holds."""
    journal = Journal(batch.journal())
    return sum(journal.holds(record) for record in sent.records)


def test_one_stuck_request_does_not_increase_the_duplicates(tmp_path: Path, batch: LocalBatch) -> None:
    """While a call hangs, others do not run far ahead: a crash repeats an interval and requests in flight."""
    batch.script([{"match": {"nth": [3]}, "do": {"delay": {"seconds": 30, "then": "close"}}}])
    lines = mixed(4000, 4000, every=20)
    process = start(config_file(tmp_path, batch.url, **SETTINGS))
    feeder = Feeder(process, lines)
    seen = [-1]
    wait_until(arrived(batch, 5), process)

    def settled() -> bool:
        seen.append(batch.summary()["requests"]["total"])
        time.sleep(0.3)
        return seen[-1] == seen[-2]

    wait_until(settled, process)
    process.kill()
    first = collected(process, tmp_path / "work")
    feeder.stop()
    verdict = judge(Sent(lines), first, batch.journal())
    journal = Journal(batch.journal())
    repeated = [row for row in Sent(lines).records if row.line > verdict.last and journal.holds(row)]
    largest = max(row["entries"] for row in batch.requests())
    figures.note("kill while one call hangs", verdict, faults=1, duplicates=len(repeated))
    assert verdict.problems() == []
    assert len(repeated) <= INTERVAL + 12 * largest


def test_a_tap_that_dies_in_the_middle_of_a_line_loses_nothing(tmp_path: Path, batch: LocalBatch) -> None:
    """Exit code 1; all records before the cut line are confirmed, and a resume delivers the rest."""
    lines = mixed(300, 100, every=10)
    torn = encoded(lines[:200]) + lines[200][:25].encode()
    first = run(tmp_path, batch.url, torn, **SETTINGS)
    verdict = judge(Sent(lines[:200]), first, batch.journal())
    figures.note("tap dies in a line", verdict, faults=1)
    assert first.code == 1
    assert verdict.problems() == []
    assert verdict.last == verdict.newest
    again = run(tmp_path, batch.url, rest(lines, first), **SETTINGS)
    assert again.code == 0
    assert judge(Sent(lines), again, batch.journal()).held == 300


def test_a_closed_stdout_ends_the_run_and_loses_nothing(tmp_path: Path, batch: LocalBatch) -> None:
    """Exit code 1 without a traceback, and a resume from the last state read delivers the rest."""
    lines = mixed(2000, 500, every=20)
    process = start(config_file(tmp_path, batch.url, **SETTINGS))
    feeder = Feeder(process, lines)
    assert process.stdout is not None
    taken = process.stdout.readline().decode()
    process.stdout.close()
    ended = collected(process, tmp_path / "work")
    feeder.stop()
    assert ended.code == 1, ended.log
    assert "Traceback" not in ended.log
    assert "Exception ignored" not in ended.log
    seen = Ended(1, [], ended.log, ended.work, taken)
    verdict = judge(Sent(lines), seen, batch.journal())
    figures.note("stdout closed", verdict, faults=1)
    assert verdict.problems() == []
    again = run(tmp_path, batch.url, rest(lines, seen), **SETTINGS)
    assert again.code == 0
    assert judge(Sent(lines), again, batch.journal()).held == 2000
