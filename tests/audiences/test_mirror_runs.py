"""Mirror mode in whole runs: the audience equals its stream, unless the stream may be incomplete."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from singer import record, state

from tests.audiences.cohorts import DONE, MIRROR, cohort, feed, head, kill, numbered, rows, wait_for

if TYPE_CHECKING:
    from tests.audiences.cohorts import Loader

MINUS = "\N{MINUS SIGN}"
NOT_PROVEN = "the input did not prove complete"


def test_the_first_mirror_replaces_and_then_adds(mirror: Loader) -> None:
    """Members beyond the first 10,000 are added and do not replace the first ones."""
    found = mirror.mirror(numbered(1, 12_500))
    assert found.code == 0, found.log
    assert found.states == [DONE]
    assert len(mirror.members()) == 12_500
    assert mirror.calls() == [("create", 0), ("replace", 10_000), ("update", 2500)]
    assert found.totals("cohort")["delivered"] == 12_500


def test_later_mirrors_send_only_the_differences(mirror: Loader) -> None:
    """The plan is logged, and members that stay count as unchanged."""
    mirror.mirror(numbered(1, 100))
    before = len(mirror.calls())
    found = mirror.mirror(numbered(11, 105))
    assert found.code == 0, found.log
    assert mirror.members() == set(numbered(11, 105))
    assert mirror.calls()[before:] == [("update", 5), ("update", 10)]
    assert f"Audience 'vip': +5 {MINUS}10 =90" in found.log
    counts = found.totals("cohort")
    assert (counts["delivered"], counts["unchanged"]) == (5, 90)
    again = mirror.mirror(numbered(11, 105))
    assert again.code == 0
    assert mirror.calls()[before + 2 :] == []


def test_rows_deleted_at_the_source_are_counted(loader: Loader) -> None:
    """A row with `_sdc_deleted_at` removes its member; if it is not a member, the row is unchanged."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    columns = ("_sdc_deleted_at",)
    loader.run([head("cohort", *columns), *rows(numbered(1, 4)), state(DONE)])
    left = rows(["u4", "nobody"], _sdc_deleted_at="2026-01-01T00:00:00Z")
    found = loader.run([head("cohort", *columns), *rows(numbered(1, 3)), *left, state(DONE)])
    assert found.code == 0, found.log
    assert loader.members() == set(numbered(1, 3))
    counts = found.totals("cohort")
    assert (counts["delivered"], counts["unchanged"]) == (1, 4)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param([], id="no state"),
        pytest.param([state({})], id="the empty state of a tap that was terminated"),
        pytest.param([state(DONE), record("cohort", user_id="u9")], id="a state in the middle"),
        pytest.param([state(DONE), record("cohort", user_id=None)], id="then a row that is refused"),
    ],
)
def test_a_tap_that_dies_changes_nothing(loader: Loader, end: list[str]) -> None:
    """Without proof that the stream is complete, the mirror is refused and the state is held."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    loader.mirror(numbered(1, 8))
    found = loader.run([head(), *rows(numbered(1, 6)), *end])
    assert found.code == 1
    assert NOT_PROVEN in found.log
    assert found.states == []
    assert loader.members() == set(numbered(1, 8))


def test_a_line_that_is_cut_off_changes_nothing(loader: Loader) -> None:
    """Exit code 1, even if a STATE came before the cut."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    loader.mirror(numbered(1, 8))
    torn = "\n".join([*cohort(numbered(1, 6)), '{"type": "RECORD", "stream": "coh'])
    found = loader.run(torn.encode())
    assert found.code == 1
    assert NOT_PROVEN in found.log
    assert loader.members() == set(numbered(1, 8))


