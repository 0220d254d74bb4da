"""`runs.jsonl` and the closing line: every record has one fate, and the local Batch agrees."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from singer import DATE_TIME, INTEGER, STRING, record, schema, state, users
from target_process import run
from verdict import BALANCE, unbalanced

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

KEYS = {"run", "started", "seconds", "exit", "streams", "requests", "retries", "throttled"}


def test_every_fate_is_counted_once_and_agrees_with_batch(tmp_path: Path, batch: LocalBatch) -> None:
    """Delivered, merged, ignored and rejected records add up to what the local Batch counts."""
    properties = {"user_id": STRING, "seat": INTEGER, "_sdc_deleted_at": DATE_TIME}
    lines = [schema("users", properties), schema("products", {"id": INTEGER})]
    lines += [record("users", user_id=f"u{n}", seat=n) for n in range(1, 11)]
    lines += [record("users", user_id="u1", seat=n) for n in (11, 12, 13)]
    lines += [record("users", user_id="u2", seat=14, _sdc_deleted_at="2026-01-01T00:00:00Z")]
    lines += [record("users", user_id=value, seat=15) for value in ("", "null", 1.5, True)]
    lines += [record("products", id=n) for n in range(3)]
    lines += [state({"seen": 1})]
    batch.fault({"partial_errors": [{"category": "c", "bulk_index": 4, "reason": "no"}]})
    ended = run(tmp_path, batch.url, lines, default_kind="ignore")
    assert ended.code == 0
    totals = ended.totals("users")
    counted = {name: totals[name] for name in ("read", "merged", *BALANCE)}
    assert counted == {
        "read": 18,
        "merged": 3,
        "delivered": 12,
        "unchanged": 0,
        "ignored": 1,
        "rejected": 5,
        "undelivered": 0,
    }
    assert ended.totals("products")["ignored"] == 3
    assert unbalanced(ended) == []
    assert len(batch.journal()) == totals["delivered"] - totals["merged"]
    assert len(ended.rejects()) == totals["rejected"]
    assert sum(totals["reasons"].values()) == totals["ignored"] + totals["rejected"]
    entry = ended.run
    assert set(entry) >= KEYS
    assert (entry["exit"], entry["requests"]) == (0, batch.summary()["requests"]["total"])


def test_records_that_did_not_arrive_are_counted_as_undelivered(tmp_path: Path, batch: LocalBatch) -> None:
    """Two of five requests arrive, then Batch fails for good: the rest is counted as undelivered."""
    batch.fault({"answer": {"status": 503}}, nth={"from": 3})
    settings = {"profile_endpoint": "update", "max_retry_seconds": 0.5}
    ended = run(tmp_path, batch.url, users(1, 1000, every=100), **settings)
    assert ended.code == 1
    totals = ended.totals("users")
    assert totals["delivered"] == len(batch.journal()) == 400
    assert (totals["read"], totals["undelivered"]) == (1000, 600)
    assert ended.run["exit"] == 1
    assert ended.run["requests"] == batch.summary()["requests"]["total"]


def test_a_run_is_logged_at_its_beginning_and_at_its_end(tmp_path: Path, batch: LocalBatch) -> None:
    """The line at the end has the counts; if there is none, the run was killed."""
    names = [run(tmp_path, batch.url, users(1, 2)).run["run"] for _ in range(2)]
    lines = [json.loads(line) for line in (tmp_path / "work" / "runs.jsonl").read_text().splitlines()]
    expected = [(name, ended) for name in names for ended in (False, True)]
    assert [(line["run"], line["ended"]) for line in lines] == expected
    assert [line.get("cause") for line in lines] == [None] * 4


def test_a_local_work_path_is_ignored_by_git(tmp_path: Path, batch: LocalBatch) -> None:
    run(tmp_path, batch.url, users(1, 1))
    assert (tmp_path / "work" / ".gitignore").read_text() == "*\n"


def test_a_run_without_problems_logs_little(tmp_path: Path, batch: LocalBatch) -> None:
    """For 10,000 users it logs a line per checkpoint and a summary, and stdout holds only states."""
    result = run(tmp_path, batch.url, users(1, 10_000, every=100), max_updates_per_second=100_000)
    assert result.code == 0
    assert len(result.log.splitlines()) <= 8
    assert "10000 read, 10000 delivered" in result.log
    assert set(result.emitted) <= {f'{{"seen": {n}}}' for n in range(100, 10_001, 100)}
    assert result.emitted[-1] == '{"seen": 10000}'
