"""Delivery of profiles through a fake sender: order, endpoints, the event window and failures."""

from __future__ import annotations

import json
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from target_batch.batch_api.answers import Refusal
from target_batch.batch_api.bulk import Receipt
from target_batch.common.errors import DeliveryError
from target_batch.common.operations import Origin, ProfileUpdate, Ticket
from target_batch.delivery.fates import Fates
from target_batch.delivery.profiles import MASS_UPDATE_ENTRIES, WAITING_ENTRIES, Policy, ProfileDelivery
from target_batch.singer.messages import record_in, record_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_batch.batch_api.endpoints import BulkEndpoint

NOON = 1_790_000_000.0


class Sender:
    """A fake sender that keeps every call and accepts it, unless `answers` has another receipt for it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[dict[str, Any]]]] = []
        self.answers: dict[int, Receipt] = {}
        self.gate = threading.Event()
        self.gate.set()

    def deliver(self, endpoint: BulkEndpoint, entries: Sequence[bytes], *_: Any) -> Receipt:
        """Record one request and return its receipt."""
        number = len(self.calls)
        self.calls.append((endpoint.route, [json.loads(entry) for entry in entries]))
        self.gate.wait(10)
        return self.answers.get(number, Receipt())

    @property
    def ids(self) -> list[list[str]]:
        """The custom IDs of each request."""
        return [[entry["identifiers"]["custom_id"] for entry in entries] for _, entries in self.calls]


class Kept:
    """Rejects in memory."""

    def __init__(self) -> None:
        self.codes: list[tuple[int, str]] = []

    def write(self, ticket: Ticket, faults: Any, *, whole: bool, replay: bool) -> None:
        """Keep one reject."""
        self.codes += [(ticket.line, fault.reason.code) for fault in faults]


class World:
    """A delivery with its fake sender, its fates and its clock."""

    def __init__(self, **policy: Any) -> None:
        self.sender, self.kept = Sender(), Kept()
        self.fates = Fates(self.kept, 1.0)
        self.now = NOON
        self.delivery = ProfileDelivery(self.sender, self.fates, Policy(**policy), lambda: self.now)  # type: ignore[arg-type]
        self.tally = self.fates.tally("s")
        self.origin = Origin("s", {}, (), (), lambda _: (), record_in, self.tally)
        self.line, self.records_per_line = 0, 1
        self._records = 0

    def put(self, custom_id: str, *events: dict[str, Any], **attributes: Any) -> None:
        """Deliver one record."""
        self._records += 1
        self.line = 1 + (self._records - 1) // self.records_per_line
        self.tally.read += 1
        ticket = Ticket(self.origin, self.line, record_line({"id": custom_id}))
        self.delivery.put(ProfileUpdate(custom_id, attributes, list(events)), ticket)


def test_a_small_drain_goes_to_update_in_requests_of_200() -> None:
    world = World()
    for number in range(450):
        world.put(f"u{number}", x=1)
    world.delivery.finish()
    assert [route for route, _ in world.sender.calls] == ["/profiles/update"] * 3
    assert [len(ids) for ids in world.sender.ids] == [200, 200, 50]
    assert world.tally.delivered == 450


def test_a_large_drain_goes_to_mass_update_and_the_run_stays_there() -> None:
    """A later update must not overtake an earlier one by going through the faster endpoint."""
    world = World()
    for number in range(1001):
        world.put(f"u{number}", x=1)
    world.delivery.flush()
    world.put("u1", x=2)
    world.delivery.finish()
    assert [route for route, _ in world.sender.calls] == ["/profiles/mass-update"] * 2


def test_a_drain_of_events_chooses_the_endpoint_by_its_number_of_ids_too() -> None:
    """The size of a drain is its number of custom IDs, with attributes or events."""
    world = World()
    for number in range(1001):
        world.put(f"u{number}", {"name": "e"})
    world.delivery.finish()
    assert world.sender.calls[0][0] == "/profiles/mass-update"


@pytest.mark.parametrize(("chosen", "most"), [("update", 200), ("mass_update", 2000)])
def test_the_setting_chooses_the_endpoint(chosen: str, most: int) -> None:
    world = World(profile_endpoint=chosen)
    for number in range(5200):
        world.put(f"u{number}", x=1)
    world.delivery.finish()
    assert {route for route, _ in world.sender.calls} == {f"/profiles/{chosen.replace('_', '-')}"}
    assert max(map(len, world.sender.ids)) == most


def test_the_first_request_is_sent_alone() -> None:
    """A wrong key causes one failed request, not one per worker."""
    world = World(profile_endpoint="update")
    world.sender.answers[0] = Receipt(unconfirmed=set(range(200)), failure=DeliveryError("refused"))

    def feed() -> None:
        for number in range(5000):
            world.put(f"u{number}", x=1)

    with pytest.raises(DeliveryError):
        feed()
    assert len(world.sender.calls) == 1
    assert world.delivery.failed
    assert world.delivery.oldest_line() == 1


def test_an_answered_request_does_not_stay_in_memory_while_its_thread_is_idle() -> None:
    """The senders wait for their next request; what they hold until then would add up to many requests."""

    class Job:
        def __call__(self) -> Receipt:
            return Receipt()

    gone, job, world = threading.Event(), Job(), World()
    watched = weakref.ref(job, lambda _: gone.set())
    world.delivery._submit(job, lambda _: None)  # noqa: SLF001 - nothing else shows the thread
    del job
    world.delivery.take_answers(timeout=10)
    assert gone.wait(10), watched


def test_an_id_in_flight_is_not_sent_in_a_second_request() -> None:
    world = World(profile_endpoint="update")
    world.put("first", x=0)
    world.delivery.finish()
    world.sender.gate.clear()
    world.put("a", x=1)
    world.delivery.flush()
    world.put("a", x=2)
    world.put("b", x=1)
    world.delivery.flush()
    world.sender.gate.set()
    world.delivery.finish()
    assert world.sender.ids == [["first"], ["a"], ["b"], ["a"]]


def test_an_event_that_became_too_old_while_waiting_is_rejected() -> None:
    """The time of an event is checked again before it is sent, although it was valid when mapped."""
    world = World()
    world.put("a", {"name": "old", "time": "2026-09-20T14:14:00Z"}, x=1)
    world.put("a", {"name": "new", "time": "2026-09-21T14:00:00Z"})
    world.put("b", {"name": "old", "time": "2026-09-20T14:13:00Z"})
    world.delivery.finish()
    ((_, entries),) = world.sender.calls
    assert [event["name"] for event in entries[0]["events"]] == ["new"]
    assert world.kept.codes == [(1, "event_outside_window"), (3, "event_outside_window")]
    assert (world.tally.delivered, world.tally.rejected, world.tally.undelivered) == (1, 2, 0)


def test_late_as_now_sends_a_late_event_without_its_time() -> None:
    world = World(late_as_now=True)
    world.put("a", {"name": "old", "time": "2026-09-20T14:13:00Z"})
    world.delivery.finish()
    assert world.sender.calls[0][1][0]["events"] == [{"name": "old"}]


def test_an_error_while_a_request_is_prepared_holds_the_state() -> None:
    """The records of a request that was cut but not sent are still unconfirmed."""

    class BrokenMemory:
        """A ledger that cannot be reached."""

        def claim(self, _: Any) -> None:
            raise DeliveryError("The ledger is gone.")

    world = World()
    world.delivery._memory = BrokenMemory()  # type: ignore[assignment]  # noqa: SLF001 - a ledger that fails
    world.put("a", x=1)
    with pytest.raises(DeliveryError):
        world.delivery.flush()
    assert world.delivery.oldest_line() == 1


def test_an_id_can_be_sent_again_after_its_entry_was_refused() -> None:
    world = World()
    world.sender.answers[0] = Receipt(refused={0: (Refusal("no"),)})
    world.put("a", x=1)
    world.delivery.flush()
    world.put("a", x=2)
    world.delivery.finish()
    assert world.sender.ids == [["a"], ["a"]]
    assert (world.tally.delivered, world.tally.rejected) == (1, 1)


@pytest.mark.parametrize("records_per_line", [1, 10_000], ids=["RECORD", "BATCH"])
def test_confirmed_records_do_not_run_far_ahead_of_an_unconfirmed_one(records_per_line: int) -> None:
    """While one request hangs, the others go on for one checkpoint, so a crash repeats no more than that.

    All rows of a BATCH message count as its line, so lines do not tell how far the run is.
    """
    world = World(profile_endpoint="update", most_ahead=300)
    world.records_per_line = records_per_line
    world.put("first", x=0)
    world.delivery.finish()
    slow, deliver = threading.Event(), world.sender.deliver

    def deliver_slowly(endpoint: BulkEndpoint, entries: Sequence[bytes], *_: Any) -> Receipt:
        if b'"u0"' in entries[0]:
            slow.wait(10)
        return deliver(endpoint, entries)

    world.sender.deliver = deliver_slowly  # type: ignore[method-assign]

    def feed() -> None:
        for number in range(3000):
            world.put(f"u{number}", x=1)
        world.delivery.finish()

    feeding = threading.Thread(target=feed)
    feeding.start()
    feeding.join(1.0)
    ahead = sum(map(len, world.sender.ids)) - 1
    slow.set()
    feeding.join(10)
    assert ahead <= 300 + 7 * 200
    assert world.tally.delivered == 3001


def test_reading_pauses_while_too_much_waits_behind_ids_in_flight() -> None:
    """Ids that come again and again are never ready, so no request is made that would limit them."""
    world = World()
    world.put("first", x=0)
    world.delivery.finish()
    world.sender.gate.clear()
    ids = [f"u{number}" for number in range(6 * MASS_UPDATE_ENTRIES)]

    def feed() -> None:
        for custom_id in (*ids, *ids):
            world.put(custom_id, x={"$add": ["y"]})
        world.delivery.finish()

    feeding = threading.Thread(target=feed)
    feeding.start()
    feeding.join(1.0)
    waiting = world.delivery._buffer.entries  # noqa: SLF001 - what waits cannot be seen from outside
    world.sender.gate.set()
    feeding.join(20)
    assert waiting <= WAITING_ENTRIES
    assert world.tally.delivered == 1 + 2 * len(ids)
