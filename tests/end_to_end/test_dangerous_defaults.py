"""No default messages or removes people by mistake: an ambiguous stream stops the run at its SCHEMA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer import STRING, record, schema, state, users
from target_process import run

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch


def stream(name: str, *properties: str, **values: str) -> list[str]:
    """Return a SCHEMA, one record and a state."""
    made = [schema(name, dict.fromkeys(("user_id", *properties), STRING))]
    return [*made, record(name, user_id="u9", **values), state({"seen": 9})]


@pytest.mark.parametrize(
    ("settings", "lines", "named"),
    [
        ({"custom_id": "uid"}, stream("users"), "`custom_id` names the property `uid`"),
        ({"streams": {"users": {"custom_id": "uid"}}}, stream("users", "\ufeffuid"), "`\\ufeffuid`"),
        ({}, stream("events", "event", "moment", event="a"), "`streams.events.time` to one of: `moment`"),
        ({}, stream("cohorts", "cohort", "op", cohort="c", op="D"), "`streams.cohorts.action_property`"),
        ({}, stream("cohorts", "cohort", "change_type", cohort="c"), "`change_type` may say who is removed"),
    ],
)
def test_an_ambiguous_stream_stops_the_run_and_earlier_records_are_confirmed(
    tmp_path: Path, batch: LocalBatch, settings: dict[str, Any], lines: list[str], named: str
) -> None:
    before = [] if "custom_id" in settings or "streams" in settings else [*users(1, 3), state({"seen": 3})]
    ended = run(tmp_path, batch.url, [*before, *lines], **settings)
    assert ended.code == 2, ended.log
    assert named in ended.log
    assert ended.states[-1:] == ([{"seen": 3}] if before else [])
    assert len(batch.journal()) == len(users(1, 3)[1:] if before else [])
    assert batch.get("audiences")["audiences"] == []


def test_upper_case_columns_remove_members_from_the_right_cohort(tmp_path: Path, batch: LocalBatch) -> None:
    properties = dict.fromkeys(("USER_ID", "COHORT", "ACTION"), STRING)
    lines = [schema("cohort_members", properties)]
    for who, action in (("u1", "add"), ("u2", "add"), ("u1", "remove")):
        lines.append(record("cohort_members", USER_ID=who, COHORT="vip", ACTION=action))
    ended = run(tmp_path, batch.url, [*lines, state({"seen": 3})])
    assert ended.code == 0, ended.log
    (held,) = batch.get("audiences")["audiences"]
    assert (held["name"], held["members"]) == ("vip", 1)


def test_it_is_logged_once_that_every_row_adds_a_member(tmp_path: Path, batch: LocalBatch) -> None:
    ended = run(tmp_path, batch.url, stream("cohorts", "cohort", cohort="vip"))
    assert ended.code == 0
    assert ended.log.count("every row adds its user") == 1


@pytest.mark.parametrize(
    ("custom_id", "kept", "message"),
    [
        ("user_id", ("user_id",), "which audience the person leaves"),
        ("email", ("user_id", "cohort"), "who is meant"),
    ],
)
@pytest.mark.parametrize("as_attribute", [False, True])
def test_a_deleted_row_with_only_its_key_is_rejected_and_explained_once(
    tmp_path: Path,
    batch: LocalBatch,
    custom_id: str,
    kept: tuple[str, ...],
    message: str,
    *,
    as_attribute: bool,
) -> None:
    """PostgreSQL's log has such rows: the person is not removed, and the log says how to change that."""
    properties = dict.fromkeys(("user_id", "email", "cohort", "_sdc_deleted_at"), STRING)
    whole = [{"user_id": f"u{n}", "email": f"m{n}", "cohort": "vip"} for n in range(1, 5)]
    deleted = [{**{name: row[name] for name in kept}, "_sdc_deleted_at": "2026-01-01"} for row in whole[:2]]
    lines = [schema("cohort_members", properties, ["user_id"])]
    lines += [record("cohort_members", **row) for row in (*whole, *deleted)]
    options = {"custom_id": custom_id, "as_attribute": as_attribute}
    ended = run(tmp_path, batch.url, [*lines, state({"seen": 6})], streams={"cohort_members": options})
    assert ended.code == 0, ended.log
    assert ended.log.count("a deleted row holds only its key") == 1
    assert message in ended.log
    assert "REPLICA IDENTITY FULL" in ended.log
    totals = ended.totals("cohort_members")
    assert (totals["delivered"], totals["rejected"]) == (4, 2)
    assert len(ended.rejects()) == 2
