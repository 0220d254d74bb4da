"""Cohorts as boolean attributes: true on entry, false on exit and for members that a mirror removes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer import STRING, record, schema, state

from tests.audiences.cohorts import DONE, cohort, head, numbered, rows

if TYPE_CHECKING:
    from tests.audiences.cohorts import Loader

MIRROR = {"kind": "audiences", "as_attribute": True, "mode": "mirror", "audience": "VIP"}
UPDATE = {**MIRROR, "mode": "update"}
MINUS = "\N{MINUS SIGN}"


@pytest.fixture
def flags(loader: Loader) -> Loader:
    """A loader that mirrors the stream `cohort` to the attribute `vip`."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    return loader


def inside(loader: Loader) -> dict[str, Any]:
    """Return the value of the attribute for each profile that has it."""
    found = {}
    for profile in loader.batch.get("profiles?limit=1000")["profiles"]:
        attributes = loader.batch.attributes(profile["id"])
        if "vip" in attributes:
            found[profile["id"]] = attributes["vip"]
    return found


def updates(loader: Loader) -> list[tuple[str, int]]:
    """Return the endpoint and the number of entries of each profile call."""
    return [
        (row["endpoint"], row["entries"])
        for row in loader.batch.requests()
        if row["endpoint"].startswith("profiles/") and row["status"] == 202
    ]


def test_the_attribute_is_true_on_entry_and_false_on_exit(loader: Loader) -> None:
    """The last action of a user wins, and no audience is created."""
    loader.settings = {"streams": {"cohort": UPDATE}}
    lines = [head("cohort", "action"), *rows(["u1", "u2", "u3"], action="entered")]
    lines += [*rows(["u2"], action="exited"), *rows(["u4"], action="exited"), state(DONE)]
    found = loader.run(lines)
    assert found.code == 0, found.log
    assert inside(loader) == {"u1": True, "u2": False, "u3": True, "u4": False}
    assert loader.batch.get("audiences")["audiences"] == []
    assert {endpoint for endpoint, _ in updates(loader)} == {"profiles/update"}


def test_a_row_deleted_at_the_source_is_an_exit(loader: Loader) -> None:
    loader.settings = {"streams": {"cohort": UPDATE}}
    gone = rows(["u1"], _sdc_deleted_at="2026-01-01T00:00:00Z")
    assert loader.run([head("cohort", "_sdc_deleted_at"), *gone, state(DONE)]).code == 0
    assert inside(loader) == {"u1": False}


def test_a_mirror_sets_the_attribute_of_removed_members_to_false(flags: Loader) -> None:
    """Only the differences are sent, and an unchanged stream sends nothing."""
    found = flags.mirror(numbered(1, 8))
    assert found.code == 0, found.log
    assert inside(flags) == dict.fromkeys(numbered(1, 8), True)
    before = len(updates(flags))
    found = flags.mirror(numbered(3, 9))
    assert found.code == 0, found.log
    assert f"+1 {MINUS}2 =6" in found.log
    assert inside(flags) == dict.fromkeys(numbered(3, 9), True) | {"u1": False, "u2": False}
    assert [entries for _, entries in updates(flags)[before:]] == [1, 2]
    before = len(updates(flags))
    assert flags.mirror(numbered(3, 9)).code == 0
    assert len(updates(flags)) == before


def test_the_guards_of_a_mirror_protect_attributes_too(flags: Loader) -> None:
    assert flags.mirror(numbered(1, 8)).code == 0
    found = flags.mirror([])
    assert found.code == 1
    assert "streams.cohort.allow_empty" in found.log
    found = flags.mirror(numbered(1, 2))
    assert found.code == 1
    assert "would lose 6 of its 8 members" in found.log
    assert inside(flags) == dict.fromkeys(numbered(1, 8), True)


