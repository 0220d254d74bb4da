"""The pace: documented rates, shared, lowered by a 429 and recovered afterwards."""

from __future__ import annotations

import math
import threading

from fake_clock import FakeClock

from target_batch.batch_api.limits import MASS_UPDATE_RATE, OTHER_RATE, UPDATE_RATE, Rate
from target_batch.batch_api.rate_limiter import Pacer


def never() -> float:
    """Wait for as long as it takes."""
    return math.inf


def seconds_for(rate: Rate, cost: int, times: int) -> float:
    """Return the time that `times` requests of `cost` take at a rate."""
    clock = FakeClock()
    pacer = Pacer(rate, clock, largest=cost)
    for _ in range(times):
        pacer.acquire(cost, never)
    return clock.now - 1000.0


def test_mass_updates_flow_at_their_rate() -> None:
    """60 requests of 5,000 need 30 seconds, less the one that the full bucket grants."""
    assert 29 <= seconds_for(MASS_UPDATE_RATE, 5000, 60) <= 30


def test_updates_flow_at_their_rate_after_the_burst() -> None:
    """30,000 custom IDs at 300 a second, less the used part of the burst."""
    assert 97 <= seconds_for(UPDATE_RATE, 200, 150) <= 100


def test_what_has_no_burst_keeps_a_little_distance() -> None:
    """One request a second has no room for jitter: 1 % of it is left."""
    assert 9.05 <= seconds_for(OTHER_RATE, 1, 10) <= 9.2


def test_what_has_no_burst_counts_from_the_answer() -> None:
    """Batch may have seen a request late: the next one keeps its distance from that, up to a point."""
    clock = FakeClock()
    pacer = Pacer(OTHER_RATE, clock)
    for answered_after, distance in ((0.05, 1.06), (2.0, 2.0)):
        pacer.acquire(1, never)
        sent = clock.now
        clock.now += answered_after
        pacer.answered()
        pacer.acquire(1, never)
        assert distance <= clock.now - sent <= distance + 0.1
        clock.now += 5


def test_a_429_silences_and_slows_and_time_heals() -> None:
    """Nothing leaves for as long as Batch asked; then the pace is lower and climbs back."""
    clock = FakeClock()
    pacer = Pacer(UPDATE_RATE, clock, largest=200)
    pacer.throttled(after=5.0)
    before = clock.now
    pacer.acquire(1, never)
    assert clock.now - before >= 5.0
    assert pacer.per_second < 300
    clock.now += 120
    pacer.acquire(1, never)
    assert pacer.per_second == 300


def test_a_storm_of_429_counts_once_a_pause() -> None:
    """Six threads that get a 429 together slow the pace once, not six times."""
    clock = FakeClock()
    pacer = Pacer(UPDATE_RATE, clock, largest=200)
    for _ in range(6):
        pacer.throttled(after=2.0)
    assert pacer.per_second == 180


def test_waiting_ends_when_it_is_given_up() -> None:
    """A request whose time is over is not sent."""
    clock = FakeClock()
    pacer = Pacer(Rate(1, 1), clock)
    assert pacer.acquire(1, never)
    pacer.throttled(after=100.0)
    assert not pacer.acquire(1, lambda: 1003.0)
    assert clock.now < 1004


class HeldClock(FakeClock):
    """Time that only the test moves on; whoever waits tells it, and wakes when it moves."""

    def __init__(self) -> None:
        super().__init__()
        self.moved = threading.Condition()
        self.waits_begun = threading.Semaphore(0)

    def sleep(self, seconds: float) -> None:
        """Wait until the time is there."""
        with self.moved:
            until = self.now + seconds
            self.waits_begun.release()
            self.moved.wait_for(lambda: self.now >= until, timeout=30)

    def move(self, seconds: float) -> None:
        """Let time pass."""
        with self.moved:
            self.now += seconds
            self.moved.notify_all()


def test_who_asked_first_is_granted_first() -> None:
    """However the waiting threads wake up: one that is overtaken again and again would hold the state."""
    clock = HeldClock()
    pacer = Pacer(Rate(100, 100), clock, largest=50)
    assert pacer.acquire(50, never)
    granted: list[int] = []

    def ask(number: int) -> None:
        pacer.acquire(50 if number % 2 else 10, never)
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
