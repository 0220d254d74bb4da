"""Mirror mode, process by process: the stream is the whole truth, and never by accident."""

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
    """More than 10,000 members never lose the first part."""
    found = mirror.mirror(numbered(1, 12_500))
    assert found.code == 0, found.log
    assert found.states == [DONE]
    assert len(mirror.members()) == 12_500
    assert mirror.calls() == [("create", 0), ("replace", 10_000), ("update", 2500)]
    assert found.totals("cohort")["delivered"] == 12_500


def test_later_mirrors_cost_the_differences(mirror: Loader) -> None:
    """The plan is logged before the calls; what is true already is unchanged."""
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


def test_rows_that_say_who_left_are_counted_like_all_others(loader: Loader) -> None:
    """A row with `_sdc_deleted_at` takes its member out; on somebody who is not in it is unchanged."""
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
    """Without proof that the stream was whole the mirror is refused and the state is held."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    loader.mirror(numbered(1, 8))
    found = loader.run([head(), *rows(numbered(1, 6)), *end])
    assert found.code == 1
    assert NOT_PROVEN in found.log
    assert found.states == []
    assert loader.members() == set(numbered(1, 8))


def test_a_line_that_is_cut_off_changes_nothing(loader: Loader) -> None:
    """The tap died while it wrote: exit 1, whatever came before."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    loader.mirror(numbered(1, 8))
    torn = "\n".join([*cohort(numbered(1, 6)), '{"type": "RECORD", "stream": "coh'])
    found = loader.run(torn.encode())
    assert found.code == 1
    assert NOT_PROVEN in found.log
    assert loader.members() == set(numbered(1, 8))


def test_a_state_of_a_later_stream_proves_an_earlier_one(loader: Loader) -> None:
    """Another known stream may be under way; an ACTIVATE_VERSION is proof as well."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    other = [head("other_cohort"), *rows(["a"], "other_cohort"), state({"currently_syncing": "other_cohort"})]
    found = loader.run([head(), *rows(numbered(1, 3)), *other])
    assert found.code == 0, found.log
    assert loader.members() == set(numbered(1, 3))
    activate = '{"type": "ACTIVATE_VERSION", "stream": "cohort", "version": 1}'
    found = loader.run([head(), *rows(numbered(1, 4)), activate])
    assert found.code == 0, found.log
    assert loader.members() == set(numbered(1, 4))


def test_an_empty_stream_removes_nobody_unless_it_may(mirror: Loader) -> None:
    """The guard names its setting, holds the state, and lets the emptying through once it is set."""
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
def test_a_failed_tap_empties_nothing_even_where_emptiness_is_allowed(
    loader: Loader, lines: list[str]
) -> None:
    loader.settings = {"streams": {"cohort": {**MIRROR, "allow_empty": True}}}
    loader.mirror(numbered(1, 4))
    found = loader.run(lines)
    assert found.code == 1, found.log
    assert loader.members() == set(numbered(1, 4))


def test_a_broken_standard_output_does_not_mirror_twice(loader: Loader) -> None:
    """The run is finished once more after an error; by then the rows are gone, and nobody may follow."""
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


def test_one_refused_audience_holds_the_others_of_its_stream(loader: Loader) -> None:
    """All plans are guarded before the first call."""
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


def test_a_lost_ledger_does_not_disarm_the_guard(loader: Loader) -> None:
    """Without a snapshot Batch is asked how many there are before anybody is replaced."""
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
    """An audience that the list leaves out would be taken as new, unguarded, and be replaced."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    loader.mirror(numbered(1, 10))
    (loader.folder / "work" / "ledger.db").unlink()
    loader.batch.fault({"answer": {"status": 200, "json": answer}}, path="*/audiences/list*")
    found = loader.mirror(numbered(1, 2))
    assert found.code == 1
    assert "is not one that it documents" in found.log
    assert loader.members() == set(numbered(1, 10))


def test_a_size_that_is_not_told_stops_the_mirror(loader: Loader) -> None:
    """A missing number of members is not zero members."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    loader.mirror(numbered(1, 10))
    (loader.folder / "work" / "ledger.db").unlink()
    answer = {"status": 200, "json": {"name": "vip", "indexing_state": "APPLIED"}}
    loader.batch.fault({"answer": answer}, path="*/audiences/view*")
    found = loader.mirror(numbered(1, 2))
    assert found.code == 1
    assert "does not say how many members" in found.log
    assert loader.members() == set(numbered(1, 10))


def test_an_audience_that_was_deleted_in_batch_is_made_whole_again(loader: Loader) -> None:
    """The differences alone would leave it with a few members."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    loader.mirror(numbered(1, 10))
    loader.batch.reset()
    found = loader.mirror(numbered(1, 11))
    assert found.code == 0, found.log
    assert "not in Batch any more" in found.log
    assert loader.members() == set(numbered(1, 11))


