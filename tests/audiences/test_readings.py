"""Whole runs work under every reading of the gaps in Batch's documentation.

Under each reading no record is lost or counted as delivered without being accepted, and a run that has to
stop reports why.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from singer import DATE_TIME, INTEGER, STRING, record, schema, state
from target_process import start_warm

from target_batch.sandbox.readings import READINGS
from tests.audiences.cohorts import DONE, cohort, head, rows

if TYPE_CHECKING:
    from tests.audiences.cohorts import Loader

KEYS = ["app-ios", "app-web"]
APP = {"destination": "app", "id_type": "custom_ids"}
INSTALL = {
    "destination": "app", "id_type": "install_ids", "attributes": {"label": "label"}, "tags": "interests",
}  # fmt: skip
DESTINATIONS: dict[str, dict[str, Any]] = {"project": {}, "app": APP, "installations": INSTALL}
DEFAULTS = {reading.name: reading.default for reading in READINGS}
CHOICES = [
    pytest.param(reading.name, value, id=f"{reading.name}={value}")
    for reading in READINGS
    for value in reading.values
    if value != reading.default
]
EXISTING_CHOICES = [
    ("existing_audience", value)
    for value in next(r for r in READINGS if r.name == "existing_audience").values
]
UNKNOWN_CHOICES = [
    ("unknown_audience", value) for value in next(r for r in READINGS if r.name == "unknown_audience").values
]


def choose(loader: Loader, **readings: str) -> None:
    """Choose readings of the local Batch."""
    loader.batch.post("settings", {"readings": {**DEFAULTS, **readings}})
    loader.settings = {"app_api_keys": KEYS}


def members(loader: Loader, destination: str, name: str = "vip") -> list[set[str]]:
    """Return the members of an audience for each project or app of a destination."""
    return [loader.batch.audience(name, key) for key in (["project"] if destination == "project" else KEYS)]


def stream(destination: str, **more: Any) -> dict[str, Any]:
    """Return the settings of the stream `cohort`."""
    return {"streams": {"cohort": {"audience": "vip", **DESTINATIONS[destination], **more}}}


def people() -> list[str]:
    """Make five users and their events, with a time and without one."""
    now = datetime.now(timezone.utc).isoformat()
    event = {"user_id": STRING, "event": STRING, "time": DATE_TIME, "seat": INTEGER}
    lines = [schema("users", {"user_id": STRING, "email": STRING, "seat": INTEGER}), schema("events", event)]
    for seat in range(5):
        lines.append(record("users", user_id=f"u{seat}", email=f"u{seat}@example.com", seat=seat))
        lines.append(record("events", user_id=f"u{seat}", event="seen", time=now, seat=seat))
        lines.append(record("events", user_id=f"u{seat}", event="bare", time=None, seat=seat))
    return [*lines, state(DONE)]


@pytest.mark.parametrize(("name", "value"), CHOICES)
def test_profiles_and_events_arrive(loader: Loader, name: str, value: str) -> None:
    choose(loader, **{name: value})
    found = loader.run(people(), late_events="now", profile_endpoint="update")
    assert found.code == 0, found.log
    assert found.states == [DONE]
    held = {who: loader.batch.profile(who) for who in (f"u{seat}" for seat in range(5))}
    assert all(profile["attributes"]["seat"] == int(who[1:]) for who, profile in held.items())
    sent = [entry for entry in loader.batch.journal() for entry in entry["events"]]
    timed = [event for event in sent if event["name"] == "seen"]
    bare = [event for event in sent if event["name"] == "bare"]
    assert len(timed) == 5
    refused = found.codes().count("refused_by_batch")
    assert len(bare) + refused == 5
    assert bool(refused) == ((name, value) == ("event_without_time", "refused"))
    assert found.totals("events")["delivered"] == 5 + len(bare)


STOPPING = {"install_creation": "installations", "old_replace": "app", "optional_keys": ""}
"""Readings under which a run stops, and the destination at which it stops; empty for any destination."""


def together(name: str) -> list[tuple[str, ...]]:
    """Return the groups of destinations that one run can load; one at which it stops is alone."""
    if (stopping := STOPPING.get(name)) is None:
        return [tuple(DESTINATIONS)]
    return (
        [(destination,) for destination in DESTINATIONS]
        if not stopping
        else [(stopping,), tuple(DESTINATIONS.keys() - {stopping})]
    )


@pytest.mark.parametrize(
    ("name", "value", "destinations"),
    [
        pytest.param(*choice.values, destinations, id=f"{choice.id}-{'-'.join(sorted(destinations))}")
        for choice in CHOICES
        for destinations in together(str(choice.values[0]))
    ],
)
def test_audiences_have_the_members_of_their_streams(
    loader: Loader, name: str, value: str, destinations: tuple[str, ...]
) -> None:
    """Changes come first, then a mirror without a snapshot in the ledger, then one with a snapshot."""
    choose(loader, **{name: value})
    found = loader.run(changes(destinations), **streams(destinations))
    stops_at = STOPPING.get(name)
    if (name, value, destinations) == ("install_creation", "refused", ("installations",)):
        assert (found.code, found.states, found.codes()) == (1, [], []), found.log
        assert "audience 'vip_installations' does not exist and cannot be created" in found.log
        totals = found.totals("installations")
        assert (totals["delivered"], totals["undelivered"]) == (0, 4)
        return
    assert (found.code, found.states) == (0, [DONE]), found.log
    assert all(found.totals(destination)["delivered"] == 4 for destination in destinations)
    assert holding(loader, destinations) == [{"u1", "u2"}]
    first = loader.run(
        whole(destinations, "u1", "u4"), **streams(destinations, mode="mirror"), max_audience_shrink=1
    )
    if name != "install_creation" and stops_at in {"", *destinations}:
        reasons = {
            "optional_keys": f"how many members audience 'vip_{destinations[0]}' has",
            "old_replace": "accepts additions, but no replacement of all its members",
        }
        assert (first.code, first.states, first.codes()) == (1, [], []), first.log
        assert reasons[name] in first.log
        assert first.totals(destinations[0])["delivered"] == 0
        assert holding(loader, destinations) == [{"u1", "u2"}], "members were removed"
        return
    assert first.code == 0, first.log
    assert holding(loader, destinations) == [{"u1", "u4"}]
    second = loader.run(whole(destinations, "u4", "u5"), **streams(destinations, mode="mirror"))
    assert second.code == 0, second.log
    assert holding(loader, destinations) == [{"u4", "u5"}]
    for destination in destinations:
        assert second.totals(destination)["delivered"] + second.totals(destination)["unchanged"] == 2


def streams(destinations: tuple[str, ...], **more: Any) -> dict[str, Any]:
    """Return the settings of one stream for each destination, named after it."""
    bare = {"tags": None} if more else {}
    return {
        "streams": {
            destination: {
                "kind": "audiences", "audience": f"vip_{destination}", **DESTINATIONS[destination], **bare,
                **more,
            }
            for destination in destinations
        }
    }  # fmt: skip


def changes(destinations: tuple[str, ...]) -> list[str]:
    """Add three members and remove one of them; installations have attributes and tags."""
    lines = []
    for destination in destinations:
        columns: dict[str, Any] = (
            {"label": "gold", "interests": ["books"]} if destination == "installations" else {}
        )
        lines += [
            head(destination, "action", *columns),
            *rows(["u1", "u2", "u3"], destination, action="add", **columns),
        ]
        lines += rows(["u3"], destination, action="remove")
    return [*lines, state(DONE)]


def whole(destinations: tuple[str, ...], *ids: str) -> list[str]:
    """Make a complete stream of these members for each destination."""
    return [
        *(line for destination in destinations for line in (head(destination), *rows(ids, destination))),
        state(DONE),
    ]


def holding(loader: Loader, destinations: tuple[str, ...]) -> list[set[str]]:
    """Return the distinct sets of members in the audiences of some destinations."""
    found = [
        held for destination in destinations for held in members(loader, destination, f"vip_{destination}")
    ]
    return [held for number, held in enumerate(found) if held not in found[:number]]


@pytest.mark.parametrize(("name", "value"), CHOICES)
def test_check_finds_the_keys_right(loader: Loader, name: str, value: str) -> None:
    choose(loader, **{name: value})
    process = start_warm(loader.config(), command=["check"])
    out, log = process.communicate(timeout=60)
    assert process.returncode == 0, (out, log)
    assert out.count(b"OK") == 4


@pytest.mark.parametrize("destination", ["project", "app"])
@pytest.mark.parametrize(("name", "value"), EXISTING_CHOICES)
def test_an_audience_that_is_missing_in_the_list_gets_its_members(
    loader: Loader, name: str, value: str, destination: str
) -> None:
    """Another run created it meanwhile; members are added however Batch refuses to create it again."""
    choose(loader, **{name: value})
    assert loader.run(cohort(["u1"]), **stream(destination)).code == 0
    nothing = {"audiences": [], "custom_audiences": [], "has_more": False}
    for path in ("*/audiences/list", "*/custom-audience"):
        loader.batch.fault({"answer": {"status": 200, "json": nothing}}, path=path, method="GET")
    found = loader.run(cohort(["u2"]), **stream(destination))
    assert found.code == 0, found.log
    assert all(held == {"u1", "u2"} for held in members(loader, destination))


@pytest.mark.parametrize("destination", ["project", "app"])
@pytest.mark.parametrize(("name", "value"), UNKNOWN_CHOICES)
def test_an_audience_that_was_deleted_during_the_run_rejects_no_record(
    loader: Loader, name: str, value: str, destination: str
) -> None:
    """The members are undelivered, because none of them caused the error."""
    choose(loader, **{name: value})
    row = [{"name": "vip"}]
    listed = {"audiences": row, "custom_audiences": row, "has_more": False}
    for path in ("*/audiences/list", "*/custom-audience"):
        loader.batch.fault({"answer": {"status": 200, "json": listed}}, path=path, method="GET")
    found = loader.run(cohort(["u1", "u2"]), **stream(destination))
    assert (found.code, found.states, found.codes()) == (1, [], []), found.log
    assert "audience 'vip' does not exist any more" in found.log
    assert found.totals("cohort")["undelivered"] == 2


@pytest.mark.parametrize("status", ["400", "404", "405"])
def test_a_mirror_works_in_an_app_that_refuses_replacements(loader: Loader, status: str) -> None:
    """A new audience is filled by additions, then changed by differences; only the bad member is rejected."""
    choose(loader, old_replace=status)
    mirror = stream("app", mode="mirror")
    loader.batch.fault({"refuse_ids": ["bad"]}, path="*/custom-audience/vip")
    first = loader.run(cohort(["bad", "u1", "u2"]), **mirror)
    assert (first.code, first.states, first.codes()) == (0, [DONE], ["refused_by_batch"]), first.log
    assert first.totals("cohort")["delivered"] == 2
    assert all(held == {"u1", "u2"} for held in members(loader, "app"))
    second = loader.run(cohort(["u2", "u3"]), **mirror, max_audience_shrink=1)
    assert second.code == 0, second.log
    assert all(held == {"u2", "u3"} for held in members(loader, "app"))


def test_an_existing_audience_of_installations_is_used(loader: Loader) -> None:
    """It is used even if Batch does not create such audiences through the API."""
    settings = stream("installations", tags=None, attributes={})
    choose(loader)
    assert loader.run(cohort(["i1"]), **settings).code == 0
    choose(loader, install_creation="refused")
    found = loader.run(cohort(["i2"]), **settings)
    assert (found.code, found.states) == (0, [DONE]), found.log
    assert all(held == {"i1", "i2"} for held in members(loader, "installations"))


@pytest.mark.parametrize(("held", "sent"), [("app", "installations"), ("installations", "app")])
@pytest.mark.parametrize("mode", ["update", "mirror"])
def test_an_audience_of_another_id_type_rejects_no_record(
    loader: Loader, held: str, sent: str, mode: str
) -> None:
    """Both types share an app's list of audiences; the members are undelivered."""
    choose(loader)
    bare: dict[str, Any] = {"tags": None, "attributes": {}}
    first, second = ({} if destination == "app" else bare for destination in (held, sent))
    assert loader.run(cohort(["u1"]), **stream(held, **first)).code == 0
    found = loader.run(cohort(["u2", "u3"]), **stream(sent, mode=mode, **second))
    assert (found.code, found.states, found.codes()) == (1, [], []), found.log
    assert "audience 'vip' holds" in found.log
    assert found.totals("cohort")["undelivered"] == 2
    assert all(there == {"u1"} for there in members(loader, held))


def test_a_listed_audience_name_may_be_a_number(loader: Loader) -> None:
    choose(loader)
    listed = {"audiences": [{"name": 2024}, {"name": "vip"}], "has_more": False}
    loader.batch.fault({"answer": {"status": 200, "json": listed}}, path="*/audiences/list", method="GET")
    found = loader.run(cohort(["u1"]), streams={"cohort": {"audience": "2024"}})
    assert found.code == 1, found.log
    assert "audience '2024' does not exist any more" in found.log
    assert not any(request["endpoint"] == "audiences/create" for request in loader.batch.requests())
