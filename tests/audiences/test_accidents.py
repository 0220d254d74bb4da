"""Accidents that would empty an audience end with exit code 1 and a reason, without removing members."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from singer import record, state

from tests.audiences.cohorts import DONE, MIRROR, cohort, head, numbered, rows

if TYPE_CHECKING:
    from pathlib import Path

    from tests.audiences.cohorts import Loader

EVERYBODY = numbered(1, 10)
BY_ROW = {"kind": "audiences", "mode": "mirror", "audience_property": "cohort"}


@pytest.fixture
def vip(loader: Loader) -> Loader:
    """A loader that mirrors to the audience `vip`, which has ten members."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    assert loader.mirror(EVERYBODY).code == 0
    return loader


def filtered(condition: str) -> dict[str, Any]:
    """Return a stream map that filters rows."""
    return {"stream_maps": {"cohort": {"__filter__": condition}}}


ACCIDENTS: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "a stream map that lets nothing through": (
        cohort(EVERYBODY), filtered("user_id == 'nobody'"), "streams.cohort.allow_empty"),
    "a stream map that lets little through": (
        cohort(EVERYBODY), filtered("user_id == 'u1'"), "would lose 9 of its 10 members"),
    "an ID of another column": (
        [head("cohort", "label"), *(record("cohort", user_id=f"u{n}", label=f"x{n}") for n in range(1, 11)),
         state(DONE)],
        {"custom_id": "label"}, "would lose 10 of its 10 members"),
    "an ID in another case": (
        cohort([who.upper() for who in EVERYBODY]), {}, "would lose 10 of its 10 members"),
    "rows that are all deleted at the source": (
        [head("cohort", "_sdc_deleted_at"), *rows(EVERYBODY, _sdc_deleted_at="2026-01-01T00:00:00Z"),
         state(DONE)],
        {}, "would lose 10 of its 10 members"),
    "rows that all leave": (
        [head("cohort", "action"), *rows(EVERYBODY, action="left"), state(DONE)],
        {}, "max_audience_shrink"),
    "rows that are all rejected": (
        [head("cohort", "action"), *rows(EVERYBODY, action="perhaps"), state(DONE)],
        {}, "none of its 10 rows could be read"),
    "IDs that are all null": (
        [head(), *(record("cohort", user_id=None) for _ in range(10)), state(DONE)],
        {}, "none of its 10 rows could be read"),
    "a join that finds no ID for some": (
        [head(), *rows(numbered(1, 7)), *(record("cohort", user_id=None) for _ in range(3)), state(DONE)],
        {}, "3 rows were rejected and may be about them"),
    "IDs of which some have become fractions": (
        [head(), *rows(numbered(1, 7)), *(record("cohort", user_id=n + 0.5) for n in (8, 9, 10)),
         state(DONE)],
        {}, "3 rows were rejected and may be about them"),
    "a tap that dies in the stream of which this one is a copy": (
        [head("users"), *rows(numbered(1, 9), "users"), state({"currently_syncing": "users"})],
        {"stream_maps": {"users": {}, "cohort": {"__source__": "users"}}}, "did not prove complete"),
    "a stream without a row": (cohort([]), {}, "streams.cohort.allow_empty"),
    "a stream without a row, between others": (
        [head(), head("users"), record("users", user_id="u1"), state(DONE)], {},
        "streams.cohort.allow_empty"),
    "only a SCHEMA": ([head()], {}, "did not prove complete"),
    "a tap that dies in the middle": ([*cohort(numbered(1, 9))[:-1]], {}, "did not prove complete"),
    "a tap that dies in a later stream": (
        [*cohort(numbered(1, 9))[:-1], head("users"), record("users", user_id="u1")],
        {}, "did not prove complete"),
    "a tap that comes back to the stream": (
        [*cohort(numbered(1, 9)), *rows(["u10"])], {}, "did not prove complete"),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "settings", "why"), ACCIDENTS.values(), ids=ACCIDENTS.keys())
def test_an_accident_removes_no_members(
    vip: Loader, lines: list[str], settings: dict[str, Any], why: str
) -> None:
    """Exit code 1, the state is held, and the log shows the refused plan or the missing proof."""
    calls = vip.calls()
    found = vip.run(lines, **settings)
    assert found.code == 1, found.log
    assert "Stream 'cohort' was not mirrored" in found.log
    assert "Nothing was changed, the state is held" in found.log
    assert why in found.log
    assert found.states == []
    assert vip.members() == set(EVERYBODY)
    assert vip.calls() == calls


