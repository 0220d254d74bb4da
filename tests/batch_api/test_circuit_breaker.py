"""Circuit breaker: after a failure one request probes Batch while the others wait."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

from fake_clock import FakeClock

from target_batch.batch_api.answers import Accepted, Answer, Denied, Retry, classify_bulk
from target_batch.batch_api.circuit_breaker import CircuitBreaker
from target_batch.batch_api.client import Client
from target_batch.batch_api.rate_limiter import RateLimiter
from target_batch.batch_api.transport import Call
from target_batch.common.clock import Clock, Stop
from target_batch.common.limits import Rate

if TYPE_CHECKING:
    from collections.abc import Callable

SUCCESS = Answer(202, {}, b'{"code":"SUCCESS"}')
DOWN = Answer(503, {}, b"")
REFUSED = Answer(401, {}, b'{"error_code":"AUTHENTICATION_INVALID"}')


def world(chance: float = 1.0) -> tuple[CircuitBreaker, FakeClock, Stop]:
    clock = FakeClock(chance)
    stop = Stop(clock)
    return CircuitBreaker(clock, stop), clock, stop


def never() -> float:
    return math.inf


def entered(circuit: CircuitBreaker, clock: FakeClock, within: float) -> int | None:
    until = clock.now + within
    return circuit.enter(lambda: until)


def test_requests_do_not_wait_while_batch_answers() -> None:
    circuit, clock, _ = world()
    rounds = {circuit.enter(never) for _ in range(16)}
    assert len(rounds) == 1
    assert clock.waits == []


def test_after_a_failure_one_request_probes_and_its_answer_lets_all_others_go() -> None:
    circuit, clock, _ = world()
    first = circuit.enter(never)
    assert first is not None
    circuit.failed(first, 0.0)
    probe = circuit.enter(never)
    assert clock.now == 1001.0
    assert probe is not None
    assert entered(circuit, clock, 5.0) is None
    circuit.answered(probe)
    assert entered(circuit, clock, 0.0001) is not None


def test_failures_of_requests_sent_together_count_once() -> None:
    circuit, clock, _ = world()
    together = [circuit.enter(never) for _ in range(9)]
    for round_ in together:
        circuit.failed(round_ or 0, 0.0)
    began = clock.now
    circuit.enter(never)
    assert clock.now - began == 1.0


def test_an_answer_to_a_request_sent_before_the_failure_does_not_end_the_wait() -> None:
    circuit, clock, _ = world()
    early, late = circuit.enter(never), circuit.enter(never)
    circuit.failed(early or 0, 0.0)
    circuit.answered(late or 0)
    assert entered(circuit, clock, 0.9) is None


def test_the_longest_retry_after_applies_to_all_requests() -> None:
    circuit, clock, _ = world(chance=0.0)
    early, late = circuit.enter(never), circuit.enter(never)
    circuit.failed(early or 0, 2.0)
    circuit.failed(late or 0, 7.0)
    began = clock.now
    circuit.enter(never)
    assert clock.now - began == 7.0


def test_a_withdrawn_probe_lets_another_request_go() -> None:
    circuit, clock, _ = world()
    circuit.failed(circuit.enter(never) or 0, 0.0)
    probe = circuit.enter(never)
    circuit.withdraw(probe or 0)
    assert entered(circuit, clock, 0.0001) is not None


def test_a_stop_shortens_the_random_pause_but_not_the_retry_after() -> None:
    circuit, clock, stop = world()
    circuit.failed(circuit.enter(never) or 0, 3.0)
    wait = clock.wait

    def stopping(event: threading.Event, seconds: float) -> None:
        stop.request(10.0)
        wait(event, seconds)

    clock.wait = stopping  # type: ignore[method-assign]
    assert circuit.enter(lambda: stop.deadline) is not None
    assert clock.now == 1003.0


def test_a_stopping_run_retries_more_than_once_until_its_deadline() -> None:
    circuit, clock, stop = world()
    stop.request(4.0)
    tries = 0
    while (round_ := circuit.enter(lambda: stop.deadline)) is not None:
        tries += 1
        circuit.failed(round_, 0.0)
    assert tries == 9
    assert clock.now <= 1004.0


def together(answer: Callable[[int], Answer], senders: int = 16) -> tuple[Client, list[Any], int]:
    """Send from many threads at once; an answer arrives only after all threads have sent."""
    clock = Clock()
    numbers: list[int] = []
    all_senders = threading.Barrier(senders)

    class Transport:
        def send(self, call: Call) -> Answer:
            del call
            numbers.append(len(numbers))
            if numbers[-1] < senders and all_senders.n_waiting < senders:
                all_senders.wait(10)
            return answer(len(numbers))

    client = Client(Transport(), clock, Stop(clock), 60.0)  # type: ignore[arg-type]
    limiter = RateLimiter(Rate(1e9, 1e9), clock)
    verdicts: list[Any] = []

    def work() -> None:
        call = Call("POST", "/2.11/profiles/update", None, b"[]")  # type: ignore[arg-type]
        verdicts.append(client.send(call, lambda found: classify_bulk(found, 1), limiter))

    threads = [threading.Thread(target=work) for _ in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return client, verdicts, len(numbers)


def test_an_api_that_is_down_gets_one_request_at_a_time() -> None:
    """Sixteen requests fail together, then one fails alone; the success of the next one frees the others."""
    client, verdicts, attempts = together(lambda number: DOWN if number <= 17 else SUCCESS)
    assert [type(verdict) for verdict in verdicts] == [Accepted] * 16
    assert attempts == 16 + 1 + 16
    assert client.counters.retries == 17


def test_a_denied_key_is_not_tried_again() -> None:
    """After one sender got a 401, the waiting ones get the same verdict without sending."""
    _, verdicts, attempts = together(lambda number: DOWN if number <= 16 else REFUSED)
    assert {type(verdict) for verdict in verdicts} == {Denied}
    assert attempts == 17
    assert not any(isinstance(verdict, Retry) for verdict in verdicts)