def test_two_streams_do_not_fight_for_one_audience(loader: Loader) -> None:
    """The second one would remove what the first has added."""
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


def test_rows_that_cannot_be_read_remove_nobody(loader: Loader) -> None:
    """Who is named only in a rejected row must not count as gone; a row without an ID is about nobody."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    columns = ("action",)
    whole = [head("cohort", *columns), *rows(numbered(1, 9), action="add")]
    loader.run([*whole, state(DONE)])
    found = loader.run([*whole[:-1], *rows(["u9"], action="perhaps"), state(DONE)])
    assert found.code == 1
    assert "1 rows were rejected and may be about them" in found.log
    assert loader.members() == set(numbered(1, 9))
    found = loader.run([*whole[:-1], *rows([""], action="add"), state(DONE)])
    assert found.code == 0, found.log
    assert loader.members() == set(numbered(1, 8))


def test_a_guilty_member_costs_only_itself(mirror: Loader) -> None:
    """The first replace is divided like every call: one bad member must not hold back the others."""
    mirror.batch.fault({"refuse_ids": ["u3", "u40"]})
    found = mirror.mirror(numbered(1, 50))
    assert found.code == 0, found.log
    assert mirror.members() == set(numbered(1, 50)) - {"u3", "u40"}
    assert [row["user_id"] for row in found.rejects("cohort")] == ["u3", "u40"]
    assert found.totals("cohort")["delivered"] == 48


def test_a_guilty_member_stops_no_later_night(mirror: Loader) -> None:
    """Nothing else has changed, so nothing is accepted in this run; the member is to blame all the same."""
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


def test_odd_members_are_the_same_in_every_ledger(mirror: Loader) -> None:
    """What means something to a database's own format is but a character of an ID."""
    for wanted, delivered in ((ODD_IDS, 10), (ODD_IDS, 0), (ODD_IDS[1:], 0)):
        found = mirror.mirror([*wanted, *wanted])
        assert found.code == 0, found.log
        assert mirror.members() == set(wanted)
        counts = found.totals("cohort")
        assert (counts["delivered"], counts["merged"]) == (2 * delivered, delivered)
        assert counts["unchanged"] == 2 * (len(wanted) - delivered)


def test_changed_attributes_are_a_difference(loader: Loader) -> None:
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


def test_a_signal_never_commits_a_mirror(loader: Loader) -> None:
    """A run that was told to stop has not seen the whole stream, even where a STATE came last."""
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


def test_a_run_that_is_alive_keeps_others_away(mirror: Loader) -> None:
    """The second one is refused while the first is between its calls, and goes through afterwards."""
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


def test_the_end_of_the_input_proves_a_stream_whose_tap_writes_no_state_behind_it(loader: Loader) -> None:
    """Taps of the SDK write a STATE every 10,000 records, and none at the end of a full table."""
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


def test_proof_counts_for_every_stream_that_a_map_makes(loader: Loader) -> None:
    """ACTIVATE_VERSION comes under the tap's own name."""
    version = '{"type":"ACTIVATE_VERSION","stream":"cohort","version":1}'
    loader.settings = {
        "streams": {"renamed": MIRROR},
        "stream_maps": {"cohort": {"__alias__": "renamed"}},
    }
    found = loader.run([*cohort(numbered(1, 3))[:-1], version])
    assert found.code == 0, found.log
    assert loader.members() == {"u1", "u2", "u3"}


def test_no_call_of_a_mirror_is_larger_than_batch_takes(loader: Loader) -> None:
    """Members with much to say, and IDs that are long: the local Batch would answer 413."""
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


def test_one_list_serves_every_mirror_of_a_run(loader: Loader) -> None:
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


def test_the_breaker_counts_what_a_mirror_rejects(loader: Loader) -> None:
    """Before anything is changed: a stream that is mostly refused is not the whole truth of anything."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    found = loader.run(
        [head(), *rows(numbered(1, 400)), *[record("cohort", user_id=None)] * 800, state(DONE)]
    )
    assert (found.code, found.states) == (1, []), found.log
    assert "max_rejected_share" in found.log
    assert not loader.calls("replace")
