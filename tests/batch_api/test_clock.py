"""The clock follows Batch's, by no more than an answer proves."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_batch.common.clock import Clock


class Machine(Clock):
    """A machine whose own clock is wrong by so many seconds."""

    def __init__(self, wrong: float) -> None:
        self.wrong = wrong
        self.true = 1_800_000_000.0

    def time(self) -> float:
        """Return the time as this machine believes it to be."""
        return self.true + self.wrong - self._ahead


@given(
    st.floats(-1e6, 1e6),
    st.lists(st.tuples(st.floats(0, 30), st.floats(0, 1)), min_size=1, max_size=20),
)
def test_what_is_left_of_the_error_is_the_time_on_the_way(
    wrong: float, answers: list[tuple[float, float]]
) -> None:
    """However wrong it was: a second of resolution and the quickest answer."""
    machine = Machine(wrong)
    for elapsed, share in answers:
        machine.true += 7.3
        machine.follow(float(int(machine.true - elapsed * share)), elapsed)
    assert abs(machine.time() - machine.true) <= min(elapsed for elapsed, _ in answers) + 2.001


@pytest.mark.parametrize("elapsed", [0.01, 5.0, 60.0])
def test_a_slow_answer_is_no_reason_to_doubt_a_right_clock(elapsed: float) -> None:
    clock = Clock()
    assert clock.follow(float(int(time.time() - elapsed)), elapsed) == 0


def test_a_date_that_a_server_kept_for_a_second_is_no_reason_to_doubt_a_right_clock() -> None:
    """An event of the last second would count as one of the future, and get another time."""
    machine = Machine(0.0)
    machine.true = 1_800_000_001.98
    assert machine.follow(1_800_000_000.0, 0.01) == 0
