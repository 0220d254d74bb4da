"""When the index is asked for, and what its answer confirms."""

from __future__ import annotations

from typing import Any, cast

import pytest
from fake_clock import FakeClock

from target_batch.batch_api.audiences import Look
from target_batch.common.clock import Stop
from target_batch.common.errors import DeliveryError
from target_batch.delivery.audience_requests import Parcel
from target_batch.delivery.index_polling import Patience
from target_batch.delivery.indexing import BESIDE_CALLS, Index, Where

DONE = Look(indexed=True, members=1, state="APPLIED")
NOT_YET = Look(indexed=False, members=1, state="IN_PROGRESS")
VIP, BIG = (Where(cast("Any", None), name) for name in ("vip", "big"))


class World:
    """An index on a clock that only the test moves."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.stop = Stop(self.clock)
        self.index = Index(Patience(self.clock, 900, self.stop))

    def accept(self, where: Where, token: str) -> Parcel:
        """Have a call accepted."""
        parcel = Parcel([], [], 1)
        self.index.accepted(where, token, parcel)
        return parcel


@pytest.fixture
def world() -> World:
    """Nothing is accepted yet."""
    return World()


def test_an_answer_confirms_its_call_and_those_before_it(world: World) -> None:
    first, second = world.accept(VIP, "t1"), world.accept(VIP, "t2")
    assert world.index.due(busy=False) == (VIP, "t2")
    third = world.accept(VIP, "t3")
    assert world.index.seen(VIP, "t2", DONE) == [first, second]
    assert world.index
    assert world.index.due(busy=False) == (VIP, "t3")
    assert world.index.seen(VIP, "t3", DONE) == [third]
    assert not world.index
    assert world.index.due(busy=False) is None


def test_beside_changes_the_index_is_asked_for_now_and_then(world: World) -> None:
    """And for the same call until that is done: a newer one would be too young each time."""
    world.accept(BIG, "b1")
    world.clock.sleep(BESIDE_CALLS - 1)
    world.accept(VIP, "t1")
    assert world.index.due(busy=True) is None
    world.clock.sleep(1)
    assert world.index.due(busy=True) == (BIG, "b1")
    world.accept(BIG, "b2")
    assert world.index.seen(BIG, "b1", NOT_YET) == []
    assert world.index.due(busy=True) is None
    world.clock.sleep(BESIDE_CALLS)
    assert world.index.due(busy=True) == (BIG, "b1")
    assert len(world.index.seen(BIG, "b1", DONE)) == 1
    world.clock.sleep(BESIDE_CALLS)
    assert world.index.due(busy=True) == (VIP, "t1"), "the oldest one"


def test_pauses_grow_with_the_time_waited(world: World) -> None:
    world.accept(VIP, "t1")
    world.clock.sleep(20)
    assert world.index.due(busy=False) == (VIP, "t1")
    world.index.seen(VIP, "t1", NOT_YET)
    assert world.index.due(busy=False) is None
    assert world.index.next_poll == world.clock.monotonic() + 2
    world.clock.sleep(2)
    assert world.index.due(busy=False) == (VIP, "t1")


def test_the_time_limit_counts_from_the_oldest_call(world: World) -> None:
    """New calls do not buy an index that hangs more time."""
    world.accept(VIP, "t1")
    world.clock.sleep(890)
    world.accept(VIP, "t2")
    assert world.index.due(busy=False) == (VIP, "t2")
    world.index.seen(VIP, "t2", NOT_YET)
    world.clock.sleep(11)
    world.index.due(busy=False)
    with pytest.raises(DeliveryError, match="max_indexing_seconds"):
        world.index.seen(VIP, "t2", NOT_YET)