def test_a_state_of_a_later_stream_proves_an_earlier_one(loader: Loader) -> None:
    """The later stream may still be incomplete; an ACTIVATE_VERSION is a proof as well."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    other = [head("other_cohort"), *rows(["a"], "other_cohort"), state({"currently_syncing": "other_cohort"})]
    found = loader.run([head(), *rows(numbered(1, 3)), *other])
    assert found.code == 0, found.log
    assert loader.members() == set(numbered(1, 3))
    activate = '{"type": "ACTIVATE_VERSION", "stream": "cohort", "version": 1}'
    found = loader.run([head(), *rows(numbered(1, 4)), activate])
    assert found.code == 0, found.log
    assert loader.members() == set(numbered(1, 4))


def test_an_empty_stream_empties_the_audience_only_with_allow_empty(mirror: Loader) -> None:
    """Without the setting the log names it and the state is held."""
    mirror.mirror(numbered(1, 4))
    found = mirror.mirror([])
    assert found.code == 1
    assert "streams.cohort.allow_empty" in found.log
    assert found.states == []
    assert mirror.members() == set(numbered(1, 4))
    streams = {"cohort": {**MIRROR, "allow_empty": True}}
    found = mirror.mirror([], streams=streams)
    assert found.code == 0, found.log
    assert mirror.members() == set()
    assert found.states == [DONE]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(
            [head(), '{"type": "ACTIVATE_VERSION", "stream": "cohort", "version": 1}'],
            id="the version that taps announce first",
        ),
        pytest.param([head(), *rows([None, 7.5], "cohort"), state(DONE)], id="no row could be read"),  # type: ignore[list-item]
    ],
)
def test_a_failed_tap_does_not_empty_an_audience_even_with_allow_empty(
    loader: Loader, lines: list[str]
) -> None:
    loader.settings = {"streams": {"cohort": {**MIRROR, "allow_empty": True}}}
    loader.mirror(numbered(1, 4))
    found = loader.run(lines)
    assert found.code == 1, found.log
    assert loader.members() == set(numbered(1, 4))


def test_a_closed_standard_output_does_not_mirror_twice(loader: Loader) -> None:
    """The end of the run is repeated after an error, when the rows are gone: members must stay."""
    loader.settings = {"streams": {"cohort": {**MIRROR, "allow_empty": True}}}
    process = loader.cold()
    assert process.stdout is not None
    process.stdout.close()
    feed(process, cohort(numbered(1, 4)), end=True)
    assert process.wait(30) == 1
    kill(process)
    assert loader.members() == set(numbered(1, 4))


def test_a_large_loss_is_refused_with_the_setting_that_allows_it(mirror: Loader) -> None:
    mirror.mirror(numbered(1, 10))
    found = mirror.mirror(numbered(1, 4))
    assert found.code == 1
    assert f"would lose 6 of its 10 members (+0 {MINUS}6 =4), more than `max_audience_shrink`" in found.log
    assert found.totals("cohort")["undelivered"] == 4
    assert mirror.members() == set(numbered(1, 10))
    assert mirror.mirror(numbered(1, 4), max_audience_shrink=0.6).code == 0
    assert mirror.members() == set(numbered(1, 4))


def test_one_refused_audience_stops_all_audiences_of_its_stream(loader: Loader) -> None:
    """All plans are checked before the first call."""
    option = {"kind": "audiences", "mode": "mirror", "audience_property": "cohort"}
    loader.settings = {"streams": {"cohort": option}}
    first = [*rows(numbered(1, 9), cohort="a"), *rows(numbered(1, 9), cohort="b")]
    loader.run([head("cohort", "cohort"), *first, state(DONE)])
    second = [*rows(numbered(1, 10), cohort="a"), *rows(numbered(1, 2), cohort="b")]
    found = loader.run([head("cohort", "cohort"), *second, state(DONE)])
    assert found.code == 1
    assert (len(loader.members("a")), len(loader.members("b"))) == (9, 9)


def test_an_audience_without_a_row_keeps_its_members_and_is_reported(loader: Loader) -> None:
    option = {"kind": "audiences", "mode": "mirror", "audience_property": "cohort"}
    loader.settings = {"streams": {"cohort": option}}
    both = [*rows(numbered(1, 3), cohort="a"), *rows(numbered(1, 3), cohort="b")]
    loader.run([head("cohort", "cohort"), *both, state(DONE)])
    found = loader.run([head("cohort", "cohort"), *rows(numbered(1, 4), cohort="a"), state(DONE)])
    assert found.code == 0, found.log
    assert "no row came for b: their members stay as they are" in found.log
    assert (len(loader.members("a")), len(loader.members("b"))) == (4, 3)


def test_a_lost_ledger_does_not_disable_the_guard(loader: Loader) -> None:
    """Without a snapshot, the mirror asks Batch for the size before it replaces members."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    loader.mirror(numbered(1, 10))
    (loader.folder / "work" / "ledger.db").unlink()
    found = loader.mirror(numbered(1, 2))
    assert found.code == 1
    assert "would lose 8 of its 10 members (replace 10 by 2)" in found.log
    assert loader.members() == set(numbered(1, 10))
    assert loader.mirror(numbered(2, 11)).code == 0
    assert loader.members() == set(numbered(2, 11))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"audiences": [], "count": 1, "has_more": True}, id="a list without its next page"),
        pytest.param({"audiences": [], "has_more": True, "next_from": 0}, id="a list that goes round"),
        pytest.param({"audiences": [{}], "has_more": False}, id="an audience without a name"),
    ],
)
def test_a_list_that_cannot_be_trusted_stops_the_mirror(loader: Loader, answer: dict[str, Any]) -> None:
    """An audience that is missing in the list would be taken for a new one and replaced without a guard."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    loader.mirror(numbered(1, 10))
    (loader.folder / "work" / "ledger.db").unlink()
    loader.batch.fault({"answer": {"status": 200, "json": answer}}, path="*/audiences/list*")
    found = loader.mirror(numbered(1, 2))
    assert found.code == 1
    assert "is not one that it documents" in found.log
    assert loader.members() == set(numbered(1, 10))


def test_a_missing_size_stops_the_mirror(loader: Loader) -> None:
    """A missing number of members does not mean zero members."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    loader.mirror(numbered(1, 10))
    (loader.folder / "work" / "ledger.db").unlink()
    answer = {"status": 200, "json": {"name": "vip", "indexing_state": "APPLIED"}}
    loader.batch.fault({"answer": answer}, path="*/audiences/view*")
    found = loader.mirror(numbered(1, 2))
    assert found.code == 1
    assert "does not say how many members" in found.log
    assert loader.members() == set(numbered(1, 10))


