"""Retries have full jitter, obey `Retry-After`, end at a deadline and end early at a stop."""

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
    """A transport that returns scripted answers, the last one again and again."""

    def __init__(self, clock: FakeClock, *answers: Answer | TransportError | Callable[[], Any]) -> None:
        self._clock = clock
        self._answers = list(answers)
        self.sent_at: list[float] = []

    def send(self, call: Call) -> Answer:
        """Return the next answer."""
        _ = call
        self.sent_at.append(self._clock.now)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, TransportError):
            raise answer
        if isinstance(answer, Answer):
            return answer
        return answer()  # type: ignore[no-any-return]

    def hurry(self, seconds: float) -> None:
        """Do nothing, because no attempt hangs."""


def failing(status: int, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"", 1000.0)


def world(
    *answers: Any, chance: float = 1.0, max_retry_seconds: float = 300.0
) -> tuple[Client, Script, RateLimiter]:
    clock = FakeClock(chance)
    script = Script(clock, *answers)
    client = Client(script, clock, Stop(clock), max_retry_seconds)  # type: ignore[arg-type]
    return client, script, RateLimiter(Rate(math.inf, math.inf), clock)


def send(client: Client, limiter: RateLimiter) -> Any:
    return client.send(CALL, lambda answer: classify_bulk(answer, 1), limiter, cost=10)


def test_a_temporary_failure_is_retried() -> None:
    client, script, limiter = world(failing(500), failing(503), SUCCESS)
    assert isinstance(send(client, limiter), Accepted)
    assert len(script.sent_at) == 3
    assert client.counters.retries == 2
    assert client.counters.possibly_twice == 20


def test_pauses_double_and_are_random_over_their_whole_range() -> None:
    """They are 1, 2, 4 and 8 seconds at most and 0 at least."""
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
def test_a_retry_is_not_sent_earlier_than_batch_asked(
    status: int, headers: dict[str, str], least: float
) -> None:
    client, script, limiter = world(failing(status, **headers), SUCCESS, chance=0.0)
    send(client, limiter)
    assert script.sent_at[1] - script.sent_at[0] >= least


def test_an_optional_call_is_not_retried_but_its_retry_after_is_obeyed() -> None:
    """The next call waits as after any other failed call."""
    client, script, limiter = world(failing(429, Retry_After="7"), SUCCESS, chance=0.0)
    verdict = client.glance(CALL, lambda answer: classify_bulk(answer, 1), limiter)
    assert isinstance(verdict, Retry)
    assert len(script.sent_at) == 1
    assert isinstance(send(client, limiter), Accepted)
    assert script.sent_at[1] - script.sent_at[0] >= 7.0


@pytest.mark.parametrize("after", ["45", "3600"])
def test_the_pause_after_an_optional_call_is_limited_by_max_retry_seconds(after: str) -> None:
    """A required call of the same limiter would wait it out in silence."""
    answers = (failing(429, Retry_After=after), SUCCESS)
    client, script, limiter = world(*answers, chance=0.0, max_retry_seconds=3.0)
    client.glance(CALL, lambda answer: classify_bulk(answer, 1), limiter)
    assert isinstance(send(client, limiter), Accepted)
    assert script.sent_at[1] - script.sent_at[0] == pytest.approx(3.0, abs=0.3)


def test_a_pause_that_another_call_was_asked_for_is_not_waited_out_beyond_max_retry_seconds() -> None:
    """Nothing is sent meanwhile, and the verdict says why."""
    client, script, limiter = world(SUCCESS, max_retry_seconds=10.0)
    limiter.throttled(3600.0)
    for verdict in (send(client, limiter), client.glance(CALL, lambda _: Accepted(), limiter)):
        assert isinstance(verdict, Retry)
        assert "longer than `max_retry_seconds`" in verdict.what
        assert not verdict.ambiguous
    assert script.sent_at == []


@pytest.mark.parametrize(("pause", "sent"), [(4.0, 1), (6.0, 0)])
def test_a_pause_is_not_waited_out_beyond_the_deadline_of_a_stop(pause: float, sent: int) -> None:
    """A pause that ends before it is waited for, as in any run."""
    client, script, limiter = world(SUCCESS)
    limiter.throttled(pause)
    client.hurry(5.0)
    verdict = send(client, limiter)
    assert isinstance(verdict, Accepted if sent else Retry)
    assert len(script.sent_at) == sent


