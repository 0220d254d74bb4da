"""Mistyped settings and streams as real taps write them: no default is dangerous."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from singer import BOOLEAN, DATE_TIME, STRING, record, schema, state, users
from target_process import config_file, finished, run, run_quickly, start_warm

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

PERSON = {"user_id": STRING, "p": STRING}
MEMBER = {"user_id": STRING, "cohort": STRING, "action": STRING}


def ago(seconds: float) -> str:
    """Return a time so many seconds before now."""
    return datetime.fromtimestamp(time.time() - seconds, timezone.utc).isoformat()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"replay": {"start": "2024-03-01T00:00:00Z", "end": "2024-02-01T00:00:00Z"}},
            "`replay.start` is not before",
        ),
        ({"replay": {"start": "2024-03-01", "end": "2024-03-01"}}, "`replay.start` is not before"),
        ({"replay": {"start": "2024-03-01T01:00:00+02:00", "end": "2024-02-29T23:00:00Z"}}, "is not before"),
        ({"replay": {"end": "2024-02-30"}}, "`replay.end` is not a date"),
        ({"flattening_enabled": True}, "`flattening_max_depth` is missing"),
        ({"stream_maps": ""}, "`stream_maps` is wrong"),
        ({"stream_maps": []}, "`stream_maps` is wrong"),
        ({"stream_maps": {"users": 5}}, "`stream_maps` is wrong"),
        ({"faker_config": {"seed": 1}}, "`faker_config` needs a package"),
        ({"custom_id": "uid"}, "`custom_id` names the property `uid`"),
        ({"custom_id": "p.uid"}, "`custom_id` names the property `p.uid`"),
        ({"custom_id": "USER_ID"}, "It has: `user_id`, `p`."),
    ],
)
def test_an_invalid_setting_stops_the_run_before_a_request(
    tmp_path: Path, batch: LocalBatch, settings: dict[str, Any], message: str
) -> None:
    if "faker_config" in settings and find_spec("faker"):
        pytest.skip("faker is there")
    lines = [schema("users", PERSON), record("users", user_id="u1", p="x"), state({"seen": 1})]
    ended = run(tmp_path, batch.url, lines, **settings)
    assert (ended.code, ended.states) == (2, []), ended.log
    assert message in ended.log
    assert "Traceback" not in ended.log
    assert "Internal error" not in ended.log
    assert batch.journal() == []


@pytest.mark.parametrize("settings", [{"stream_maps": None}, {"stream_maps": {}}, {"faker_config": {}}])
def test_an_empty_setting_counts_as_not_set(
    tmp_path: Path, batch: LocalBatch, settings: dict[str, Any]
) -> None:
    config = config_file(tmp_path, batch.url)
    config.write_text(json.dumps({**json.loads(config.read_text()), **settings}))
    assert finished(config, users(1, 1)).code == 0
    assert len(batch.journal()) == 1


@pytest.mark.parametrize("count", [3_000, 3])
@pytest.mark.parametrize("empty", ["", None, "  "])
def test_a_stream_without_any_custom_id_stops_the_run(
    tmp_path: Path, batch: LocalBatch, count: int, empty: Any
) -> None:
    """Many such records stop it in the middle, a few at the end, and no state passes."""
    lines = [schema("users", PERSON), *[record("users", user_id=empty, p="x")] * count, state({"end": 1})]
    ended = run(tmp_path, batch.url, lines)
    assert (ended.code, ended.states) == (1, [])
    assert "custom_id" in ended.log
    assert 3 <= len(ended.rejects()) <= 3_000


def test_a_missing_state_file_does_not_mean_a_start_from_the_beginning(
    tmp_path: Path, batch: LocalBatch
) -> None:
    rows = tmp_path / "users.jsonl"
    rows.write_text('{"user_id": "u1"}\n')
    config = config_file(tmp_path, batch.url)
    process = start_warm(config, "--stream", "users", "--state", "nowhere", str(rows), command=["replay"])
    log = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 2
    assert "nowhere: the file does not exist" in log
    assert batch.journal() == []


def members(batch: LocalBatch, folder: Path) -> None:
    """Add u1 and u2 to the audience `vip`."""
    folder.mkdir()
    lines = [schema("cohort_members", MEMBER)]
    lines += [record("cohort_members", user_id=who, cohort="vip", action="add") for who in ("u1", "u2")]
    assert run_quickly(folder, batch.url, lines).code == 0


@pytest.mark.parametrize(
    ("properties", "row", "options"),
    [
        (
            {"n": {"type": "string"}, "_sdc_deleted_at": DATE_TIME},
            {"_sdc_deleted_at": "2026-01-01T00:00:00Z"},
            {},
        ),
        (
            {"n": {"type": "integer"}, "_SDC_DELETED_AT": STRING},
            {"n": "wrong", "_SDC_DELETED_AT": "2026-01-01"},
            {},
        ),
        ({"_sdc_lsn_deleted_at": DATE_TIME}, {"_sdc_lsn_deleted_at": "2026-01-01"}, {}),
        ({"_ab_cdc_deleted_at": DATE_TIME}, {"_ab_cdc_deleted_at": "2026-01-01"}, {}),
        ({"_fivetran_deleted": BOOLEAN}, {"_fivetran_deleted": True}, {}),
        ({"gone": DATE_TIME, "n": {"type": "string"}}, {"gone": "2026-01-01"}, {"deleted_at": "gone"}),
        (
            {"action": STRING, "_sdc_deleted_at": DATE_TIME},
            {"action": "add", "_sdc_deleted_at": "2026-01-01"},
            {},
        ),
        ({"Action": STRING}, {"Action": "REMOVED"}, {}),
        ({"STATUS": STRING}, {"STATUS": "inactive"}, {}),
    ],
)
def test_a_member_deleted_at_the_source_leaves_the_audience(
    tmp_path: Path, batch: LocalBatch, properties: Any, row: Any, options: Any
) -> None:
    """The key and the mark of any tool are enough, even if the SCHEMA requires more."""
    members(batch, tmp_path / "before")
    head = schema("cohort_members", {"user_id": STRING, **properties}, ["user_id"]).replace(
        '"type": "object"', '"type": "object", "required": ["user_id", "n"]'
    )
    settings = {"streams": {"cohort_members": {"audience": "vip", **options}}}
    lines = [head, record("cohort_members", user_id="u1", **row)]
    ended = run_quickly(tmp_path, batch.url, lines, **settings)
    assert (ended.code, ended.rejects()) == (0, []), ended.log
    assert batch.audience("vip") == {"u2"}


@pytest.mark.parametrize("empty", ["", None, False, 0, "false"])
def test_an_empty_deletion_mark_removes_no_member(tmp_path: Path, batch: LocalBatch, empty: Any) -> None:
    members(batch, tmp_path / "before")
    head = schema("cohort_members", {"user_id": STRING, "cohort": STRING, "_sdc_deleted_at": {}})
    row = {"user_id": "u3", "cohort": "vip", "_sdc_deleted_at": empty}
    assert run_quickly(tmp_path, batch.url, [head, record("cohort_members", **row)]).code == 0
    assert batch.audience("vip") == {"u1", "u2", "u3"}


@pytest.mark.parametrize(
    "mark", ["_sdc_lsn_deleted_at", "_ab_cdc_deleted_at", "_fivetran_deleted", "_SDC_DELETED_AT"]
)
def test_the_nulls_of_a_deleted_row_do_not_empty_a_profile(
    tmp_path: Path, batch: LocalBatch, mark: str
) -> None:
    lines = [schema("users", {**PERSON, mark: {}}), record("users", user_id="u1", p="x")]
    lines.append(
        record("users", user_id="u1", p=None, **{mark: True if mark.startswith("_five") else "2026-01-01"})
    )
    ended = run(tmp_path, batch.url, lines)
    assert ended.code == 0
    assert batch.attributes("u1") == {"p": "x"}
    assert ended.totals("users")["ignored"] == 1


@pytest.mark.parametrize(
    "name", ["ts", "createdAt", "event_ts", "date", "Occurred At", "TIMESTAMP", "eventDate", "happened_at"]
)
def test_an_event_keeps_its_time_or_the_stream_stops(tmp_path: Path, batch: LocalBatch, name: str) -> None:
    """Without its time an event would be dated now, which only `late_events: now` allows."""
    lines = [schema("events", {"user_id": STRING, "event": STRING, name: DATE_TIME})]
    lines.append(record("events", user_id="u1", event="e", **{name: ago(120)}))
    ended = run(tmp_path, batch.url, lines)
    if ended.code == 0:
        (event,) = batch.profile("u1")["events"]
        assert "time" in event
    else:
        assert ended.code == 2
        assert "`streams.events.time`" in ended.log
        assert batch.journal() == []
        assert run(tmp_path, batch.url, lines, late_events="now").code == 0


@pytest.mark.parametrize(
    ("seconds", "sent"), [(-3, True), (-8, True), (60, True), (-3_600, False), (90_000, False)]
)
def test_a_small_difference_of_clocks_loses_no_event(
    tmp_path: Path, batch: LocalBatch, seconds: int, *, sent: bool
) -> None:
    lines = [schema("events", {"user_id": STRING, "event": STRING, "time": DATE_TIME})]
    lines += [record("events", user_id="u1", event="e", time=ago(seconds))]
    ended = run(tmp_path, batch.url, [*lines, record("events", user_id="u2", event="e", time=ago(60))])
    assert ended.code == 0
    assert [line["custom_id"] for line in batch.journal()] == (["u1", "u2"] if sent else ["u2"])
    assert ended.codes() == ([] if sent else ["event_outside_window"])


@pytest.mark.parametrize("empty", ["{}", "{ }", "{\t}", "null"])
def test_an_empty_state_does_not_replace_a_full_one(tmp_path: Path, batch: LocalBatch, empty: str) -> None:
    lines = [*users(1, 2, every=2), f'{{"type": "STATE", "value": {empty}}}']
    ended = run(tmp_path, batch.url, lines)
    assert (ended.code, ended.states) == (0, [{"seen": 2}])


@pytest.mark.parametrize("expression", ["{1, 2}", "p.encode()", "datetime.timedelta(1)", "datetime.time(1)"])
def test_an_unsupported_result_of_a_stream_map_is_rejected_alone(
    tmp_path: Path, batch: LocalBatch, expression: str
) -> None:
    """Dates are sent; a result without a form in JSON is rejected alone, and the record is sent."""
    maps = {"users": {"odd": expression, "good": "datetime.datetime(2026, 1, 2)"}}
    lines = [schema("users", PERSON), record("users", user_id="u1", p="x")]
    ended = run(tmp_path, batch.url, lines, stream_maps=maps)
    assert ended.code == 0, ended.log
    (sent,) = batch.journal()
    assert sent["attributes"] == {"p": "x", "date(good)": "2026-01-02T00:00:00Z"}
    assert ended.codes() == ["unsupported_value"]
