"""Rejects are a Singer file that is on disk before the state passes; a replay delivers what was refused."""

from __future__ import annotations

import json
import re
import resource
import shutil
import stat
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from feeding import arrived, wait_until
from singer import DATE_TIME, INTEGER, STRING, record, schema, state, users
from target_process import (
    KEY,
    Ended,
    config_file,
    encoded,
    ended,
    environment,
    finished,
    run,
    run_quickly,
    start,
)

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

PROPERTIES = {"user_id": STRING, "seat": INTEGER, "city": STRING, "born": DATE_TIME}
MARKS = {"code", "property", "attribute", "message", "line", "at"}


def replay(folder: Path, url: str, file: Path, **settings: Any) -> Ended:
    """Run the target over a rejects file, as a user would after the cause is fixed."""
    folder.mkdir()
    return finished(config_file(folder, url, **settings), b"", "--input", str(file))


def messages(path: Path) -> list[dict[str, Any]]:
    """Read a Singer file."""
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def three_people(**second: Any) -> list[str]:
    """Make a stream of three people with the given values in the second one, and a state."""
    people = [{"user_id": f"u{n}", "seat": n, "city": f"City {n}"} for n in (1, 2, 3)]
    people[1].update(second)
    return [schema("users", PROPERTIES), *(record("users", **row) for row in people), state({"seen": 3})]


def test_a_record_without_an_id_is_rejected_whole(tmp_path: Path, batch: LocalBatch) -> None:
    """The run goes on, the state passes, and the file holds the whole record with its mark."""
    ended = run(tmp_path, batch.url, three_people(user_id=None))
    assert ended.code == 0
    assert ended.emitted == ['{"seen": 3}']
    assert [line["custom_id"] for line in batch.journal()] == ["u1", "u3"]
    (file,) = ended.reject_files()
    assert file.name.endswith("-users.singer.jsonl")
    first, second = messages(file)
    assert (first["type"], first["stream"]) == ("SCHEMA", "users")
    assert set(PROPERTIES) < set(first["schema"]["properties"])
    (mark,) = second["record"].pop("_batch_reject")
    assert second == {
        "type": "RECORD",
        "stream": "users",
        "record": {"user_id": None, "seat": 2, "city": "City 2"},
    }
    assert set(mark) == MARKS
    assert (mark["code"], mark["line"]) == ("missing_custom_id", 3)
    assert datetime.fromisoformat(mark["at"].replace("Z", "+00:00")).tzinfo is not None
    totals = ended.totals("users")
    assert (totals["delivered"], totals["rejected"], totals["reasons"]) == (2, 1, {"missing_custom_id": 1})


def test_a_bad_attribute_never_rejects_the_record(tmp_path: Path, batch: LocalBatch) -> None:
    """The rest is sent; the file holds only the ID and that property, so a replay overwrites nothing."""
    ended = run(tmp_path, batch.url, three_people(city="x" * 301, born="yesterday"))
    assert ended.code == 0
    assert batch.attributes("u2") == {"seat": 2}
    (row,) = ended.rejects()
    marks = row.pop("_batch_reject")
    assert row == {"user_id": "u2", "city": "x" * 301, "born": "yesterday"}
    assert sorted(mark["property"] for mark in marks) == ["born", "city"]
    totals = ended.totals("users")
    assert (totals["delivered"], totals["rejected"]) == (3, 0)
    assert sum(totals["reasons"].values()) == 2


def test_the_corrected_file_delivers_exactly_what_was_refused(tmp_path: Path, batch: LocalBatch) -> None:
    """A user corrects the values in the file and loads it."""
    lines = three_people(city="x" * 301)
    lines[2:2] = [record("users", user_id="\n", seat=7, city="Nowhere")]
    first = run(tmp_path, batch.url, lines)
    assert (first.code, sorted(first.codes())) == (0, ["missing_custom_id", "value_too_long"])
    (file,) = first.reject_files()
    corrected = tmp_path / "corrected.jsonl"
    text = file.read_text().replace("x" * 301, "Lyon")
    rows = [json.loads(line) for line in text.split("\n") if line]
    for row in rows:
        if row["type"] == "RECORD" and not str(row["record"]["user_id"]).strip():
            row["record"]["user_id"] = "u7"
    corrected.write_text("".join(json.dumps(row) + "\n" for row in rows))
    batch.reset()
    second = replay(tmp_path / "again", batch.url, corrected)
    assert second.code == 0
    held = {line["custom_id"]: line["attributes"] for line in batch.journal()}
    assert held == {"u7": {"seat": 7, "city": "Nowhere"}, "u2": {"city": "Lyon"}}
    assert second.rejects() == []