def test_the_queue_for_the_rate_is_waited_for_without_a_limit() -> None:
    """It is no failure, even if it is longer than `max_retry_seconds` and a short pause comes on top."""
    clock = FakeClock()
    client = Client(Script(clock, SUCCESS), clock, Stop(clock), 1.0)  # type: ignore[arg-type]
    limiter = RateLimiter(Rate(1, 1), clock)
    for _ in range(2):
        limiter.throttled(0.5)
        verdict = client.send(CALL, lambda answer: classify_bulk(answer, 1), limiter, cost=30)
        assert isinstance(verdict, Accepted)
    assert clock.now > 1020.0


def test_retries_end_after_max_retry_seconds() -> None:
    """The time counts from the first failure, and the verdict is that of the last attempt."""
    client, script, limiter = world(failing(500), max_retry_seconds=10.0)
    verdict = send(client, limiter)
    assert verdict == Retry("500, no content type, empty", 500, doubted=True)
    assert script.sent_at[-1] - script.sent_at[0] <= 10.0


def test_a_call_is_given_up_at_once_if_its_retry_after_exceeds_the_time_left() -> None:
    client, script, limiter = world(failing(429, Retry_After="3600"), max_retry_seconds=10.0)
    assert isinstance(send(client, limiter), Retry)
    assert len(script.sent_at) == 1


def test_a_denied_call_is_not_retried() -> None:
    client, script, limiter = world(failing(401))
    assert isinstance(send(client, limiter), Denied)
    assert len(script.sent_at) == 1


@pytest.mark.parametrize("body", [b"", b"\n"])
def test_events_are_not_sent_again_after_a_success_without_a_body(body: bytes) -> None:
    """Batch may have applied them, so each further attempt might duplicate them."""
    client, script, limiter = world(Answer(202, {"Content-Length": str(len(body))}, body), SUCCESS)
    verdict = send(client, limiter)
    assert isinstance(verdict, Undocumented)
    assert "a success without a body: 202" in verdict.what
    assert len(script.sent_at) == 1
    assert client.counters.possibly_twice == 0


def test_a_call_whose_answer_broke_off_in_its_headers_is_retried() -> None:
    """Without a `Content-Length` an empty body means that the answer was cut off."""
    client, script, limiter = world(Answer(202, {}, b""), SUCCESS)
    assert isinstance(send(client, limiter), Accepted)
    assert len(script.sent_at) == 2


def test_an_attempt_without_a_connection_does_not_count_as_possibly_twice() -> None:
    client, _, limiter = world(TransportError("no connection", ambiguous=False), SUCCESS)
    send(client, limiter)
    assert client.counters.possibly_twice == 0


def test_a_stop_ends_the_retries_after_the_grace_period() -> None:
    """The stop comes during the second attempt; after four seconds there are no further attempts."""
    holder: list[Client] = []

    def stopping() -> Answer:
        holder[0].hurry(4.0)
        return failing(500)

    client, script, limiter = world(failing(500), stopping, failing(500))
    holder.append(client)
    assert isinstance(send(client, limiter), Retry)
    assert script.sent_at[-1] - script.sent_at[1] <= 4.0


def test_a_stop_does_not_wait_for_a_retry_after_beyond_the_grace_period() -> None:
    holder: list[Client] = []

    def stopping() -> Answer:
        holder[0].hurry(4.0)
        return failing(429, Retry_After="20")

    client, script, limiter = world(stopping, SUCCESS)
    holder.append(client)
    assert isinstance(send(client, limiter), Retry)
    assert len(script.sent_at) == 1


def test_a_429_lowers_the_rate_of_the_shared_limiter() -> None:
    clock = FakeClock()
    script = Script(clock, failing(429), SUCCESS)
    client = Client(script, clock, Stop(clock), 300.0)  # type: ignore[arg-type]
    limiter = RateLimiter(Rate(300, 1000), clock, largest=200)
    send(client, limiter)
    assert client.counters.throttled == 1
    assert limiter.per_second < 300
