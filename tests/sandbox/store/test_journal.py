"""The journal."""

import json

import pytest

from target_batch.sandbox.store.journal import Journal


def lines(journal: Journal, start: int) -> list[int]:
    return [json.loads(line)["n"] for block in journal.read(start) for line in block.splitlines()]


@pytest.mark.parametrize("start", range(8))
def test_the_journal_can_be_read_from_any_line_on(start: int) -> None:
    journal = Journal(keep=True)
    for count in (3, 0, 1, 3):
        journal.append([{"a": "x"}] * count)
    assert lines(journal, start) == list(range(start, 7))
    assert journal.total == 7


def test_a_journal_that_is_not_kept_only_counts() -> None:
    journal = Journal(keep=False)
    journal.append([{"a": 1}])
    assert journal.total == 1
    assert lines(journal, 0) == []
