"""When the index of an audience is polled, and which requests its answer confirms."""

from __future__ import annotations

from typing import Any, cast

import pytest
from fake_clock import FakeClock

from target_batch.batch_api.audiences import Look
from target_batch.common.clock import Stop
from target_batch.common.errors import DeliveryError
from target_batch.delivery.audiences import (
    BESIDE_CALLS,
    Audience,
    AudienceRequest,
    IndexPolling,
    PollTiming,
)

DONE = Look(indexed=True, members=1, state="APPLIED")
NOT_YET = Look(indexed=False, members=1, state="IN_PROGRESS")
VIP, BIG = (Audience(cast("Any", None), name) for name in ("vip", "big"))


class World:
    """Index polling on a clock that only the test moves."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.stop = Stop(self.clock)
        self.polling = IndexPolling(PollTiming(self.clock, 900, self.stop))

    def accept(self, audience: Audience, token: str) -> AudienceRequest:
        """Add an accepted request."""
        request = AudienceRequest([], [], 1)
        self.polling.accepted(audience, token, request)
        return request

    def due(self, *, busy: bool) -> tuple[Audience, str] | None:
        """Return what is asked for now."""
        return self.polling.due(busy=busy)

    def seen(self, audience: Audience, look: Look) -> list[AudienceRequest]:
        """Have the last question answered."""
        return self.polling.seen(audience, look)


@pytest.fixture
def world() -> World:
    """A world without accepted requests."""
    return World()


def test_an_answer_confirms_its_request_and_those_before_it(world: World) -> None:
    first, second = world.accept(VIP, "t1"), world.accept(VIP, "t2")
    assert world.due(busy=False) == (VIP, "t2")
    third = world.accept(VIP, "t3")
    assert world.seen(VIP, DONE) == [first, second]
    assert world.polling
    assert world.due(busy=False) == (VIP, "t3")
    assert world.seen(VIP, DONE) == [third]
    assert not world.polling
    assert world.due(busy=False) is None


def test_without_tokens_an_answer_confirms_the_requests_accepted_before_the_poll(world: World) -> None:
    """The state of an audience is about its last change at that time, not about later ones."""
    first, second = world.accept(VIP, ""), world.accept(VIP, "")
    assert world.due(busy=False) == (VIP, "")
    third = world.accept(VIP, "")
    assert world.seen(VIP, DONE) == [first, second]
    assert world.due(busy=False) == (VIP, "")
    assert world.seen(VIP, DONE) == [third]


def test_between_changes_the_index_is_polled_from_time_to_time(world: World) -> None:
    """The same request is polled until it is indexed, because a newer one would never be old enough."""
    world.accept(BIG, "b1")
    world.clock.sleep(BESIDE_CALLS - 1)
    world.accept(VIP, "t1")
    assert world.due(busy=True) is None
    world.clock.sleep(1)
    assert world.due(busy=True) == (BIG, "b1")
    world.accept(BIG, "b2")
    assert world.seen(BIG, NOT_YET) == []
    assert world.due(busy=True) is None
    world.clock.sleep(BESIDE_CALLS)
    assert world.due(busy=True) == (BIG, "b1")
    assert len(world.seen(BIG, DONE)) == 1
    world.clock.sleep(BESIDE_CALLS)
    assert world.due(busy=True) == (VIP, "t1"), "the oldest request"


def test_pauses_between_polls_grow_with_the_time_waited(world: World) -> None:
    world.accept(VIP, "t1")
    world.clock.sleep(20)
    assert world.due(busy=False) == (VIP, "t1")
    world.seen(VIP, NOT_YET)
    assert world.due(busy=False) is None
    assert world.polling.next_poll == world.clock.monotonic() + 2
    world.clock.sleep(2)
    assert world.due(busy=False) == (VIP, "t1")


def test_the_time_limit_counts_from_the_oldest_request(world: World) -> None:
    """New requests do not extend the limit of an index that hangs."""
    world.accept(VIP, "t1")
    world.clock.sleep(890)
    world.accept(VIP, "t2")
    assert world.due(busy=False) == (VIP, "t2")
    world.seen(VIP, NOT_YET)
    world.clock.sleep(11)
    world.due(busy=False)
    with pytest.raises(DeliveryError, match="max_indexing_seconds"):
        world.seen(VIP, NOT_YET)
