"""One call, from the first attempt to the verdict: rate limited, retried with full jitter, counted."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Final

from target_batch.batch_api.answers import (
    Accepted,
    Answer,
    Denied,
    Retry,
    Verdict,
    batch_time,
    leaves_doubt,
)
from target_batch.batch_api.circuit_breaker import CircuitBreaker, ceilings
from target_batch.batch_api.transport import Transport, TransportError
from target_batch.common.plain_text import duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests.auth import AuthBase

    from target_batch.batch_api.dry_run import DryTransport
    from target_batch.batch_api.rate_limiter import RateLimiter
    from target_batch.batch_api.transport import Call
    from target_batch.common.clock import Clock, Stop

THROTTLED_PAUSE: Final = 2.0
"""Seconds to pause after a 429 without `Retry-After`: "wait a few seconds" [doc]."""

CLOCK_TOLERANCE: Final = 60.0
"""Seconds by which the machine's clock may differ from Batch's before a warning."""

STOPPED: Final = Retry("the run ended before it was sent", ambiguous=False)
PAUSED: Final = Retry(
    "not sent: after a 429, Batch asks for a pause longer than `max_retry_seconds`", ambiguous=False
)


@dataclass
class Counters:
    """Counts of a run's requests and retries, for the run log."""

    requests: int = 0
    retries: int = 0
    throttled: int = 0
    possibly_twice: int = 0
    trouble: dict[str, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def attempt(self) -> None:
        """Count one request."""
        with self._lock:
            self.requests += 1

    def failed(self, retry: Retry) -> None:
        """Count one attempt that failed temporarily."""
        with self._lock:
            self.throttled += retry.throttled
            self.trouble[retry.what] = self.trouble.get(retry.what, 0) + 1

    def again(self, retry: Retry, operations: int) -> None:
        """Count one retry; its operations may arrive twice if the attempt before it was ambiguous."""
        with self._lock:
            self.retries += 1
            self.possibly_twice += operations if retry.ambiguous else 0


class Client:
    """Sends calls, with retries, until a verdict that another attempt would not change.

    Once a key has been denied, it is not used again. The clock follows the `Date` header of Batch's answers;
    `warn` is called once if the machine's clock differs by more than a minute.
    """

    def __init__(
        self,
        transport: Transport | DryTransport,
        clock: Clock,
        stop: Stop,
        max_retry_seconds: float,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._stop = stop
        self._max_retry_seconds = max_retry_seconds
        self._circuit = CircuitBreaker(clock, stop)
        self._denied: dict[AuthBase, Denied] = {}
        self._warn: Callable[[str], None] | None = warn
        self.counters = Counters()

    def hurry(self, seconds: float) -> None:
        """Make calls end soon: from now on, retries give up and attempts are cut off after `seconds`."""
        self._stop.request(seconds)
        self._transport.hurry(seconds)

    def send(
        self,
        call: Call,
        classify: Callable[[Answer], Verdict],
        limiter: RateLimiter,
        cost: int = 1,
        *,
        once: bool = False,
    ) -> Verdict:
        """Send until the verdict is final, or is a `Retry` for which no time is left.

        With `once`, a call that may have arrived is not sent again. `max_retry_seconds` count from the first
        failure: waiting for the rate limiter before it is not included, except for a pause after a 429.
        """
        failing_until = math.inf

        def give_up() -> float:
            return min(failing_until, self._stop.deadline)

        def stop_waiting_for_the_rate() -> float:
            return give_up() if failing_until < math.inf else self._patience(limiter)

        verdict: Verdict = STOPPED
        pauses = ceilings()
        while (round_ := self._circuit.enter(give_up)) is not None:
            if (grant := limiter.acquire(cost, stop_waiting_for_the_rate)) is None:
                self._circuit.withdraw(round_)
                return self._unsent() if verdict is STOPPED else verdict
            if call.auth in self._denied:
                self._circuit.withdraw(round_)
                limiter.sent(grant)
                return replace(self._denied[call.auth], doubted=leaves_doubt(verdict))
            if isinstance(verdict, Retry) and verdict is not STOPPED:
                self.counters.again(verdict, call.operations)
            failing = failing_until < math.inf or self._circuit.is_open
            until = self._stop.deadline if failing else math.inf
            attempt = replace(call, sent=partial(limiter.sent, grant), until=until)
            doubted = leaves_doubt(verdict)
            verdict = self._attempt(attempt, classify)
            if doubted:
                verdict = replace(verdict, doubted=True)
            if not isinstance(verdict, Retry):
                return self._final(call, verdict, round_)
            self.counters.failed(verdict)
            failing_until = min(failing_until, self._clock.monotonic() + self._max_retry_seconds)
            has_time = self._wait_after(verdict, limiter, round_, next(pauses), give_up)
            if not has_time or (once and verdict.ambiguous):
                break
        return verdict

    def _patience(self, limiter: RateLimiter) -> float:
        """Return until when a call that has not failed waits for the rate.

        That is without end while requests are granted, but no pause after a 429 is waited out that exceeds
        `max_retry_seconds` or the deadline of a stop.
        """
        now = self._clock.monotonic()
        longest = min(now + self._max_retry_seconds, self._stop.deadline)
        return now if limiter.paused_until > max(now, longest) else math.inf

    def _unsent(self) -> Retry:
        return STOPPED if self._stop.requested else PAUSED

    def _final(self, call: Call, verdict: Verdict, round_: int) -> Verdict:
        self._circuit.answered(round_)
        if isinstance(verdict, Denied):
            self._denied.setdefault(call.auth, verdict)
        return verdict

    def _wait_after(
        self, retry: Retry, limiter: RateLimiter, round_: int, ceiling: float, give_up: Callable[[], float]
    ) -> bool:
        """Wait as long as a failure requires; return False if there is not enough time left.

        A 429 counts as an answer: it lowers the rate of the shared limiter. Other failures open the circuit.
        """
        least = _least_pause(retry)
        not_before = self._clock.monotonic() + least
        if not retry.throttled:
            self._circuit.failed(round_, least)
            return not_before < give_up()
        self._circuit.answered(round_)
        limiter.throttled(least)
        if not_before >= give_up():
            return False
        pause = least + self._clock.uniform(0.0, ceiling)
        self._stop.pause(min(pause, give_up() - self._clock.monotonic()))
        # Stopping the run cuts the random part short, but never the pause that Batch asked for, unless the
        # stop leaves less time than that.
        if self._stop.requested and not_before < give_up():
            self._clock.sleep(max(0.0, not_before - self._clock.monotonic()))
        return self._clock.monotonic() >= not_before

    def _attempt(self, call: Call, classify: Callable[[Answer], Verdict]) -> Verdict:
        self.counters.attempt()
        begun = self._clock.monotonic()
        try:
            answer = self._transport.send(call)
        except TransportError as error:
            return Retry(error.what, ambiguous=error.ambiguous)
        finally:
            call.sent()
        verdict = classify(answer)
        if isinstance(verdict, Accepted) or verdict.code:
            self._follow_clock(answer, self._clock.monotonic() - begun)
        return verdict

    def _follow_clock(self, answer: Answer, elapsed: float) -> None:
        """Adopt Batch's time, which decides which events are too old."""
        if (date := batch_time(answer)) is None:
            return
        ahead = self._clock.follow(date, elapsed)
        if abs(ahead) > CLOCK_TOLERANCE and self._warn is not None:
            warn, self._warn = self._warn, None
            side = "ahead of" if ahead > 0 else "behind"
            warn(
                f"This machine's clock is {duration(abs(ahead))} {side} Batch's. Batch's time decides which "
                "events are within its 24 hours; set the machine's clock right."
            )

    def glance(self, call: Call, classify: Callable[[Answer], Verdict], limiter: RateLimiter) -> Verdict:
        """Make a single attempt without retries, for information that is useful but not required.

        A pause that Batch asks for holds up the calls that are required for `max_retry_seconds` at most.
        """
        if (grant := limiter.acquire(1, lambda: min(self._stop.deadline, self._patience(limiter)))) is None:
            return self._unsent()
        verdict = self._attempt(replace(call, sent=partial(limiter.sent, grant)), classify)
        if isinstance(verdict, Retry) and verdict.throttled:
            limiter.throttled(min(_least_pause(verdict), self._max_retry_seconds))
        return verdict


def _least_pause(retry: Retry) -> float:
    if retry.after is not None:
        return retry.after
    return THROTTLED_PAUSE if retry.throttled else 0.0