def test_a_replay_sends_exactly_what_batch_refused(tmp_path: Path, batch: LocalBatch) -> None:
    """Whole entries and single attributes that Batch refused are sent again, and nothing else."""
    errors = [
        {"category": "c", "bulk_index": 0, "reason": "this entry"},
        {"category": "c", "bulk_index": 2, "reason": "this attribute", "attribute": "city"},
    ]
    batch.fault({"partial_errors": errors})
    first = run(tmp_path, batch.url, three_people())
    assert first.code == 0
    assert [line["custom_id"] for line in batch.journal()] == ["u2", "u3"]
    totals = first.totals("users")
    assert (totals["delivered"], totals["rejected"]) == (2, 1)
    assert first.codes() == ["refused_by_batch", "refused_by_batch"]
    (file,) = first.reject_files()
    batch.reset()
    second = replay(tmp_path / "again", batch.url, file)
    assert second.code == 0
    held = {line["custom_id"]: line["attributes"] for line in batch.journal()}
    assert held == {"u1": {"seat": 1, "city": "City 1"}, "u3": {"city": "City 3"}}


def test_an_event_rejected_as_late_is_replayed_by_a_setting(tmp_path: Path, batch: LocalBatch) -> None:
    """With `late_events: now` the event is sent, once, without its time."""
    long_ago = (datetime.now(timezone.utc) - timedelta(days=3)).isoformat()
    properties = {"user_id": STRING, "event": STRING, "time": DATE_TIME, "seat": INTEGER}
    lines = [
        schema("events", properties),
        record("events", user_id="u1", event="bought", time=long_ago, seat=1),
    ]
    first = run(tmp_path, batch.url, lines)
    assert first.codes() == ["event_outside_window"]
    assert batch.journal() == []
    second = replay(tmp_path / "again", batch.url, first.reject_files()[0], late_events="now")
    assert second.code == 0
    (line,) = batch.journal()
    assert [(event["name"], "time" in event) for event in line["events"]] == [("bought", False)]


def test_an_event_that_went_without_an_attribute_is_not_sent_again(tmp_path: Path, batch: LocalBatch) -> None:
    """Its mark says `replay: false`, and the replay skips and counts it."""
    properties = {"user_id": STRING, "event": STRING, "seat": INTEGER, "note": STRING}
    lines = [
        schema("events", properties),
        record("events", user_id="u1", event="bought", seat=1, note="x" * 301),
    ]
    first = run(tmp_path, batch.url, lines, late_events="now")
    (row,) = first.rejects()
    assert [mark.get("replay") for mark in row["_batch_reject"]] == [False]
    assert len(batch.journal()) == 1
    batch.reset()
    second = replay(tmp_path / "again", batch.url, first.reject_files()[0], late_events="now")
    assert second.code == 0
    assert batch.journal() == []
    totals = second.totals("events")
    assert (totals["read"], totals["ignored"]) == (1, 1)


EVENTS = schema("events", {"user_id": STRING, "event": STRING, "coupon": STRING, "delivery": DATE_TIME})
AMBIGUOUS: dict[str, tuple[str, list[str], dict[str, int]]] = {
    "a cohort's attribute and an event": (
        "churned",
        [
            schema("members", {"user_id": STRING, "cohort": STRING}),
            record("members", user_id="u1", cohort="churned"),
            EVENTS,
            record("events", user_id="u1", event="churned"),
        ],
        {"members": 1, "events": 1},
    ),
    "an event and an attribute of another one": (
        "coupon",
        [
            EVENTS,
            record("events", user_id="u1", event="coupon"),
            record("events", user_id="u1", event="purchase", coupon="X1"),
        ],
        {"events": 2},
    ),
    "an attribute of the profile and one of an event, as they were sent": (
        "date(delivery)",
        [
            schema("users", {"user_id": STRING, "delivery": DATE_TIME}),
            record("users", user_id="u1", delivery="2026-01-02T03:04:05Z"),
            EVENTS,
            record("events", user_id="u1", event="purchase", delivery="2026-01-02T03:04:05Z"),
        ],
        {"users": 0, "events": 1},
    ),
}


