"""Reading files survives signals, crashes and bad rows; a resume completes it and reports what it repeats."""

from __future__ import annotations

import gzip
import json
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from feeding import arrived, collected, wait_until
from singer import INTEGER, STRING, record, schema, state
from target_process import Ended, config_file, encoded, run, start

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from local_batch import LocalBatch

pytestmark = pytest.mark.chaos

SETTINGS = {
    "late_events": "now",
    "profile_endpoint": "update",
    "max_updates_per_second": 100_000,
    "checkpoint_records": 400,
    "checkpoint_seconds": 0.3,
}
ROWS = 6000


def written(path: Path, first: int, last: int) -> Path:
    """Write users as JSON Lines, compressed if the name ends with `.gz`."""
    rows = (json.dumps({"user_id": f"u{number}", "seat": number}) for number in range(first, last + 1))
    text = "".join(f"{row}\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def replaying(folder: Path, batch: LocalBatch, *arguments: str) -> subprocess.Popen[bytes]:
    """Start `target-batch replay`."""
    config = config_file(folder, batch.url, **SETTINGS)
    return start(config, "--stream", "users", *arguments, command=["replay"])


def held(batch: LocalBatch) -> Counter[int]:
    """Count how often each seat was accepted."""
    return Counter(line["attributes"]["seat"] for line in batch.journal())


def position(ended: Ended) -> dict[str, Any]:
    """Return the position in the files that the last state records."""
    found: dict[str, Any] = json.loads(ended.emitted[-1])["replay"]
    return found


def resumed(folder: Path, batch: LocalBatch, ended: Ended, *files: str) -> Ended:
    """Continue from the end of an earlier run."""
    states = folder / "states.jsonl"
    states.write_text(ended.out)
    return collected(replaying(folder, batch, "--state", str(states), *files), ended.work)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_a_stopped_replay_continues_where_it_stopped(
    tmp_path: Path, batch: LocalBatch, number: signal.Signals
) -> None:
    """After SIGTERM no row is sent twice; after a kill at most an interval and the requests in flight."""
    files = [written(tmp_path / "1.jsonl.gz", 1, 4000), written(tmp_path / "2.jsonl", 4001, ROWS)]
    names = [str(path) for path in files]
    batch.fault({"delay": 0.1})
    process = replaying(tmp_path, batch, *names)
    wait_until(arrived(batch, 16), process)
    assert process.stdout is not None
    passed = process.stdout.readline().decode() if number == signal.SIGKILL else ""
    process.send_signal(number)
    first = collected(process, tmp_path / "work")
    first.out = passed + first.out
    done = position(first)["rows"] + (4000 if position(first)["file"] == names[1] else 0)
    before = held(batch)
    assert set(range(1, done + 1)) <= set(before)
    if number == signal.SIGTERM:
        assert (first.code, first.run["streams"]["users"]["undelivered"]) == (143, 0)
        assert max(before) == done < ROWS
        assert "the next run repeats" not in first.log
    second = resumed(tmp_path, batch, first, *names)
    after = held(batch)
    assert (second.code, position(second)) == (0, {"file": names[1], "rows": 2000})
    assert set(after) == set(range(1, ROWS + 1))
    twice = sum(after.values()) - ROWS
    assert twice == 0 if number == signal.SIGTERM else twice <= 1000 + 400 + 10 * 200


def test_a_bad_row_ends_a_replay_at_that_row(tmp_path: Path, batch: LocalBatch) -> None:
    """Exit code 1 with the row's number; the state is just before it, and the corrected file is completed."""
    path = written(tmp_path / "rows.jsonl", 1, 1500)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"seat": 1300}', b'"seat": 13'))
    first = collected(replaying(tmp_path, batch, str(path)), tmp_path / "work")
    assert (first.code, position(first)["rows"]) == (1, 1299)
    assert "Row 1300 of file" in first.log
    path.write_bytes(whole)
    second = resumed(tmp_path, batch, first, str(path))
    assert second.code == 0
    assert set(held(batch).values()) == {1}
    assert len(held(batch)) == 1500


