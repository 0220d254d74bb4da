"""Every record has exactly one fate, and every refusal is written to the rejects."""

from __future__ import annotations

from typing import Any

import pytest

from target_batch.batch_api.answers import Refusal
from target_batch.common.errors import DeliveryError
from target_batch.common.operations import Origin, Ticket
from target_batch.common.reasons import Issue, Reason
from target_batch.delivery.fates import BREAKER_AFTER, Fates
from target_batch.singer.messages import record_in, record_line


class Kept:
    """Rejects in memory: (line, properties with an issue, whole, replay)."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, tuple[str | None, ...], bool, bool]] = []

    def write(self, ticket: Ticket, issues: Any, *, whole: bool, replay: bool) -> None:
        """Keep one reject."""
        self.rows.append((ticket.line, tuple(issue.property for issue in issues), whole, replay))


class World:
    """Fates of one stream whose property `Plan` feeds the attribute `plan`."""

    def __init__(self, kept: Kept | None = None) -> None:
        self.kept = kept or Kept()
        self.fates = Fates(self.kept, 0.5)
        self.tally = self.fates.tally("users")
        self.origin = Origin(
            "users",
            {},
            (),
            ("id",),
            lambda attribute: ("Plan",) if attribute == "plan" else (),
            record_in,
            self.tally,
            sets=lambda record: frozenset({"plan"} if record.get("Plan") is not None else ()),
        )

    def ticket(self, line: int, **record: Any) -> Ticket:
        """Make a ticket of a record."""
        self.tally.read += 1
        return Ticket(self.origin, line, record_line({"id": "a", **record}))


def test_the_records_of_one_entry_are_delivered_and_all_but_the_first_count_as_merged() -> None:
    world = World()
    world.fates.delivered([world.ticket(1), world.ticket(2), world.ticket(3)])
    assert (world.tally.delivered, world.tally.merged, world.tally.undelivered) == (3, 2, 0)


def test_a_refusal_without_an_attribute_rejects_every_record_of_the_entry() -> None:
    world = World()
    world.fates.refused([world.ticket(1), world.ticket(2)], [Refusal("no")])
    assert world.tally.rejected == 2
    assert world.kept.rows == [(1, (None,), True, True), (2, (None,), True, True)]


def test_events_refused_without_an_attribute_must_not_be_sent_again() -> None:
    """The refusal does not name an event, so even a single event may have been applied."""
    world = World()
    world.fates.refused([world.ticket(1), world.ticket(2)], [Refusal("no")], named=["bought", "bought"])
    world.fates.refused([world.ticket(3)], [Refusal("no")], named=["bought"])
    assert [row[3] for row in world.kept.rows] == [False, False, False]


def test_an_event_whose_call_was_refused_as_a_whole_may_be_sent_again() -> None:
    """Batch did not apply anything of that call."""
    world = World()
    world.fates.refused([world.ticket(1)], [Refusal("no", alone=True)], named=["bought"])
    assert world.kept.rows == [(1, (None,), True, True)]


def test_a_refused_name_of_both_an_attribute_and_an_event_does_not_repeat_the_event() -> None:
    """Batch may have refused either: both are written to the rejects, and the event may have been applied."""
    world = World()
    tickets = [world.ticket(1, Plan="x"), world.ticket(2)]
    world.fates.refused(tickets, [Refusal("odd", "plan")], named=["", "plan"])
    assert sorted(world.kept.rows) == [(1, ("Plan",), False, False), (2, ("Plan",), True, False)]
    assert (world.tally.delivered, world.tally.rejected) == (1, 1)


def test_a_refused_attribute_of_an_event_rejects_the_event() -> None:
    """Batch does not say whether an event whose attribute it refuses is applied without it."""
    world = World()
    tickets = [world.ticket(1), world.ticket(2, Plan="x")]
    properties = [set(), {"plan"}]
    world.fates.refused(tickets, [Refusal("odd", "plan")], named=["", "bought"], properties=properties)
    assert world.kept.rows == [(2, ("Plan",), True, False)]
    assert (world.tally.delivered, world.tally.rejected) == (1, 1)


@pytest.mark.parametrize("category", [None, "event", "attribute"])
def test_a_refused_attribute_of_both_the_profile_and_an_event_rejects_the_event_too(
    category: str | None,
) -> None:
    """Batch does not document the values of `category`, so no value proves that the event was applied."""
    world = World()
    tickets = [world.ticket(1, Plan="x"), world.ticket(2, Plan="y")]
    properties = [set(), {"plan"}]
    refusal = Refusal("odd", "plan", category)
    world.fates.refused(tickets, [refusal], named=["", "bought"], properties=properties)
    assert sorted(world.kept.rows) == [(1, ("Plan",), False, False), (2, ("Plan",), True, False)]
    assert (world.tally.delivered, world.tally.rejected) == (1, 1)


@pytest.mark.parametrize("refusal", [Refusal("no", alone=True), Refusal("late", "bought")])
def test_after_a_lost_answer_no_refused_event_is_sent_again(refusal: Refusal) -> None:
    """The earlier attempt may have applied the event. A record with attributes only can be sent again."""
    world = World()
    world.fates.refused([world.ticket(1)], [refusal], named=["bought"], doubted=True)
    world.fates.refused([world.ticket(2, Plan="x")], [Refusal("odd", "plan")], doubted=True)
    assert world.kept.rows == [(1, (None,), True, False), (2, ("Plan",), False, True)]


def test_a_refused_attribute_is_traced_to_the_last_record_that_set_it() -> None:
    world = World()
    tickets = [world.ticket(1, Plan="x"), world.ticket(2, Plan="y"), world.ticket(3)]
    world.fates.refused(tickets, [Refusal("too odd", "plan")])
    assert world.kept.rows == [(2, ("Plan",), False, True)]
    assert (world.tally.delivered, world.tally.rejected) == (3, 0)
    assert world.tally.reasons == {"refused_by_batch": 1}


def test_a_refused_event_rejects_only_its_own_record() -> None:
    """If an error names an event, the attributes and the other events were applied."""
    world = World()
    tickets = [world.ticket(1), world.ticket(2), world.ticket(3)]
    world.fates.refused(tickets, [Refusal("late", "bought")], named=["viewed", "bought", ""])
    assert world.kept.rows == [(2, (None,), True, True)]
    assert (world.tally.delivered, world.tally.rejected) == (2, 1)


def test_a_refused_name_of_two_events_rejects_both_and_repeats_neither() -> None:
    world = World()
    world.fates.refused([world.ticket(1), world.ticket(2)], [Refusal("late", "bought")], named=["bought"] * 2)
    assert [row[3] for row in world.kept.rows] == [False, False]
    assert world.tally.rejected == 2


def test_a_refused_attribute_that_no_record_set_rejects_the_whole_entry() -> None:
    world = World()
    world.fates.refused([world.ticket(1)], [Refusal("?", "unheard_of")])
    assert world.tally.rejected == 1


TOO_OLD = Issue(Reason.EVENT_OUTSIDE_WINDOW)
NO_CUSTOM_ID = Issue(Reason.MISSING_CUSTOM_ID)


def test_the_run_stops_when_too_large_a_share_of_a_stream_is_rejected() -> None:
    """Records refused by Batch count towards the share, like those rejected by the mapping."""
    world = World()
    for line in range(BREAKER_AFTER // 2):
        world.fates.delivered([world.ticket(line)])
        world.fates.rejected(world.ticket(line), (NO_CUSTOM_ID,))
    assert world.fates.tripped() is None
    world.fates.refused([world.ticket(0)], [Refusal("no")])
    assert "max_rejected_share" in str(world.fates.tripped())
    assert "`missing_custom_id`" in str(world.fates.tripped())


def test_records_rejected_for_their_own_data_never_stop_the_run() -> None:
    world = World()
    for line in range(BREAKER_AFTER * 2):
        world.fates.rejected(world.ticket(line), (TOO_OLD,))
    world.fates.look_back()
    assert world.fates.tripped() is None


def test_the_run_stops_at_its_end_if_nothing_of_a_short_stream_could_be_sent() -> None:
    world = World()
    world.fates.ignored("users", "deleted_at_source")
    world.tally.read += 1
    world.fates.rejected(world.ticket(1), (NO_CUSTOM_ID,))
    assert world.fates.tripped() is None
    with pytest.raises(DeliveryError, match="max_rejected_share"):
        world.fates.look_back()


def test_the_run_does_not_stop_if_something_of_a_short_stream_was_sent() -> None:
    world = World()
    world.fates.rejected(world.ticket(1), (NO_CUSTOM_ID,))
    world.fates.delivered([world.ticket(2)])
    world.fates.look_back()


def test_a_reject_counts_only_once_it_is_on_disk() -> None:
    class Full(Kept):
        def write(self, ticket: Ticket, issues: Any, *, whole: bool, replay: bool) -> None:
            raise DeliveryError("full")

    world = World(Full())
    for settle in (world.fates.rejected, world.fates.went_without):
        with pytest.raises(DeliveryError):
            settle(world.ticket(1), (NO_CUSTOM_ID,))
    assert (world.tally.rejected, world.tally.reasons) == (0, {})


def test_a_record_that_was_not_settled_is_undelivered() -> None:
    world = World()
    world.ticket(1)
    assert world.tally.undelivered == 1