@pytest.mark.parametrize(
    ("columns", "settings", "part"),
    [
        (["_batch_reject"], {}, "a rejects file"),
        ([], {"replay": {"start": "2026-01-01"}}, "the setting `replay`"),
    ],
    ids=["rejects", "replay"],
)
def test_a_part_of_a_stream_is_not_taken_for_the_whole(
    vip: Loader, columns: list[str], settings: dict[str, Any], part: str
) -> None:
    """Everybody who is not in the part would be removed, so the run ends at the SCHEMA."""
    found = vip.run([head("cohort", *columns), *rows(numbered(1, 9)), state(DONE)], **settings)
    assert found.code == 2, found.log
    assert f"{part} gives only a part of its rows" in found.log
    assert found.states == []
    assert vip.members() == set(EVERYBODY)


def test_a_batch_file_that_ends_in_the_middle_of_a_row_removes_no_members(
    vip: Loader, tmp_path: Path
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"user_id": "u1"}\n{"user_id": "u2"}\n{"user_i')
    manifest = f'"encoding": {{"format": "jsonl", "compression": "none"}}, "manifest": ["file://{file}"]'
    found = vip.run([head(), f'{{"type": "BATCH", "stream": "cohort", {manifest}}}', state(DONE)])
    assert found.code == 1, found.log
    assert vip.members() == set(EVERYBODY)
    assert vip.mirror(numbered(2, 11)).code == 0, "the next good run failed"
    assert vip.members() == set(numbered(2, 11))


def test_a_ledger_copied_from_another_project_does_not_disable_the_guards(vip: Loader) -> None:
    """It has no members of this project, so the mirror asks Batch for the size of the audience."""
    other = {"project_key": "project_other"}
    assert vip.mirror(numbered(1, 10), **other, max_audience_shrink=1).code == 0
    vip.batch.reset()
    assert vip.mirror(numbered(1, 10)).code == 0
    shutil.copy(vip.folder / "work" / "ledger.db", vip.folder / "copied.db")
    third = {"project_key": "project_third", "ledger_url": f"sqlite:///{vip.folder}/copied.db"}
    found = vip.mirror(numbered(1, 2), **third)
    assert found.code == 1
    assert "would lose 8 of its 10 members (replace 10 by 2)" in found.log
    assert vip.members() == set(EVERYBODY)


def test_an_old_copy_of_the_ledger_removes_no_member_of_the_stream(vip: Loader) -> None:
    """Members missing in the copy stay in the audience, and the run reports them."""
    ledger = vip.folder / "work" / "ledger.db"
    shutil.copy(ledger, vip.folder / "old.db")
    assert vip.mirror(numbered(1, 15)).code == 0
    shutil.copy(vip.folder / "old.db", ledger)
    found = vip.mirror(numbered(2, 14))
    assert found.code == 0, found.log
    assert vip.members() == set(numbered(2, 15))
    assert "Batch counts 14 members in 'vip' where 13 are expected" in found.log
    assert "members unknown to the ledger stay in it" in found.log


def test_members_removed_in_batch_are_added_again(vip: Loader) -> None:
    """The run that notices the loss reports it, and the next one adds all members again."""
    remove = [head("purge", "action"), *rows(numbered(3, 10), "purge", action="remove"), state(DONE)]
    assert vip.run(remove, streams={"purge": {"kind": "audiences", "audience": "vip"}}).code == 0
    found = vip.mirror(numbered(1, 11))
    assert found.code == 0, found.log
    assert "Batch counts 3 members in 'vip' where 11 are expected" in found.log
    assert "The next run adds them all again" in found.log
    found = vip.mirror(numbered(1, 11))
    assert found.code == 0, found.log
    assert vip.members() == set(numbered(1, 11))
    assert vip.calls()[-1] == ("update", 11)
    calls = vip.calls()
    assert vip.mirror(numbered(1, 11)).code == 0
    assert vip.calls() == calls, "a further run made calls"


def test_a_mirror_keeps_the_members_that_another_stream_adds(vip: Loader) -> None:
    """A mirror removes only members that it has added itself, and reports the others."""
    vip.settings = {"streams": {"cohort": MIRROR, "more": {"kind": "audiences", "audience": "vip"}}}
    lines = [head(), *rows(numbered(2, 10)), head("more"), *rows(["x"], "more"), state(DONE)]
    found = vip.run(lines)
    assert found.code == 0, found.log
    assert vip.members() == {*numbered(2, 10), "x"}
    assert "something else adds to this audience" in found.log


def test_two_cohorts_whose_cleaned_names_are_equal_are_not_mixed(loader: Loader) -> None:
    """The rows of the second name are rejected, and the mirror is refused."""
    loader.settings = {"streams": {"cohort": BY_ROW}}
    first = [head("cohort", "cohort"), *rows(EVERYBODY, cohort="Do not mail")]
    assert loader.run([*first, state(DONE)]).code == 0
    both = [*rows(numbered(1, 9), cohort="Do not mail"), *rows(["z"], cohort="Do-not.mail")]
    found = loader.run([first[0], *both, *rows(["z"], cohort="Do_not_mail"), state(DONE)])
    assert found.code == 1
    assert "1 rows were rejected and may be about them" in found.log
    assert loader.members("Do_not_mail") == set(EVERYBODY)


def test_cohorts_and_members_that_differ_in_case_are_different(loader: Loader, ledger_url: str) -> None:
    """Names and IDs are case-sensitive in Batch and in both kinds of ledger."""
    loader.settings = {"streams": {"cohort": BY_ROW}, "ledger_url": ledger_url}
    lines = [head("cohort", "cohort"), *rows(["a", "A", "é", "É"], cohort="VIP"), *rows(["b"], cohort="vip")]
    assert loader.run([*lines, state(DONE)]).code == 0
    assert (loader.members("VIP"), loader.members("vip")) == ({"a", "A", "é", "É"}, {"b"})
    assert loader.run([*lines[:4], *lines[5:], *rows(["c"], cohort="vip"), state(DONE)]).code == 0
    assert (loader.members("VIP"), loader.members("vip")) == ({"a", "A", "é"}, {"b", "c"})


ODD = ["tab\there", "\U0001f600", "'; --", "%_\\", "0", "00", "\x01", "e\u0301", "\xe9"]
REFUSED = ["nul\x00", "line\u2028break", "null"]


def test_an_odd_id_is_a_member_or_a_reject_and_never_stops_the_run(loader: Loader, ledger_url: str) -> None:
    """This holds for both kinds of ledger."""
    loader.settings = {"streams": {"cohort": MIRROR}, "ledger_url": ledger_url}
    for _ in range(2):
        found = loader.run([head(), *rows([*numbered(1, 3), *ODD, *REFUSED]), state(DONE)])
        assert found.code == 0, found.log
        assert loader.members() == {*numbered(1, 3), *ODD}
    assert [row["user_id"] for row in found.rejects("cohort")] == 2 * REFUSED


def test_a_refused_mirror_does_not_stop_the_mirrors_of_other_streams(loader: Loader) -> None:
    """Each refusal is reported, and the state is held for all streams."""
    loader.settings = {"streams": {"*_cohort": {"kind": "audiences", "mode": "mirror"}}}
    names = ("a_cohort", "b_cohort", "c_cohort")
    lines = [line for name in names for line in (head(name), *rows(EVERYBODY, name))]
    assert loader.run([*lines, state(DONE)]).code == 0
    found = loader.run(
        [
            *(head(name) for name in names),
            *rows(numbered(1, 3), "a_cohort"),
            *rows(numbered(2, 12), "b_cohort"),
            *rows(numbered(1, 2), "c_cohort"),
            state(DONE),
        ]
    )
    assert found.code == 1
    assert found.states == []
    assert "Stream 'a_cohort' was not mirrored" in found.log
    assert "Stream 'c_cohort' was not mirrored" in found.log
    assert loader.members("a_cohort") == loader.members("c_cohort") == set(EVERYBODY)
    assert loader.members("b_cohort") == set(numbered(2, 12))


def test_a_dry_run_shows_the_plan_and_changes_nothing(mirror: Loader) -> None:
    """It uses a copy of the ledger, so a second dry run shows the same differences, without requests."""
    assert mirror.mirror(EVERYBODY).code == 0
    requests = len(mirror.batch.requests())
    for _ in range(2):
        found = mirror.mirror(numbered(3, 11), dry_run=True)
        assert found.code == 0, found.log
        assert "Audience 'vip': +1 \N{MINUS SIGN}2 =8" in found.log
        assert found.states == []
    kept = [path.stem for path in (mirror.folder / "work" / "dry-run").rglob("*.json")]
    assert {name.split("-", 1)[1] for name in kept} == {"audiences-update"}, (
        "an existing audience was created"
    )
    found = mirror.mirror(numbered(1, 2), dry_run=True)
    assert found.code == 1
    assert "would lose 8 of its 10 members" in found.log
    assert len(mirror.batch.requests()) == requests
    assert mirror.mirror(numbered(3, 11)).totals("cohort")["delivered"] == 1


def test_a_mirror_from_another_stream_than_before_is_reported(vip: Loader) -> None:
    """It may be the same stream under a new name, so it is mirrored, protected by the guards."""
    streams = {"renamed": MIRROR}
    found = vip.run(cohort(numbered(2, 11), "renamed"), streams=streams)
    assert found.code == 0, found.log
    assert "was mirrored from stream 'cohort' until now" in found.log
    assert vip.members() == set(numbered(2, 11))
    found = vip.run(cohort(numbered(2, 12), "renamed"), streams=streams)
    assert "until now" not in found.log