def test_exits_in_the_stream_are_sent_even_if_the_ledger_is_empty(flags: Loader) -> None:
    """Without earlier members in the ledger, only the stream shows who left."""
    lines = [head("cohort", "action"), *rows(["u1"], action="in"), *rows(["u2", "u3"], action="out")]
    found = flags.run([*lines, state(DONE)])
    assert found.code == 0, found.log
    assert inside(flags) == {"u1": True, "u2": False, "u3": False}
    counts = found.totals("cohort")
    assert (counts["delivered"], counts["unchanged"]) == (3, 0)
    before = len(updates(flags))
    assert flags.run([*lines, state(DONE)]).code == 0
    assert len(updates(flags)) == before


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("auto", [("profiles/mass-update", 450)]),
        ("update", [("profiles/update", 200), ("profiles/update", 200), ("profiles/update", 50)]),
        ("mass_update", [("profiles/mass-update", 450)]),
    ],
)
def test_a_mirror_uses_the_configured_endpoint(
    flags: Loader, endpoint: str, expected: list[tuple[str, int]]
) -> None:
    found = flags.mirror(numbered(1, 450), profile_endpoint=endpoint)
    assert found.code == 0, found.log
    assert updates(flags) == expected


def test_a_low_rate_makes_small_calls(flags: Loader) -> None:
    """At 50 a second, a call takes at most the quota of two seconds."""
    found = flags.mirror(numbered(1, 220), max_updates_per_second=50)
    assert found.code == 0, found.log
    assert max(entries for _, entries in updates(flags)) <= 100


def test_attributes_of_the_same_user_stay_in_order(loader: Loader) -> None:
    """A cohort as an attribute is sent together with the profiles, and the later value wins."""
    loader.settings = {"streams": {"cohort": UPDATE}}
    lines = []
    for turn, action in enumerate(["in", "out", "in", "out"]):
        lines += [schema("users", {"user_id": STRING, "seat": STRING})]
        lines += [record("users", user_id="u1", seat=str(turn)), head("cohort", "action")]
        lines += rows(["u1"], action=action)
    found = loader.run([*lines, state(DONE)])
    assert found.code == 0, found.log
    assert loader.batch.attributes("u1") == {"seat": "3", "vip": False}


@pytest.mark.parametrize("mode", [UPDATE, MIRROR], ids=lambda mode: str(mode["mode"]))
def test_a_row_whose_attribute_batch_refuses_is_rejected(loader: Loader, mode: dict[str, Any]) -> None:
    """The row sets only that attribute, so nothing of it was applied although the entry was accepted."""
    loader.settings = {"streams": {"cohort": {**mode, "audience": None, "audience_property": "cohort"}}}
    error = {"bulk_index": 1, "reason": "NO", "attribute": "vip"}
    loader.batch.fault({"partial_errors": {"errors": [error]}}, path="*/profiles/*", nth=[1])
    lines = [record("cohort", user_id=who, cohort="VIP") for who in numbered(1, 3)]
    found = loader.run([head("cohort", "cohort"), *lines, state(DONE)])
    assert found.code == 0, found.log
    totals = found.totals("cohort")
    assert (totals["delivered"], totals["rejected"], totals["undelivered"]) == (2, 1, 0)
    assert [row["user_id"] for row in found.rejects("cohort")] == ["u2"]


def test_of_two_cohorts_in_one_entry_the_refused_one_is_rejected(loader: Loader) -> None:
    loader.settings = {"streams": {"cohort": {"kind": "audiences", "as_attribute": True}}}
    error = {"bulk_index": 0, "reason": "NO", "attribute": "vip"}
    loader.batch.fault({"partial_errors": {"errors": [error]}}, path="*/profiles/*", nth=[1])
    lines = [record("cohort", user_id="u1", cohort=name) for name in ("VIP", "lapsed")]
    found = loader.run([head("cohort", "cohort"), *lines, state(DONE)])
    assert found.code == 0, found.log
    assert [row["cohort"] for row in found.rejects("cohort")] == ["VIP"]
    assert (found.totals("cohort")["delivered"], found.totals("cohort")["rejected"]) == (1, 1)


def test_a_member_that_batch_refuses_is_rejected_alone(flags: Loader) -> None:
    error = {"partial_errors": {"errors": [{"bulk_index": 1, "reason": "NO", "category": "x"}]}}
    flags.batch.fault(error, path="*/profiles/*", nth=[1])
    found = flags.run(cohort(numbered(1, 4)))
    assert found.code == 0, found.log
    assert inside(flags) == dict.fromkeys(["u1", "u3", "u4"], True)
    assert [row["user_id"] for row in found.rejects("cohort")] == ["u2"]
    again = flags.run(cohort(numbered(1, 4)))
    assert again.code == 0, again.log
    assert inside(flags) == dict.fromkeys(numbered(1, 4), True), "the next run did not try again"
