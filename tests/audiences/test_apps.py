"""Audiences of apps: every key gets all members, and one failing key fails the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer import DATE_TIME, STRING, record, schema, state

from tests.audiences.cohorts import DONE, head, numbered, rows

if TYPE_CHECKING:
    from tests.audiences.cohorts import Loader

KEYS = ["canary-app-ios", "canary-app-android", "canary-app-web"]
UNAVAILABLE = {"status": 503, "json": {"error_code": "MAINTENANCE", "error_message": "later"}}
UNAUTHORIZED = {"status": 401, "json": {"error_code": "AUTHENTICATION_INVALID", "error_message": "no"}}
MODES = [{"mode": "update"}, {"mode": "mirror"}]


@pytest.fixture
def apps(loader: Loader) -> Loader:
    """A loader for the audience `vip` of three apps, without a project."""
    loader.settings = {"app_api_keys": KEYS, "project_key": None}
    return loader


def options(**more: Any) -> dict[str, Any]:
    """Return the options of the stream `cohort`."""
    return {"cohort": {"destination": "app", "audience": "vip", **more}}


def versions(loader: Loader) -> set[str]:
    """Return the API versions in the paths of the calls."""
    return {request["path"].split("/")[1] for request in loader.batch.requests()}


def members(loader: Loader, key: str) -> dict[str, Any]:
    """Return the members of an app's audience with their attributes and tags."""
    found = loader.batch.get(f"audiences/{key}/vip?limit=10000")
    return {row.pop("id"): row for row in found.get("ids", [])}


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode["mode"])
@pytest.mark.parametrize("id_type", ["custom_ids", "advertising_ids"])
def test_every_key_gets_the_members_through_1_0(apps: Loader, id_type: str, mode: dict[str, str]) -> None:
    ids = numbered(1, 3) if id_type == "custom_ids" else ["6D92078A-8246-4BA4-AE5B-76104861E7DC"]
    found = apps.run([head(), *rows(ids), state(DONE)], streams=options(id_type=id_type, **mode))
    assert found.code == 0, found.log
    assert [set(members(apps, key)) for key in KEYS] == [set(ids)] * 3
    assert versions(apps) == {"1.0"}
    audiences = apps.batch.get("audiences")["audiences"]
    assert {one["type"] for one in audiences} == {id_type}
    assert found.totals("cohort")["delivered"] == len(ids), "a row counts once, not once per key"
    assert not any(key in found.log for key in KEYS)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode["mode"])
def test_installations_are_sent_with_attributes_and_tags_through_1_1(
    apps: Loader, mode: dict[str, str]
) -> None:
    chosen = options(id_type="install_ids", attributes={"tier": "tier"}, tags="interests", **mode)
    more: dict[str, Any] = {"tier": "gold", "interests": ["tennis", "golf"]}
    lines = [head("cohort", "tier", "interests", "action"), *rows(["i1", "i2"], action="add", **more)]
    lines += [record("cohort", user_id="i2", action="remove", **more), state(DONE)]
    found = apps.run(lines, streams=chosen)
    assert found.code == 0, found.log
    expected = {"i1": {"attributes": {"tier": "gold"}, "tags": ["tennis", "golf"]}}
    assert [members(apps, key) for key in KEYS] == [expected] * 3
    assert versions(apps) == {"1.1"}


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode["mode"])
def test_dates_of_installations_are_sent_without_a_time_zone(apps: Loader, mode: dict[str, str]) -> None:
    """Dates are in UTC and without fractions of seconds, as in Batch's documentation."""
    chosen = options(id_type="install_ids", attributes={"since": "date(since)"}, **mode)
    columns = {"user_id": STRING, "since": DATE_TIME}
    lines = [schema("cohort", columns, ["user_id"]), state(DONE)]
    since = {"i1": "2012-08-12T22:30:05Z", "i2": "2012-08-13T00:30:05.750+02:00", "i3": "2012-08-12"}
    lines[1:1] = [record("cohort", user_id=id_, since=moment) for id_, moment in since.items()]
    found = apps.run(lines, streams=chosen)
    assert found.code == 0, found.log
    assert found.codes() == []
    dates = {id_: row["attributes"]["date(since)"] for id_, row in members(apps, KEYS[0]).items()}
    evening = "2012-08-12T22:30:05"
    assert dates == {"i1": evening, "i2": evening, "i3": "2012-08-12T00:00:00"}


