"""States pass unchanged, in order, and only what lies behind is confirmed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from target_batch.delivery.states import MOST_WAITING, Checkpoints


def test_the_newest_state_before_the_oldest_open_record_passes() -> None:
    checkpoints = Checkpoints()
    for number in (10, 20, 30):
        checkpoints.received(number, f'{{"line": {number}}}'.encode(), records=number)
    assert checkpoints.confirmed(25) == b'{"line": 20}'
    assert checkpoints.confirmed(25) is None
    assert checkpoints.confirmed(None) == b'{"line": 30}'


def test_an_empty_state_never_replaces_a_full_one() -> None:
    checkpoints = Checkpoints()
    checkpoints.received(1, b'{"a": 1}', records=1)
    checkpoints.received(2, b" {} ", records=2)
    checkpoints.received(2, b"{ }", records=2)
    checkpoints.received(3, b"null", records=3)
    assert checkpoints.confirmed(None) == b'{"a": 1}'


def test_of_states_without_a_record_between_them_the_last_stays() -> None:
    checkpoints = Checkpoints()
    for line in range(1, 6):
        checkpoints.received(line, str(line).encode(), records=7)
    assert checkpoints.confirmed(4) is None
    assert checkpoints.confirmed(None) == b"5"


def test_waiting_states_are_bounded_and_the_newest_is_kept() -> None:
    checkpoints = Checkpoints()
    for line in range(10 * MOST_WAITING):
        checkpoints.received(line, str(line).encode(), records=line)
    assert len(checkpoints._waiting) <= MOST_WAITING + 1  # noqa: SLF001 - the bound is not seen from outside
    assert checkpoints.confirmed(None) == str(10 * MOST_WAITING - 1).encode()


@given(st.lists(st.one_of(st.none(), st.integers(0, 60)), max_size=60))
def test_emitted_states_are_a_rising_subsequence(opens: list[int | None]) -> None:
    """Whatever the confirmations, nothing goes back, nothing is invented, nothing passes too early."""
    checkpoints, emitted = Checkpoints(), list[int]()
    for line, oldest in enumerate(opens):
        checkpoints.received(line, str(line).encode(), records=line)
        if (state := checkpoints.confirmed(oldest)) is not None:
            assert oldest is None or int(state) < oldest
            emitted.append(int(state))
    assert emitted == sorted(set(emitted))