def test_an_audience_that_was_deleted_in_batch_gets_all_its_members_again(loader: Loader) -> None:
    """Sending only the differences would leave it with a few members."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    loader.mirror(numbered(1, 10))
    loader.batch.reset()
    found = loader.mirror(numbered(1, 11))
    assert found.code == 0, found.log
    assert "not in Batch any more" in found.log
    assert loader.members() == set(numbered(1, 11))


def test_a_second_mirror_of_the_same_audience_in_a_run_is_refused(loader: Loader) -> None:
    """It would remove the members that the first stream has added."""
    loader.settings = {"streams": {"*_cohort": MIRROR}}
    found = loader.run(
        [
            head("a_cohort"),
            *rows(numbered(1, 5), "a_cohort"),
            head("b_cohort"),
            *rows(numbered(4, 9), "b_cohort"),
            state(DONE),
        ],
        max_audience_shrink=1,
    )
    assert found.code == 1
    assert "stream 'a_cohort' was mirrored to it in this run" in found.log
    assert loader.members() == set(numbered(1, 5))
    assert found.states == []


def test_a_member_whose_row_is_rejected_is_not_removed(loader: Loader) -> None:
    """A rejected row may be about any member that would be removed, even one without an ID."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    columns = ("action",)
    whole = [head("cohort", *columns), *rows(numbered(1, 9), action="add")]
    loader.run([*whole, state(DONE)])
    found = loader.run([*whole[:-1], *rows(["u9"], action="perhaps"), state(DONE)])
    assert found.code == 1
    assert "1 rows were rejected and may be about them" in found.log
    assert loader.members() == set(numbered(1, 9))
    found = loader.run([*whole[:-1], *rows([""], action="add"), state(DONE)])
    assert found.code == 1
    assert loader.members() == set(numbered(1, 9))