def test_a_key_given_twice_is_called_once(apps: Loader) -> None:
    keys = [KEYS[0], KEYS[0]]
    found = apps.run([head(), *rows(["u1"]), state(DONE)], streams=options(), app_api_keys=keys)
    assert found.code == 0, found.log
    patches = [request for request in apps.batch.requests() if request["method"] == "PATCH"]
    assert len(patches) == 1


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode["mode"])
@pytest.mark.parametrize(
    ("failing", "answer", "code"), [(0, UNAVAILABLE, 1), (1, UNAVAILABLE, 1), (2, UNAUTHORIZED, 2)]
)
def test_one_failing_key_fails_the_run(
    apps: Loader, mode: dict[str, str], failing: int, answer: dict[str, Any], code: int
) -> None:
    """No record is delivered, the state is held and the log names the key; the next run delivers all."""
    lines = [head(), *rows(numbered(1, 5)), state(DONE)]
    apps.batch.fault({"answer": answer}, path=f"*/{KEYS[failing]}/*vip*")
    found = apps.run(lines, streams=options(**mode), max_retry_seconds=20)
    assert found.code == code, found.log
    assert f"`app_api_keys`, key {failing + 1} of 3" in found.log
    assert found.states == []
    counts = found.totals("cohort")
    assert (counts["delivered"], counts["undelivered"]) == (0, 5)
    apps.unhang()
    found = apps.run(lines, streams=options(**mode))
    assert found.code == 0, found.log
    assert found.states == [DONE]
    assert [set(members(apps, key)) for key in KEYS] == [set(numbered(1, 5))] * 3


def test_a_large_loss_at_one_key_refuses_the_mirror_for_all_keys(apps: Loader) -> None:
    """All destinations are checked before the first call to any of them."""
    first, fourth = numbered(1, 9), numbered(1, 3)
    assert apps.run([head(), *rows(fourth), state(DONE)], streams=options(mode="mirror")).code == 0
    grown = options(mode="mirror")
    assert apps.run([head(), *rows(first), state(DONE)], streams=grown, app_api_keys=KEYS[2:]).code == 0
    found = apps.run([head(), *rows(fourth), state(DONE)], streams=grown)
    assert found.code == 1
    assert "audience 'vip' (`app_api_keys`, key 3 of 3) would lose 6 of its 9 members" in found.log
    assert [len(members(apps, key)) for key in KEYS] == [3, 3, 9]


def test_attributes_that_an_audience_cannot_hold_are_reported(apps: Loader) -> None:
    lines = [head("cohort", "tier"), *rows(["u1"], tier="gold"), state(DONE)]
    found = apps.run(lines, streams=options(attributes={"tier": "tier"}))
    assert found.code == 0, found.log
    assert "app audiences hold attributes for `id_type: install_ids` only" in found.log
    assert found.codes() == ["destination_without_attributes"]
    assert set(members(apps, KEYS[0])) == {"u1"}


def test_an_app_without_a_key_stops_at_its_schema(apps: Loader) -> None:
    found = apps.run([head(), *rows(["u1"]), state(DONE)], streams=options(), app_api_keys=[])
    assert found.code == 2
    assert "`app_api_keys` is empty" in found.log
    assert apps.batch.requests() == []


LEFT = {"_sdc_deleted_at": "2026-01-01T00:00:00Z"}


def test_a_member_that_every_key_refuses_is_rejected_once(apps: Loader) -> None:
    """If both apps refuse a removal, its three rows are rejected once each, and other rows are sent."""
    columns = [head("cohort", *LEFT)]
    chosen = {"streams": options(mode="mirror"), "app_api_keys": KEYS[:2]}
    assert apps.run([*columns, *rows(numbered(1, 6)), state(DONE)], **chosen).code == 0
    apps.batch.fault({"refuse_ids": ["u6"]})
    lines = [*rows(numbered(1, 5)), *rows(["u7"]), *rows(["u6"]), *rows(["u6", "u6"], **LEFT)]
    found = apps.run([*columns, *lines, state(DONE)], **chosen)
    assert found.code == 0, found.log
    counts = found.totals("cohort")
    assert (counts["rejected"], counts["delivered"], counts["unchanged"]) == (3, 1, 5)
    assert [set(members(apps, key)) for key in KEYS[:2]] == [set(numbered(1, 7))] * 2


def test_a_member_that_one_key_refuses_is_still_sent_to_the_others(apps: Loader) -> None:
    """This holds for the first replacement and for later differences; the next run tries it again."""
    chosen = options(mode="mirror")
    apps.batch.fault({"refuse_ids": ["u2", "u9"]}, path=f"*/{KEYS[0]}/*")
    for last in (5, 9):
        found = apps.run([head(), *rows(numbered(1, last)), state(DONE)], streams=chosen)
        assert found.code == 0, found.log
        assert set(members(apps, KEYS[0])) == set(numbered(1, last)) - {"u2", "u9"}
        assert [set(members(apps, key)) for key in KEYS[1:]] == [set(numbered(1, last))] * 2
    assert [row["user_id"] for row in found.rejects("cohort")].count("u9") == 1
    apps.unhang()
    found = apps.run([head(), *rows(numbered(1, 9)), state(DONE)], streams=chosen)
    counts = found.totals("cohort")
    assert (counts["delivered"], counts["unchanged"]) == (2, 7)
    assert [set(members(apps, key)) for key in KEYS] == [set(numbered(1, 9))] * 3
