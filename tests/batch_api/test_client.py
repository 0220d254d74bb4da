"""Retries: full jitter, what Batch asked for, a deadline, and a stop that ends the waiting."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from fake_clock import FakeClock

from target_batch.batch_api.answers import Accepted, Answer, Denied, Retry, Undocumented, classify_bulk
from target_batch.batch_api.client import Client
from target_batch.batch_api.rate_limiter import RateLimiter
from target_batch.batch_api.transport import Call, TransportError
from target_batch.common.clock import Stop
from target_batch.common.limits import Rate

if TYPE_CHECKING:
    from collections.abc import Callable

SUCCESS = Answer(202, {}, b'{"code":"SUCCESS"}')
CALL = Call("POST", "/2.11/profiles/update", None, b"[]", operations=10)  # type: ignore[arg-type]


class Script:
    """A transport that gives scripted answers, then repeats the last one."""

    def __init__(self, clock: FakeClock, *answers: Answer | TransportError | Callable[[], Any]) -> None:
        self._clock = clock
        self._answers = list(answers)
        self.sent_at: list[float] = []

    def send(self, call: Call) -> Answer:
        """Give the next answer."""
        _ = call
        self.sent_at.append(self._clock.now)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, TransportError):
            raise answer
        if isinstance(answer, Answer):
            return answer
        return answer()  # type: ignore[no-any-return]

    def hurry(self, seconds: float) -> None:
        """Nothing hangs here."""


def failing(status: int, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"", 1000.0)


def world(*answers: Any, chance: float = 1.0, patience: float = 300.0) -> tuple[Client, Script, RateLimiter]:
    clock = FakeClock(chance)
    script = Script(clock, *answers)
    client = Client(script, clock, Stop(clock), patience)  # type: ignore[arg-type]
    return client, script, RateLimiter(Rate(math.inf, math.inf), clock)


def send(client: Client, limiter: RateLimiter) -> Any:
    return client.send(CALL, lambda answer: classify_bulk(answer, 1), limiter, cost=10)


def test_a_passing_trouble_is_retried() -> None:
    client, script, limiter = world(failing(500), failing(503), SUCCESS)
    assert isinstance(send(client, limiter), Accepted)
    assert len(script.sent_at) == 3
    assert client.counters.retries == 2
    assert client.counters.possibly_twice == 20


def test_pauses_grow_and_are_jittered_over_their_whole_range() -> None:
    """With the longest draw: 1, 2, 4, 8 seconds; with the shortest none at all."""
    client, script, limiter = world(*[failing(500)] * 4, SUCCESS)
    send(client, limiter)
    gaps = [b - a for a, b in zip(script.sent_at, script.sent_at[1:], strict=False)]
    assert gaps == [1, 2, 4, 8]
    client, script, limiter = world(*[failing(500)] * 4, SUCCESS, chance=0.0)
    send(client, limiter)
    assert script.sent_at[-1] == script.sent_at[0]


@pytest.mark.parametrize(
    ("status", "headers", "least"),
    [
        (429, {"Retry_After": "7"}, 7.0),
        (503, {"Retry_After": "7"}, 7.0),
        (429, {}, 2.0),
        (429, {"Retry_After": "whenever"}, 2.0),
    ],
)
def test_nothing_is_sent_earlier_than_batch_asked(status: int, headers: dict[str, str], least: float) -> None:
    client, script, limiter = world(failing(status, **headers), SUCCESS, chance=0.0)
    send(client, limiter)
    assert script.sent_at[1] - script.sent_at[0] >= least


def test_a_call_that_is_only_good_to_know_keeps_to_the_rate_and_to_what_batch_asks() -> None:
    """It is not repeated, but what comes after it waits as after any other call."""
    client, script, limiter = world(failing(429, Retry_After="7"), SUCCESS, chance=0.0)
    verdict = client.glance(CALL, lambda answer: classify_bulk(answer, 1), limiter)
    assert isinstance(verdict, Retry)
    assert len(script.sent_at) == 1
    assert isinstance(send(client, limiter), Accepted)
    assert script.sent_at[1] - script.sent_at[0] >= 7.0


def test_what_takes_too_long_is_given_up() -> None:
    """At most `max_retry_seconds` after the first failure, and the last trouble is told."""
    client, script, limiter = world(failing(500), patience=10.0)
    verdict = send(client, limiter)
    assert verdict == Retry("500, no content type, empty", 500, doubted=True)
    assert script.sent_at[-1] - script.sent_at[0] <= 10.0


def test_a_longer_wait_than_there_is_time_for_is_not_begun() -> None:
    client, script, limiter = world(failing(429, Retry_After="3600"), patience=10.0)
    assert isinstance(send(client, limiter), Retry)
    assert len(script.sent_at) == 1


def test_what_another_attempt_would_not_change_is_not_retried() -> None:
    client, script, limiter = world(failing(401))
    assert isinstance(send(client, limiter), Denied)
    assert len(script.sent_at) == 1


@pytest.mark.parametrize("body", [b"", b"\n"])
def test_events_are_not_sent_again_after_a_success_without_a_body(body: bytes) -> None:
    """They may have been taken; what is asked again would double them, attempt by attempt."""
    client, script, limiter = world(Answer(202, {"Content-Length": str(len(body))}, body), SUCCESS)
    verdict = send(client, limiter)
    assert isinstance(verdict, Undocumented)
    assert "a success without a body: 202" in verdict.what
    assert len(script.sent_at) == 1
    assert client.counters.possibly_twice == 0


def test_a_success_that_broke_off_in_its_headers_is_asked_for_again() -> None:
    """Without a header that says how long the body is, it was not empty: it was cut."""
    client, script, limiter = world(Answer(202, {}, b""), SUCCESS)
    assert isinstance(send(client, limiter), Accepted)
    assert len(script.sent_at) == 2


def test_a_connection_that_was_never_made_cannot_have_doubled_anything() -> None:
    client, _, limiter = world(TransportError("no connection", ambiguous=False), SUCCESS)
    send(client, limiter)
    assert client.counters.possibly_twice == 0


def test_a_stop_leaves_a_failing_api_after_the_grace() -> None:
    """The stop comes during the second attempt; four seconds later nothing is tried any more."""
    holder: list[Client] = []

    def stopping() -> Answer:
        holder[0].hurry(4.0)
        return failing(500)

    client, script, limiter = world(failing(500), stopping, failing(500))
    holder.append(client)
    assert isinstance(send(client, limiter), Retry)
    assert script.sent_at[-1] - script.sent_at[1] <= 4.0


def test_a_stop_does_not_wait_out_what_the_grace_has_no_time_for() -> None:
    holder: list[Client] = []

    def stopping() -> Answer:
        holder[0].hurry(4.0)
        return failing(429, Retry_After="20")

    client, script, limiter = world(stopping, SUCCESS)
    holder.append(client)
    assert isinstance(send(client, limiter), Retry)
    assert len(script.sent_at) == 1


def test_a_429_slows_everybody_who_shares_the_pace() -> None:
    clock = FakeClock()
    script = Script(clock, failing(429), SUCCESS)
    client = Client(script, clock, Stop(clock), 300.0)  # type: ignore[arg-type]
    limiter = RateLimiter(Rate(300, 1000), clock, largest=200)
    send(client, limiter)
    assert client.counters.throttled == 1
    assert limiter.per_second < 300
