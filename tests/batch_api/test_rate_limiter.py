"""The rate limiter keeps to the documented rates, and a 429 lowers its rate for a while."""

from __future__ import annotations

import math
import threading
from operator import itemgetter

import pytest
from fake_clock import FakeClock
from hypothesis import given
from hypothesis import strategies as st

from target_batch.batch_api.rate_limiter import SENT_ROOM, WINDOW_ROOM, Grant, RateLimiter
from target_batch.common.limits import MASS_UPDATE_RATE, OTHER_RATE, UPDATE_RATE, Rate


def never() -> float:
    """Set no deadline."""
    return math.inf


def send(limiter: RateLimiter, cost: int) -> None:
    """Wait for a grant and send at once."""
    grant = limiter.acquire(cost, never)
    assert grant
    limiter.sent(grant)


def seconds_for(rate: Rate, cost: int, times: int) -> float:
    """Return the seconds that `times` requests of `cost` take at a rate."""
    clock = FakeClock()
    limiter = RateLimiter(rate, clock, largest=cost)
    for _ in range(times):
        send(limiter, cost)
    return clock.now - 1000.0


def most_within(moments: list[tuple[float, int]], seconds: float) -> int:
    """Return the most units that arrived in any period of this length."""
    return max(sum(cost for at, cost in moments if start <= at < start + seconds) for start, _ in moments)


COSTS = st.lists(st.integers(1, 2500), min_size=1, max_size=80)


@given(COSTS, st.lists(st.sampled_from([0.0, 0.0, 0.01, 0.4, 3.0]), min_size=80, max_size=80))
def test_mass_updates_never_exceed_their_limit_in_any_second(costs: list[int], pauses: list[float]) -> None:
    """There is no burst, not even at the start, for calls of any size at any time."""
    clock = FakeClock()
    limiter = RateLimiter(MASS_UPDATE_RATE, clock, largest=2500)
    moments = []
    for cost, pause in zip(costs, pauses, strict=False):
        clock.now += pause
        send(limiter, cost)
        moments.append((clock.now, cost))
    assert most_within(moments, 1.0 + WINDOW_ROOM) <= 10_000


@given(
    st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(0.0, 1.0)), min_size=16, max_size=16),
    st.sampled_from([2500, 2000, 700]),
)
def test_a_request_that_is_sent_late_counts_from_then(delays: list[tuple[float, float]], cost: int) -> None:
    """A slow connection or a large body delays a call, but no second exceeds the limit in spite of that.

    Meanwhile other calls are granted and sent. A call arrives between its grant and its last byte.
    """
    clock = FakeClock()
    limiter = RateLimiter(MASS_UPDATE_RATE, clock, largest=2500)
    under_way: list[tuple[float, float, Grant]] = []
    moments = []

    def leave_until(now: float) -> None:
        for ends, arrives, grant in sorted(under_way, key=itemgetter(0)):
            if ends <= now:
                clock.now = ends
                limiter.sent(grant)
                under_way.remove((ends, arrives, grant))
                moments.append((arrives, cost))
        clock.now = now

    clock.sleep = lambda seconds: leave_until(clock.now + seconds)  # type: ignore[method-assign]
    for delay, share in delays:
        grant = limiter.acquire(cost, never)
        assert grant
        under_way.append((clock.now + delay, clock.now + delay * share, grant))
    leave_until(clock.now + 3)
    assert len(moments) == len(delays)
    assert most_within(moments, 1.0 + SENT_ROOM / 2) <= 10_000


@pytest.mark.parametrize("cost", [500, 2500, 5000])
def test_mass_updates_reach_97_percent_of_their_rate(cost: int) -> None:
    seconds = seconds_for(MASS_UPDATE_RATE, cost, 300_000 // cost)
    assert 0.97 <= (300_000 - cost) / 10_000 / seconds <= 1.0


def test_updates_reach_their_rate_after_the_burst() -> None:
    """30,000 custom IDs take 100 seconds at 300 a second, less the used part of the burst."""
    assert 97 <= seconds_for(UPDATE_RATE, 200, 150) <= 100


def test_audiences_get_one_request_a_second() -> None:
    assert 9.1 <= seconds_for(OTHER_RATE, 1, 10) <= 9.4


def test_a_lowered_rate_has_no_burst() -> None:
    """The rest of the quota is left to live traffic in every second, not only on average."""
    assert 5.5 <= seconds_for(Rate(100, 100), 50, 12) <= 5.7
    assert 18.0 <= seconds_for(Rate(0.5, 1), 1, 10) <= 18.6


def test_a_request_beyond_the_limit_of_one_second_is_followed_by_a_pause() -> None:
    """It is granted alone, and the next request waits as long as the rate requires."""
    clock = FakeClock()
    limiter = RateLimiter(Rate(100, 100), clock, largest=250)
    send(limiter, 250)
    before = clock.now
    send(limiter, 1)
    assert clock.now - before >= 2.5


def test_without_a_limit_requests_do_not_wait() -> None:
    assert seconds_for(Rate(math.inf, math.inf), 10_000, 1000) == 0


def test_a_429_pauses_and_lowers_the_rate_which_recovers_later() -> None:
    """No request is granted for as long as Batch asked; then the rate is lower and rises again."""
    clock = FakeClock()
    limiter = RateLimiter(UPDATE_RATE, clock, largest=200)
    limiter.throttled(after=5.0)
    before = clock.now
    send(limiter, 1)
    assert clock.now - before >= 5.0
    assert limiter.per_second < 300
    clock.now += 120
    send(limiter, 1)
    assert limiter.per_second == 300


def test_several_429_at_once_lower_the_rate_once() -> None:
    """Six threads that get a 429 at the same time lower the rate once, not six times."""
    clock = FakeClock()
    limiter = RateLimiter(UPDATE_RATE, clock, largest=200)
    for _ in range(6):
        limiter.throttled(after=2.0)
    assert limiter.per_second == 240


def test_waiting_for_a_grant_ends_at_the_deadline() -> None:
    """A request is not sent after its deadline."""
    clock = FakeClock()
    limiter = RateLimiter(Rate(1, 1), clock)
    assert limiter.acquire(1, never)
    limiter.throttled(after=100.0)
    assert not limiter.acquire(1, lambda: 1003.0)
    assert clock.now < 1004


class HeldClock(FakeClock):
    """A clock that only the test moves; it counts the waits that began and wakes them when it moves."""

    def __init__(self) -> None:
        super().__init__()
        self.moved = threading.Condition()
        self.waits_begun = threading.Semaphore(0)

    def sleep(self, seconds: float) -> None:
        """Wait until the clock has moved on by `seconds`."""
        with self.moved:
            until = self.now + seconds
            self.waits_begun.release()
            self.moved.wait_for(lambda: self.now >= until, timeout=30)

    def move(self, seconds: float) -> None:
        """Move the clock on."""
        with self.moved:
            self.now += seconds
            self.moved.notify_all()


def test_grants_are_given_in_the_order_of_the_requests() -> None:
    """Otherwise a request that is overtaken again and again would hold the state."""
    clock = HeldClock()
    limiter = RateLimiter(Rate(100, 100), clock, largest=100)
    send(limiter, 100)
    granted: list[int] = []

    def ask(number: int) -> None:
        send(limiter, 50 if number % 2 else 10)
        granted.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
        assert clock.waits_begun.acquire(timeout=30)
    while any(thread.is_alive() for thread in threads):
        clock.move(0.01)
        for thread in threads:
            thread.join(0.001)
    assert granted == list(range(8))