@pytest.mark.parametrize(("name", "lines", "rejected"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_an_event_that_an_ambiguous_refusal_may_mean_is_rejected_and_not_replayed(
    tmp_path: Path, batch: LocalBatch, name: str, lines: list[str], rejected: dict[str, int]
) -> None:
    """Everything that the name may mean is rejected; an event may have been applied, so no replay sends it.

    The ledger counts such an event neither as accepted nor as one that never reached Batch.
    """
    fault = {"category": "c", "bulk_index": 0, "reason": "no", "attribute": name}
    batch.fault({"partial_errors": [fault]}, "*/profiles/*", times=1)
    members = {"kind": "audiences", "as_attribute": True}
    settings = {
        "streams": {"members": members},
        "late_events": "now",
        "max_rejected_share": 1,
        "skip_unchanged": True,
    }
    found = run(tmp_path, batch.url, lines, **settings)
    assert found.code == 0, found.log
    assert {stream: found.totals(stream)["rejected"] for stream in rejected} == rejected
    marks = [mark for row in found.rejects() for mark in row["_batch_reject"]]
    assert marks
    assert {mark.get("replay") for mark in marks} == {False}
    again = run(tmp_path, batch.url, lines, **settings)
    assert again.totals("events")["unchanged"] == 0
    assert again.run["possibly_twice"] == rejected["events"]


def test_merged_events_that_batch_refuses_together_are_not_sent_again(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """Some of them may have been applied, so all are rejected with `replay: false`."""
    properties = {"user_id": STRING, "event": STRING, "seat": INTEGER}
    rows = [record("events", user_id="u1", event="bought", seat=n) for n in (1, 2, 3)]
    batch.fault({"partial_errors": [{"category": "c", "bulk_index": 0, "reason": "no"}]})
    ended = run(
        tmp_path, batch.url, [schema("events", properties), *rows], late_events="now", max_rejected_share=1
    )
    assert ended.code == 0
    marks = [mark for row in ended.rejects() for mark in row["_batch_reject"]]
    assert [mark.get("replay") for mark in marks] == [False, False, False]
    assert ended.totals("events")["rejected"] == 3


def test_merged_records_that_batch_refuses_together_are_replayed_together(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """Attributes can be sent again: every record of the entry is in the file, in order, without `replay`."""
    rows = [record("users", user_id="u1", seat=n, city=f"City {n}") for n in (1, 2, 3)]
    batch.fault({"partial_errors": [{"category": "c", "bulk_index": 0, "reason": "no"}]})
    first = run(tmp_path, batch.url, [schema("users", PROPERTIES), *rows, record("users", user_id="u2")])
    assert (first.code, first.totals("users")["rejected"]) == (0, 3)
    assert [row["seat"] for row in first.rejects()] == [1, 2, 3]
    assert all("replay" not in mark for row in first.rejects() for mark in row["_batch_reject"])
    batch.reset()
    second = replay(tmp_path / "again", batch.url, first.reject_files()[0])
    assert second.code == 0
    assert batch.attributes("u1") == {"seat": 3, "city": "City 3"}


TWO_OF_ONE = {
    "traits of messages": (
        {"kind": "segment"},
        {"type": "identify", "timestamp": "2026-01-01T10:00:00Z", "traits": {"price": 1}},
        {"type": "identify", "timestamp": "2026-01-01T10:00:00Z", "traits": {"q": 1}},
        "price",
        1,
    ),
    "inside one object": (
        {"kind": "profiles", "attributes": {"address.city": "city"}},
        {"address": {"city": "Lyon"}},
        {"address": {"zip": "1"}, "seat": 2},
        "city",
        "Lyon",
    ),
    "a null of a consent": (
        {"kind": "profiles"},
        {"email_marketing": True},
        {"email_marketing": None, "seat": 2},
        "$email_marketing",
        "subscribed",
    ),
    "a null that is not sent": ({"kind": "profiles"}, {"seat": 5}, {"seat": None, "city": "x"}, "seat", 5),
    "the second of two properties": (
        {"kind": "profiles", "attributes": {"city": "$region", "area": "$region"}},
        {"city": None, "area": "FR"},
        {"seat": 2},
        "$region",
        "FR",
    ),
}


@pytest.mark.parametrize(
    ("options", "setter", "other", "attribute", "value"), TWO_OF_ONE.values(), ids=TWO_OF_ONE
)
def test_of_merged_records_the_one_that_set_the_refused_attribute_is_replayed(
    tmp_path: Path,
    batch: LocalBatch,
    options: dict[str, Any],
    setter: dict[str, Any],
    other: dict[str, Any],
    attribute: str,
    value: Any,
) -> None:
    """A record that merely has such a property is not replayed instead, since the value would be lost."""
    rows = [{"userId": "u1", **setter}, {"userId": "u1", **other}]
    properties: dict[str, Any] = {name: {} for row in rows for name in row}
    options = {"custom_id": "userId", **options}
    settings = {"streams": {"people": options}, "nulls": "skip"}
    refusal = {"category": "c", "bulk_index": 0, "reason": "no", "attribute": attribute}
    batch.fault({"partial_errors": [refusal]})
    given = [schema("people", properties), *(record("people", **row) for row in rows)]
    first = run(tmp_path, batch.url, given, **settings)
    totals = first.totals("people")
    assert (first.code, totals["delivered"], totals["rejected"]) == (0, 2, 0)
    assert [mark["line"] for row in first.rejects() for mark in row["_batch_reject"]] == [2]
    batch.reset()
    second = replay(tmp_path / "again", batch.url, first.reject_files()[0], **settings)
    assert second.code == 0
    assert batch.attributes("u1") == {attribute: value}


def test_a_torn_last_line_of_a_rejects_file_is_tolerated(tmp_path: Path, batch: LocalBatch) -> None:
    """A crash may tear the file's end: everything before is replayed, and a warning says so."""
    first = run(tmp_path, batch.url, three_people(user_id=None))
    torn = tmp_path / "torn.jsonl"
    text = re.sub(r'"user_id": ?null', '"user_id":"u2"', first.reject_files()[0].read_text())
    torn.write_text(text + '{"type":"RECORD","stream":"us')
    batch.reset()
    second = replay(tmp_path / "again", batch.url, torn)
    assert second.code == 0
    assert [line["custom_id"] for line in batch.journal()] == ["u2"]
    assert "WARNING" in second.log


def test_files_and_folders_are_for_their_owner_only(tmp_path: Path, batch: LocalBatch) -> None:
    """Folders are 0700 and files 0600 under any umask, and none of them holds the key."""
    config = config_file(tmp_path, batch.url)
    result = ended(start(config, umask=0), config, encoded(three_people(user_id=None)))
    assert result.code == 0
    paths = [result.work, *result.work.rglob("*")]
    assert len(paths) >= 4
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
        assert path.is_dir() or KEY not in path.read_text()


def test_links_planted_in_the_work_folder_are_not_followed(tmp_path: Path, batch: LocalBatch) -> None:
    """A run log that is a link to somebody's file is left alone."""
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / "work").mkdir(mode=0o700)
    (tmp_path / "work" / "runs.jsonl").symlink_to(victim)
    result = run(tmp_path, batch.url, users(1, 2, every=1))
    assert victim.read_text() == "untouched"
    assert "Traceback" not in result.log


def test_rejects_are_on_disk_before_the_state_passes(tmp_path: Path, batch: LocalBatch) -> None:
    """The order of system calls: fsync of the rejects file, then the state on standard output."""
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "true"], check=False, capture_output=True).returncode:
        pytest.skip("strace is needed to see the order of system calls")
    trace = tmp_path / "trace"
    before = [strace, "-f", "-y", "-e", "trace=fsync,fdatasync,write", "-o", str(trace)]
    config = config_file(tmp_path, batch.url)
    result = ended(start(config, before=before), config, encoded(three_people(user_id=None)))
    assert result.code == 0
    calls = trace.read_text().splitlines()
    synced = [n for n, call in enumerate(calls) if "sync(" in call and ".singer.jsonl" in call]
    passed = [n for n, call in enumerate(calls) if "write(1<" in call and "seen" in call]
    written = [n for n, call in enumerate(calls) if "write(" in call and ".singer.jsonl" in call]
    assert len(passed) == 1
    assert synced
    assert max(written) < min(synced) < passed[0]


def test_a_full_disk_stops_the_run_without_a_state(tmp_path: Path, batch: LocalBatch) -> None:
    """A reject that cannot be written stops the run with 1, the name of the setting, and no state."""
    rows = [record("users", user_id=None, seat=n, city=f"City {n}") for n in range(200)]
    lines = [schema("users", PROPERTIES), *rows, state({"seen": 200})]
    config = config_file(tmp_path, batch.url)
    process = start(config)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
    result = ended(process, config, encoded(lines))
    assert result.code == 1
    assert result.states == []
    assert result.log.count("work_path") == 1
    assert "Traceback" not in result.log
    assert "Totals: users: " in result.log


def test_a_work_folder_that_cannot_be_made_stops_the_run(tmp_path: Path, batch: LocalBatch) -> None:
    """A file is in the way of the rejects folder: no state may pass while a reject is not on disk."""
    (tmp_path / "work").mkdir(mode=0o700)
    (tmp_path / "work" / "rejects").write_text("in the way")
    ended = run(tmp_path, batch.url, three_people(user_id=None))
    assert ended.code in {1, 2}
    assert ended.states == []
    assert "work_path" in ended.log
    assert "Traceback" not in ended.log


def test_a_refusal_that_cannot_be_written_ends_the_run_despite_waiting_records(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """Another record of the same person waits for that answer; the run still ends, without a state."""
    (tmp_path / "work").mkdir(mode=0o700)
    (tmp_path / "work" / "rejects").write_text("in the way")
    refusal = {"partial_errors": [{"category": "c", "bulk_index": 0, "reason": "no"}]}
    batch.fault({"delay": {"seconds": 0.5, "then": refusal}}, nth=[1])
    config = config_file(tmp_path, batch.url, checkpoint_seconds=0.1)
    process = start(config)
    assert process.stdin is not None
    process.stdin.write(encoded(users(1, 1)))
    process.stdin.flush()
    wait_until(arrived(batch), process)
    begun = time.monotonic()
    result = ended(process, config, encoded([*users(1, 1)[1:], state({"seen": 2})]))
    assert time.monotonic() - begun < 8
    assert (result.code, result.states) == (1, [])
    assert result.log.count("`work_path`") == 1
    assert (result.totals("users")["read"], result.totals("users")["delivered"]) == (2, 0)


def test_the_printed_command_replays_rejects_behind_a_url(tmp_path: Path, batch: LocalBatch) -> None:
    """The log and `target-batch rejects` name the whole URL, and `--input` reads it."""
    work = f"local://{tmp_path}/remote"
    lines = [schema("users", {"user_id": STRING, "seat": INTEGER}), record("users", user_id="u1", seat="x")]
    found = run(tmp_path, batch.url, lines, work_path=work)
    printed = run_program("rejects", "--config", str(config_file(tmp_path, batch.url, work_path=work)))
    (file,) = re.findall(r"--input (\S+)", printed.stdout)
    assert f"Rejected records: {file}" in found.log
    again = run_program("--config", str(config_file(tmp_path, batch.url, work_path=work)), "--input", file)
    assert again.returncode == 0, again.stderr
    assert "users: 1 read" in again.stderr


@pytest.mark.parametrize("url", ["local:///none/a.jsonl", "nowhere://bucket/a.jsonl"])
def test_an_input_behind_a_url_that_cannot_be_opened_is_an_invalid_value(
    tmp_path: Path, batch: LocalBatch, url: str
) -> None:
    found = run_program("--config", str(config_file(tmp_path, batch.url)), "--input", url)
    assert found.returncode == 2
    assert "Invalid value for '--input'" in found.stderr
    assert "Traceback" not in found.stderr


def run_program(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Call the program with these arguments."""
    command = [sys.executable, "-m", "target_batch", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment())


MEMBERS = schema("cohort_members", {"user_id": STRING, "city": STRING, "n": INTEGER, "removed_at": DATE_TIME})


@pytest.mark.parametrize(
    "lines",
    [
        [{"user_id": "u1", "n": "no number"}, {"user_id": "u1", "removed_at": "2026-01-01T00:00:00Z"}],
        [{"user_id": "u1", "city": "x\ud800"}, {"user_id": "u1", "removed_at": "2026-01-01T00:00:00Z"}],
        [{"user_id": "u1", "city": "x\ud800", "removed_at": "2026-01-01T00:00:00Z"}],
    ],
    ids=["added without an attribute, then removed", "the same with odd text", "removed by an odd row"],
)
def test_a_member_who_was_removed_is_not_added_again_by_a_replay(
    tmp_path: Path, batch: LocalBatch, lines: list[dict[str, Any]]
) -> None:
    """What a row went without is written to the rejects, but must not undo what came after it."""
    sent = {"attributes": {"city": "city", "n": "n"}, "audience": "vip", "deleted_at": "removed_at"}
    options = {"streams": {"cohort_members": sent}}
    before = [MEMBERS, record("cohort_members", user_id="u2")]
    rows = [MEMBERS, *(record("cohort_members", **row) for row in lines)]
    for given in (before, rows):
        ended = run_quickly(tmp_path, batch.url, given, **options)
        assert ended.code == 0, ended.log
    assert batch.audience("vip") == {"u2"}
    assert len(ended.rejects()) == 1
    again = ended.reject_files()[0].read_text().splitlines()
    (tmp_path / "again").mkdir()
    assert run_quickly(tmp_path / "again", batch.url, again, **options).code == 0
    assert batch.audience("vip") == {"u2"}


def test_an_ignored_record_leaves_nothing_in_the_rejects(tmp_path: Path, batch: LocalBatch) -> None:
    """A replay of what a deleted row went without would create the person again."""
    properties = {**PROPERTIES, "_sdc_deleted_at": DATE_TIME}
    row = {"user_id": "u1", "city": "x\ud800", "_sdc_deleted_at": "2026-01-01T00:00:00Z"}
    ended = run(tmp_path, batch.url, [schema("users", properties), record("users", **row)])
    assert (ended.code, ended.rejects(), batch.journal()) == (0, [], [])
    assert ended.totals("users")["ignored"] == 1


def test_the_metadata_of_taps_keeps_its_type(tmp_path: Path, batch: LocalBatch) -> None:
    """The SDK removes these properties from a sink's SCHEMA; here a setting may name them."""
    properties = {"user_id": STRING, "event": STRING, "n": STRING, "_sdc_extracted_at": DATE_TIME}
    now = datetime.now(timezone.utc).isoformat()
    lines = [
        schema("users", properties),
        record("users", user_id="u1", _sdc_extracted_at="2026-01-01T00:00:00+01:00"),
        schema("events", properties),
        record("events", user_id=None, event="seen", _sdc_extracted_at=now),
    ]
    streams = {
        "users": {"attributes": {"_sdc_extracted_at": "extracted_at"}},
        "events": {"time": "_sdc_extracted_at"},
    }
    ended = run(tmp_path, batch.url, lines, streams=streams, max_rejected_share=1)
    assert ended.code == 0, ended.log
    assert "does not have" not in ended.log
    (line,) = batch.journal()
    assert line["attributes"] == {"date(extracted_at)": "2025-12-31T23:00:00Z"}
    again = replay(
        tmp_path / "again", batch.url, ended.reject_files()[0], streams=streams, max_rejected_share=1
    )
    assert again.code == 0, again.log
    assert again.codes() == ["missing_custom_id"]


def test_a_run_stops_when_a_stream_map_fails_on_every_record(tmp_path: Path, batch: LocalBatch) -> None:
    """`max_rejected_share` counts such records like all others."""
    rows = [record("users", user_id=f"u{n}", seat=n) for n in range(1500)]
    maps = {"stream_maps": {"users": {"city": "city.upper()"}}}
    ended = run(tmp_path, batch.url, [schema("users", PROPERTIES), *rows], **maps)
    assert ended.code != 0
    assert ended.totals("users")["read"] == 1000
    assert "`max_rejected_share`" in ended.log


def test_a_schema_that_is_repeated_without_keys_changes_nothing(tmp_path: Path, batch: LocalBatch) -> None:
    head = json.dumps({"type": "SCHEMA", "stream": "users", "schema": {"properties": PROPERTIES}})
    row = record("users", user_id="u1", seat=1, city="x" * 301)
    ended = run(tmp_path, batch.url, [head, row, head, row])
    assert (ended.code, batch.attributes("u1")) == (0, {"seat": 1}), ended.log
    assert "have changed" not in ended.log
    kinds = [message["type"] for message in messages(ended.reject_files()[0])]
    assert kinds == ["SCHEMA", "RECORD", "RECORD"]
