"""The clock follows Batch's clock, but corrects itself only as far as an answer proves it wrong."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_batch.common.clock import Clock


class Machine(Clock):
    """A machine whose clock is wrong by some seconds."""

    def __init__(self, wrong: float) -> None:
        self.wrong = wrong
        self.true = 1_800_000_000.0

    def time(self) -> float:
        """Return the time according to this machine."""
        return self.true + self.wrong - self._ahead


@given(
    st.floats(-1e6, 1e6),
    st.lists(st.tuples(st.floats(0, 30), st.floats(0, 1)), min_size=1, max_size=20),
)
def test_the_remaining_error_is_at_most_the_time_of_the_quickest_answer(
    wrong: float, answers: list[tuple[float, float]]
) -> None:
    """This holds for any error, plus the resolution of one second."""
    machine = Machine(wrong)
    for elapsed, share in answers:
        machine.true += 7.3
        machine.follow(float(int(machine.true - elapsed * share)), elapsed)
    assert abs(machine.time() - machine.true) <= min(elapsed for elapsed, _ in answers) + 2.001


@pytest.mark.parametrize("elapsed", [0.01, 5.0, 60.0])
def test_a_slow_answer_does_not_change_a_correct_clock(elapsed: float) -> None:
    clock = Clock()
    assert clock.follow(float(int(time.time() - elapsed)), elapsed) == 0


def test_a_date_header_that_is_a_second_old_does_not_change_a_correct_clock() -> None:
    """Otherwise an event of the last second would count as one of the future and get another time."""
    machine = Machine(0.0)
    machine.true = 1_800_000_001.98
    assert machine.follow(1_800_000_000.0, 0.01) == 0
