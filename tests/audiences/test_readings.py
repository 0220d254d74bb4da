"""The whole way under every reading of what Batch's documentation leaves open.

Whatever the answer, nothing is lost and nothing counts as delivered that Batch did not accept; where a run
has to stop, it says why.
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
PLACES: dict[str, dict[str, Any]] = {"project": {}, "app": APP, "installations": INSTALL}
DEFAULTS = {reading.name: reading.default for reading in READINGS}
CHOICES = [
    pytest.param(reading.name, value, id=f"{reading.name}={value}")
    for reading in READINGS
    for value in reading.values
    if value != reading.default
]
TAKEN = [
    ("existing_audience", value)
    for value in next(r for r in READINGS if r.name == "existing_audience").values
]
UNKNOWN = [
    ("unknown_audience", value) for value in next(r for r in READINGS if r.name == "unknown_audience").values
]


def choose(loader: Loader, **readings: str) -> None:
    """Have the local Batch read the documentation otherwise."""
    loader.batch.post("settings", {"readings": {**DEFAULTS, **readings}})
    loader.settings = {"app_api_keys": KEYS}


def members(loader: Loader, place: str, name: str = "vip") -> list[set[str]]:
    """Return who is in an audience, in each place that holds it."""
    return [loader.batch.audience(name, key) for key in (["project"] if place == "project" else KEYS)]


def stream(place: str, **more: Any) -> dict[str, Any]:
    """Return the settings of the stream `cohort`."""
    return {"streams": {"cohort": {"audience": "vip", **PLACES[place], **more}}}


def people() -> list[str]:
    """Five people and what they did, with a time and without one."""
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
"""Readings under which a run stops, and at the audiences of which place; empty for every place."""


def together(name: str) -> list[tuple[str, ...]]:
    """Return which places one run can load under a reading: all, but for one at which it stops."""
    if (stopping := STOPPING.get(name)) is None:
        return [tuple(PLACES)]
    return (
        [(place,) for place in PLACES] if not stopping else [(stopping,), tuple(PLACES.keys() - {stopping})]
    )


@pytest.mark.parametrize(
    ("name", "value", "places"),
    [
        pytest.param(*choice.values, places, id=f"{choice.id}-{'-'.join(sorted(places))}")
        for choice in CHOICES
        for places in together(str(choice.values[0]))
    ],
)
def test_audiences_are_as_their_streams_say(
    loader: Loader, name: str, value: str, places: tuple[str, ...]
) -> None:
    """In both modes: changes, then a mirror that does not know the audiences, then one that does."""
    choose(loader, **{name: value})
    found = loader.run(changes(places), **streams(places))
    stops_at = STOPPING.get(name)
    if (name, value, places) == ("install_creation", "refused", ("installations",)):
        assert (found.code, found.states, found.codes()) == (1, [], []), found.log
        assert "audience 'vip_installations' does not exist and cannot be created" in found.log
        totals = found.totals("installations")
        assert (totals["delivered"], totals["undelivered"]) == (0, 4)
        return
    assert (found.code, found.states) == (0, [DONE]), found.log
    assert all(found.totals(place)["delivered"] == 4 for place in places)
    assert holding(loader, places) == [{"u1", "u2"}]
    first = loader.run(whole(places, "u1", "u4"), **streams(places, mode="mirror"), max_audience_shrink=1)
    if name != "install_creation" and stops_at in {"", *places}:
        told = {
            "optional_keys": f"how many members audience 'vip_{places[0]}' has",
            "old_replace": "accepts additions, but no replacement of all its members",
        }
        assert (first.code, first.states, first.codes()) == (1, [], []), first.log
        assert told[name] in first.log
        assert first.totals(places[0])["delivered"] == 0
        assert holding(loader, places) == [{"u1", "u2"}], "nobody was removed"
        return
    assert first.code == 0, first.log
    assert holding(loader, places) == [{"u1", "u4"}]
    second = loader.run(whole(places, "u4", "u5"), **streams(places, mode="mirror"))
    assert second.code == 0, second.log
    assert holding(loader, places) == [{"u4", "u5"}]
    for place in places:
        assert second.totals(place)["delivered"] + second.totals(place)["unchanged"] == 2


def streams(places: tuple[str, ...], **more: Any) -> dict[str, Any]:
    """Return the settings of a stream for each place, named like it."""
    bare = {"tags": None} if more else {}
    return {
        "streams": {place: {"kind": "audiences", "audience": f"vip_{place}", **PLACES[place], **bare, **more}
                    for place in places}
    }  # fmt: skip


def changes(places: tuple[str, ...]) -> list[str]:
    """Three people in, one of them out again; installations with attributes and tags."""
    lines = []
    for place in places:
        columns: dict[str, Any] = (
            {"label": "gold", "interests": ["books"]} if place == "installations" else {}
        )
        lines += [head(place, "action", *columns), *rows(["u1", "u2", "u3"], place, action="add", **columns)]
        lines += rows(["u3"], place, action="remove")
    return [*lines, state(DONE)]


def whole(places: tuple[str, ...], *ids: str) -> list[str]:
    """Make a whole stream of these people for each place."""
    return [*(line for place in places for line in (head(place), *rows(ids, place))), state(DONE)]


def holding(loader: Loader, places: tuple[str, ...]) -> list[set[str]]:
    """Return the different memberships that the audiences of some places have."""
    found = [held for place in places for held in members(loader, place, f"vip_{place}")]
    return [held for number, held in enumerate(found) if held not in found[:number]]


@pytest.mark.parametrize(("name", "value"), CHOICES)
def test_check_finds_the_keys_right(loader: Loader, name: str, value: str) -> None:
    choose(loader, **{name: value})
    process = start_warm(loader.config(), command=["check"])
    out, log = process.communicate(timeout=60)
    assert process.returncode == 0, (out, log)
    assert out.count(b"OK") == 4


@pytest.mark.parametrize("place", ["project", "app"])
@pytest.mark.parametrize(("name", "value"), TAKEN)
def test_a_name_that_the_list_did_not_show_is_found(
    loader: Loader, name: str, value: str, place: str
) -> None:
    """Another run made it meanwhile: however Batch refuses to create it again, its members come in."""
    choose(loader, **{name: value})
    assert loader.run(cohort(["u1"]), **stream(place)).code == 0
    nothing = {"audiences": [], "custom_audiences": [], "has_more": False}
    for path in ("*/audiences/list", "*/custom-audience"):
        loader.batch.fault({"answer": {"status": 200, "json": nothing}}, path=path, method="GET")
    found = loader.run(cohort(["u2"]), **stream(place))
    assert found.code == 0, found.log
    assert all(held == {"u1", "u2"} for held in members(loader, place))


@pytest.mark.parametrize("place", ["project", "app"])
@pytest.mark.parametrize(("name", "value"), UNKNOWN)
def test_an_audience_that_is_gone_costs_no_record(loader: Loader, name: str, value: str, place: str) -> None:
    """Deleted after the list: no member is to blame for it."""
    choose(loader, **{name: value})
    row = [{"name": "vip"}]
    listed = {"audiences": row, "custom_audiences": row, "has_more": False}
    for path in ("*/audiences/list", "*/custom-audience"):
        loader.batch.fault({"answer": {"status": 200, "json": listed}}, path=path, method="GET")
    found = loader.run(cohort(["u1", "u2"]), **stream(place))
    assert (found.code, found.states, found.codes()) == (1, [], []), found.log
    assert "audience 'vip' does not exist any more" in found.log
    assert found.totals("cohort")["undelivered"] == 2


@pytest.mark.parametrize("status", ["400", "404", "405"])
def test_an_app_that_replaces_nobody_has_its_audiences_mirrored(loader: Loader, status: str) -> None:
    """A new one is filled, and is changed by differences from then on; who is refused is rejected alone."""
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


def test_an_audience_of_installations_that_was_made_by_hand_is_used(loader: Loader) -> None:
    """Where Batch does not create it by the API."""
    settings = stream("installations", tags=None, attributes={})
    choose(loader)
    assert loader.run(cohort(["i1"]), **settings).code == 0
    choose(loader, install_creation="refused")
    found = loader.run(cohort(["i2"]), **settings)
    assert (found.code, found.states) == (0, [DONE]), found.log
    assert all(held == {"i1", "i2"} for held in members(loader, "installations"))


@pytest.mark.parametrize(("held", "sent"), [("app", "installations"), ("installations", "app")])
@pytest.mark.parametrize("mode", ["update", "mirror"])
def test_a_name_that_holds_the_other_sort_of_ids_costs_no_record(
    loader: Loader, held: str, sent: str, mode: str
) -> None:
    """Both sorts share an app's list; no member is to blame for it."""
    choose(loader)
    bare: dict[str, Any] = {"tags": None, "attributes": {}}
    first, second = ({} if place == "app" else bare for place in (held, sent))
    assert loader.run(cohort(["u1"]), **stream(held, **first)).code == 0
    found = loader.run(cohort(["u2", "u3"]), **stream(sent, mode=mode, **second))
    assert (found.code, found.states, found.codes()) == (1, [], []), found.log
    assert "audience 'vip' holds" in found.log
    assert found.totals("cohort")["undelivered"] == 2
    assert all(there == {"u1"} for there in members(loader, held))


def test_a_name_of_digits_may_come_as_a_number(loader: Loader) -> None:
    choose(loader)
    listed = {"audiences": [{"name": 2024}, {"name": "vip"}], "has_more": False}
    loader.batch.fault({"answer": {"status": 200, "json": listed}}, path="*/audiences/list", method="GET")
    found = loader.run(cohort(["u1"]), streams={"cohort": {"audience": "2024"}})
    assert found.code == 1, found.log
    assert "audience '2024' does not exist any more" in found.log
    assert not any(request["endpoint"] == "audiences/create" for request in loader.batch.requests())