def test_only_the_bad_members_of_a_mirror_are_rejected(mirror: Loader) -> None:
    """The first replacement is split like every other call, so that all other members are sent."""
    mirror.batch.fault({"refuse_ids": ["u3", "u40"]})
    found = mirror.mirror(numbered(1, 50))
    assert found.code == 0, found.log
    assert mirror.members() == set(numbered(1, 50)) - {"u3", "u40"}
    assert [row["user_id"] for row in found.rejects("cohort")] == ["u3", "u40"]
    assert found.totals("cohort")["delivered"] == 48


def test_a_bad_member_does_not_stop_later_runs(mirror: Loader) -> None:
    """It is rejected again, although all others are unchanged and no call of the run is accepted."""
    mirror.batch.fault({"refuse_ids": ["u3"]})
    for unchanged in (0, 4, 4):
        found = mirror.mirror(numbered(1, 5))
        assert found.code == 0, found.log
        assert found.states == [DONE]
        counts = found.totals("cohort")
        assert (counts["unchanged"], counts["rejected"]) == (unchanged, 1)


ODD_IDS = [
    "tab\there",
    "back\\slash",
    "\\N",
    "\\.",
    "it's",
    'a"quote',
    "%(a)s",
    "\U0001f600" * 512,
    "{a,b}",
    "\x01",
]


def test_odd_ids_are_stored_unchanged_in_every_ledger(mirror: Loader) -> None:
    """Characters with a meaning in a database's formats are ordinary characters of an ID."""
    for wanted, delivered in ((ODD_IDS, 10), (ODD_IDS, 0), (ODD_IDS[1:], 0)):
        found = mirror.mirror([*wanted, *wanted])
        assert found.code == 0, found.log
        assert mirror.members() == set(wanted)
        counts = found.totals("cohort")
        assert (counts["delivered"], counts["merged"]) == (2 * delivered, delivered)
        assert counts["unchanged"] == 2 * (len(wanted) - delivered)


def test_a_member_whose_attributes_changed_is_sent_again(loader: Loader) -> None:
    loader.settings = {"streams": {"cohort": {**MIRROR, "attributes": {"tier": "tier"}}}}
    columns = [head("cohort", "tier")]
    loader.run([*columns, *rows(numbered(1, 3), tier="gold"), state(DONE)])
    before = len(loader.calls())
    found = loader.run([*columns, *rows(["u1", "u2"], tier="gold"), *rows(["u3"], tier="tin"), state(DONE)])
    assert found.code == 0, found.log
    assert loader.calls()[before:] == [("update", 1)]
    page = loader.batch.get("audiences/project/vip")
    assert {row["id"]: row["attributes"]["tier"] for row in page["ids"]} == {
        "u1": "gold",
        "u2": "gold",
        "u3": "tin",
    }