def test_a_state_that_does_not_fit_the_files_is_refused(tmp_path: Path, batch: LocalBatch) -> None:
    """A renamed or shortened file is an error, because rows would be skipped or sent twice."""
    path = written(tmp_path / "rows.jsonl", 1, 50)
    other = written(tmp_path / "other.jsonl", 1, 50)
    first = collected(replaying(tmp_path, batch, str(path)), tmp_path / "work")
    assert (first.code, position(first)["rows"]) == (0, 50)
    renamed = resumed(tmp_path, batch, first, str(other))
    assert (renamed.code, renamed.out) == (2, "")
    assert "`--state`" in renamed.log
    written(path, 51, 60)
    shorter = resumed(tmp_path, batch, first, str(path))
    assert (shorter.code, shorter.out) == (1, "")
    assert "10 rows" in shorter.log
    nothing = collected(replaying(tmp_path, batch, str(tmp_path / "no*.jsonl")), tmp_path / "work")
    assert nothing.code == 2
    assert "no file matches" in nothing.log
    assert len(held(batch)) == 50


def test_a_resume_knows_the_columns_of_the_first_file(tmp_path: Path, batch: LocalBatch) -> None:
    """A property that is missing at the start of a later file keeps the meaning it has in the first file."""
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    first.write_text('{"user_id": "u1", "email": "a@example.com"}\n')
    second.write_text('{"user_id": "u2"}\n' * 1001 + '{"user_id": "u3", "email": "b@example.com"}\n')
    done = Ended(0, [], "", tmp_path / "work", json.dumps({"replay": {"file": str(second), "rows": 5}}))
    ended = resumed(tmp_path, batch, done, str(first), str(second))
    assert ended.code == 0
    assert batch.profile("u3")["attributes"] == {"$email_address": "b@example.com"}
    assert "not in the SCHEMA" not in ended.log


def batch_lines(path: Path) -> list[str]:
    """Make users, a state, a BATCH message for a file, and another state."""
    message = {"type": "BATCH", "stream": "users", "encoding": {"format": "jsonl", "compression": "gzip"}}
    return [
        schema("users", {"user_id": STRING, "seat": INTEGER}),
        *(record("users", user_id=f"u{number}", seat=number) for number in range(-9, 1)),
        state({"before": 1}),
        json.dumps({**message, "manifest": [path.as_uri()]}),
        state({"after": 1}),
    ]


def test_a_signal_in_a_batch_file_holds_the_state_before_it(tmp_path: Path, batch: LocalBatch) -> None:
    """The rows read are delivered and counted, and the log reports how many the next run repeats."""
    lines = batch_lines(written(tmp_path / "rows.jsonl.gz", 1, ROWS))
    batch.fault({"delay": 0.1})
    config = config_file(tmp_path, batch.url, **SETTINGS)
    process = start(config)
    assert process.stdin is not None
    process.stdin.write(encoded(lines))
    process.stdin.flush()
    wait_until(arrived(batch, 12), process)
    process.send_signal(signal.SIGTERM)
    ended = collected(process, tmp_path / "work")
    seats = held(batch)
    assert (ended.code, ended.emitted) == (143, ['{"before": 1}'])
    assert len(seats) == ended.totals("users")["delivered"] < ROWS
    assert f"Records that the next run repeats: {len(seats) - 10}." in ended.log
    again = run(tmp_path, batch.url, lines, **SETTINGS)
    assert (again.code, again.emitted[-1]) == (0, '{"after": 1}')
    assert set(held(batch)) == set(range(-9, ROWS + 1))


def test_a_run_without_a_signal_does_not_mention_repeated_records(tmp_path: Path, batch: LocalBatch) -> None:
    lines = batch_lines(written(tmp_path / "rows.jsonl.gz", 1, 30))
    ended = run(tmp_path, batch.url, lines, **SETTINGS)
    assert (ended.code, ended.emitted[-1]) == (0, '{"after": 1}')
    assert "repeats" not in ended.log
    assert "covers 40 records" in ended.log
