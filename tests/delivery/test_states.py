"""States are emitted unchanged and in order, each only after all records before it are confirmed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from target_batch.delivery.states import MOST_WAITING, Checkpoints


def test_the_newest_state_before_the_oldest_unconfirmed_record_is_emitted() -> None:
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


def test_of_states_without_a_record_between_them_only_the_last_is_kept() -> None:
    checkpoints = Checkpoints()
    for line in range(1, 6):
        checkpoints.received(line, str(line).encode(), records=7)
    assert checkpoints.confirmed(4) is None
    assert checkpoints.confirmed(None) == b"5"


def test_waiting_states_are_bounded_and_the_newest_is_kept() -> None:
    checkpoints = Checkpoints()
    for line in range(10 * MOST_WAITING):
        checkpoints.received(line, str(line).encode(), records=line)
    assert len(checkpoints._waiting) <= MOST_WAITING + 1  # noqa: SLF001 - the bound is not visible from outside
    assert checkpoints.confirmed(None) == str(10 * MOST_WAITING - 1).encode()


@given(st.lists(st.one_of(st.none(), st.integers(0, 60)), max_size=60))
def test_emitted_states_are_an_increasing_subsequence(opens: list[int | None]) -> None:
    """In any order of confirmations, states are emitted in order, never too early and never invented."""
    checkpoints, emitted = Checkpoints(), list[int]()
    for line, oldest in enumerate(opens):
        checkpoints.received(line, str(line).encode(), records=line)
        if (state := checkpoints.confirmed(oldest)) is not None:
            assert oldest is None or int(state) < oldest
            emitted.append(int(state))
    assert emitted == sorted(set(emitted))
