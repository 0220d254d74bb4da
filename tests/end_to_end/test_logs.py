"""The log as operators read it: meaningful levels, and JSON lines with counts as fields."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from singer import INTEGER, STRING, record, schema, state, users
from target_process import config_file, finished, run

if TYPE_CHECKING:
    from local_batch import LocalBatch

JSON_LOGS = Path(__file__).parents[2] / "examples" / "logging.yml"


def warnings(log: str) -> list[str]:
    return [line for line in log.splitlines() if "| WARNING" in line]


def test_a_run_without_rejects_logs_no_warning(tmp_path: Path, batch: LocalBatch) -> None:
    """A note on how a property is read, or that it is left out, is not a warning."""
    names = ("user_id", "email", "email_address", "How did you hear about us in the first place")
    lines = [
        schema("users", dict.fromkeys(names, STRING)),
        record("users", user_id="u1", email="a@example.com", email_address=None, extra=1),
    ]
    ended = run(tmp_path, batch.url, lines)
    assert ended.code == 0
    assert "Property `" in ended.log
    assert warnings(ended.log) == []


def test_a_stream_whose_records_were_all_rejected_is_a_warning(tmp_path: Path, batch: LocalBatch) -> None:
    lines = [
        *users(1, 2),
        schema("contacts", {"user_id": STRING, "seat": INTEGER}),
        *(record("contacts", user_id=None, seat=seat) for seat in (1, 2)),
    ]
    ended = run(tmp_path, batch.url, lines, max_rejected_share=1)
    assert ended.code == 0
    found = [line for line in warnings(ended.log) if "Stream 'contacts'" in line]
    assert len(found) == 1
    assert "all 2 of its records were rejected (2 missing_custom_id)" in found[0]
    assert "Stream 'users'" not in "".join(warnings(ended.log))


@pytest.mark.parametrize(
    ("streams", "doubtful"),
    [
        ({"users": {}, "orders": {"kind": "events"}}, False),
        ({"users": {}, "user": {}}, True),
        ({"orders": {"kind": "events"}}, True),
    ],
    ids=["for streams of other runs", "nearly a stream's name", "a stream without an entry"],
)
def test_an_unused_entry_of_streams_is_a_warning_only_if_it_may_be_a_mistake(
    tmp_path: Path, batch: LocalBatch, streams: dict[str, Any], *, doubtful: bool
) -> None:
    ended = run(tmp_path, batch.url, users(1, 2), streams=streams)
    assert ended.code == 0
    assert "that no stream of this input has" in ended.log
    assert bool(warnings(ended.log)) is doubtful


def test_a_stream_that_stops_the_run_is_reported_once(tmp_path: Path, batch: LocalBatch) -> None:
    lines = [schema("users", {"user_id": STRING}), record("users", user_id=None), state({"seen": 1})]
    ended = run(tmp_path, batch.url, lines)
    assert ended.code == 1
    assert ended.log.count("Stream 'users'") == 1
    assert "`max_rejected_share`" in ended.log
    assert "`target-batch rejects`" in ended.log


@pytest.mark.parametrize("bad", [0, 1])
def test_a_dry_run_never_says_delivered(tmp_path: Path, batch: LocalBatch, bad: int) -> None:
    """This holds for its whole log, even if records would be rejected."""
    lines = [*users(1, 3), *(record("users", user_id=None) for _ in range(bad)), state({"seen": 3})]
    ended = run(tmp_path, batch.url, lines, dry_run=True)
    assert ended.code == 0
    assert not re.search("delivered|Checkpoint", ended.log)
    assert "3 would be sent" in ended.log


def json_lines(folder: Path, url: str, lines: list[str], **settings: Any) -> list[dict[str, Any]]:
    """Run the target with the logging configuration of the examples and return its log, parsed."""
    config = config_file(folder, url, **settings)
    ended = finished(config, lines, env={"SINGER_SDK_LOG_CONFIG": str(JSON_LOGS)})
    assert ended.code in {0, 1}
    return [json.loads(line) for line in ended.log.splitlines()]


def test_the_last_line_of_a_json_log_has_the_counts_as_fields(tmp_path: Path, batch: LocalBatch) -> None:
    lines = [*users(1, 3), record("users", user_id=None), state({"seen": 4})]
    *_, last = json_lines(tmp_path, batch.url, lines)
    assert last["level"] == "info"
    assert last["message"].startswith("Totals: users: 4 read, 3 delivered")
    assert last["extra"]["exit"] == 0
    counts = last["extra"]["streams"]["users"]
    assert (counts["read"], counts["delivered"], counts["rejected"]) == (4, 3, 1)
    assert counts["reasons"] == {"missing_custom_id": 1}
    assert last["extra"]["requests"] == batch.summary()["requests"]["total"]


def test_a_json_log_of_a_run_that_stopped_ends_with_its_cause(tmp_path: Path, batch: LocalBatch) -> None:
    *_, last = json_lines(tmp_path, batch.url, [*users(1, 2), "not JSON"])
    assert last["extra"]["exit"] == 1
    assert last["extra"]["cause"].startswith("Line 4 ")


def test_the_counts_are_also_logged_as_metrics_of_the_sdk(tmp_path: Path, batch: LocalBatch) -> None:
    """Any tool for Singer's metrics can read them."""
    found = json_lines(tmp_path, batch.url, users(1, 3))
    points = [line["metric_info"] for line in found if line["message"] == "METRIC"]
    by_name = {point["metric"]: point for point in points}
    assert by_name["record_count"]["value"] == 3
    assert by_name["record_count"]["tags"]["stream"] == "users"
    assert by_name["job_duration"]["tags"]["status"] == "succeeded"
    assert by_name["http_request_count"]["value"] == batch.summary()["requests"]["total"]


def test_a_huge_stream_name_fills_neither_log_nor_metrics(tmp_path: Path, batch: LocalBatch) -> None:
    stream = "x" * 1_000_000 + "_users"
    lines = [schema(stream, {"user_id": STRING}), record(stream, user_id="u1")]
    path = tmp_path / "m.prom"
    found = json_lines(tmp_path, batch.url, lines, metrics_path=str(path))
    assert max(len(json.dumps(line)) for line in found) < 5_000
    assert path.stat().st_size < 20_000


@pytest.mark.parametrize(
    "content", ["[", "- 1\n", "version: 1\nformatters: {x: {(): no.such.Thing}}\n", "version: 7\n"]
)
def test_an_invalid_logging_configuration_is_reported(
    tmp_path: Path, batch: LocalBatch, content: str
) -> None:
    """The target names the variable and ends with 2, without a traceback."""
    path = tmp_path / "logging.yml"
    path.write_text(content)
    config = config_file(tmp_path, batch.url)
    ended = finished(config, users(1, 1), env={"SINGER_SDK_LOG_CONFIG": str(path)})
    assert ended.code == 2
    assert "SINGER_SDK_LOG_CONFIG" in ended.log
    assert "Traceback" not in ended.log
    assert batch.summary()["requests"]["total"] == 0