def test_a_mirror_is_refused_after_a_signal(loader: Loader) -> None:
    """A stopped run has not read the whole stream, even if a STATE was read last."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    loader.mirror(numbered(1, 8))
    process = loader.cold()
    feed(process, cohort(numbered(1, 6)))
    wait_for(lambda: loader.staged() == 1)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    assert process.returncode == 1
    assert NOT_PROVEN in log.decode()
    assert loader.members() == set(numbered(1, 8))


def test_a_mirror_is_refused_while_another_run_mirrors_the_same_audience(mirror: Loader) -> None:
    """It succeeds once the other run has ended."""
    mirror.mirror(numbered(1, 8))
    mirror.batch.fault({"delay": 2}, path="*/audiences/update", times=1)
    process = mirror.cold()
    feed(process, cohort(numbered(3, 9)), end=True)
    wait_for(mirror.batch.hits)
    found = mirror.mirror(numbered(2, 9))
    assert found.code == 1
    assert "another run is mirroring it" in found.log
    assert process.wait(30) == 0
    kill(process)
    assert mirror.members() == set(numbered(3, 9))
    assert mirror.mirror(numbered(2, 9)).code == 0
    assert mirror.members() == set(numbered(2, 9))


def test_the_setting_complete_at_accepts_the_end_of_the_input_as_proof(loader: Loader) -> None:
    """Taps of the SDK write a STATE every 10,000 records, but not at the end of a full table."""
    lines = [*cohort(numbered(1, 9)), *rows(["u10"])]
    loader.settings = {"streams": {"cohort": MIRROR}}
    refused = loader.run(lines)
    assert refused.code == 1
    assert "`streams.cohort.complete_at` to `end_of_input`" in refused.log
    assert loader.members() == set()
    loader.settings = {"streams": {"cohort": {**MIRROR, "complete_at": "end_of_input"}}}
    found = loader.run(lines)
    assert found.code == 0, found.log
    assert loader.members() == {f"u{n}" for n in range(1, 11)}
    assert (found.totals("cohort")["added"], found.totals("cohort").get("removed")) == (10, 0)


def test_activate_version_proves_a_renamed_stream_complete(loader: Loader) -> None:
    """ACTIVATE_VERSION has the stream's name before the stream map."""
    version = '{"type":"ACTIVATE_VERSION","stream":"cohort","version":1}'
    loader.settings = {
        "streams": {"renamed": MIRROR},
        "stream_maps": {"cohort": {"__alias__": "renamed"}},
    }
    found = loader.run([*cohort(numbered(1, 3))[:-1], version])
    assert found.code == 0, found.log
    assert loader.members() == {"u1", "u2", "u3"}


def test_no_call_of_a_mirror_exceeds_the_size_limit_of_batch(loader: Loader) -> None:
    """With long IDs and large attributes, the local Batch would answer 413."""
    attributes = {f"text_{number}": "\u00e9" * 300 for number in range(15)}
    ids = ["\u00e9" * 450 + str(number) for number in range(700)]
    options = {"audience": "vip", "mode": "mirror", "attributes": {name: name for name in attributes}}
    rich = [head("cohort", *attributes), *rows(ids, **attributes), state(DONE)]
    for lines in (rich, cohort(["u1"])):
        found = loader.run(lines, streams={"cohort": options}, max_audience_shrink=1)
        assert found.code == 0, found.log
    assert loader.members() == {"u1"}
    answered = [(request["endpoint"], request["status"]) for request in loader.batch.requests()]
    assert {status for _, status in answered} == {200, 202}
    assert answered.count(("audiences/update", 202)) > 1


def test_a_run_lists_the_audiences_once_for_all_its_mirrors(loader: Loader) -> None:
    streams = ("a", "b", "c")
    loader.settings = {
        "streams": {
            name: {"kind": "audiences", "mode": "mirror", "audience": f"of_{name}"} for name in streams
        }
    }
    lines = [line for name in streams for line in (head(stream=name), *rows(numbered(1, 5), stream=name))]
    found = loader.run([*lines, state(DONE)])
    assert found.code == 0, found.log
    assert len(loader.calls("list")) == 1


def test_a_mirror_is_refused_if_too_large_a_share_of_its_rows_is_rejected(loader: Loader) -> None:
    """The run stops before it changes the audience."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    found = loader.run(
        [head(), *rows(numbered(1, 400)), *[record("cohort", user_id=None)] * 800, state(DONE)]
    )
    assert (found.code, found.states) == (1, []), found.log
    assert "max_rejected_share" in found.log
    assert not loader.calls("replace")
