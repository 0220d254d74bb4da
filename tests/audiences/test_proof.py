"""Completeness: which messages prove that a stream was read to its end, and which do not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from target_batch.common.operations import Tally
from target_batch.delivery.states import Completeness


class Input:
    """An input of several streams, as seen by a mirror of `cohort`."""

    def __init__(self) -> None:
        self.tallies: dict[str, Tally] = {"cohort": Tally(), "users": Tally()}
        self.completeness = Completeness("cohort", self.tallies)

    def read(self, stream: str, times: int = 1) -> Input:
        """Read records."""
        self.tallies[stream].read += times
        return self

    def state(self, value: Any) -> Input:
        """Read a STATE."""
        self.completeness.state(json.dumps(value).encode())
        return self

    @property
    def is_complete(self) -> bool:
        """Whether the stream is proven complete."""
        return self.completeness.holds()


COMPLETE: list[Any] = [
    {"done": True},
    {"bookmarks": {"cohort": {}}},
    {"currently_syncing": None, "bookmarks": {}},
    {"currently_syncing": "users"},
    {"bookmarks": {"cohort": {}, "users": {"progress_markers": {"at": 1}}}},
    "a state of another form",
]
INCOMPLETE: list[Any] = [
    {},
    None,
    {"currently_syncing": "cohort"},
    {"currently_syncing": "not_read_yet_or_renamed"},
    {"bookmarks": {"cohort": {"progress_markers": {}}}},
    {"bookmarks": {"renamed": {"progress_markers": {}}}},
    {"bookmarks": {"cohort": {"partitions": [{"context": {}, "progress_markers": {}}]}}},
]


@pytest.mark.parametrize("value", COMPLETE, ids=json.dumps)
def test_a_state_after_the_last_record_proves_the_stream_complete(value: Any) -> None:
    assert Input().read("cohort", 3).state(value).is_complete


@pytest.mark.parametrize("value", INCOMPLETE, ids=json.dumps)
def test_a_state_written_during_a_stream_does_not_prove_it_complete(value: Any) -> None:
    assert not Input().read("cohort", 3).state(value).is_complete


def test_a_later_record_makes_the_stream_incomplete_again() -> None:
    given = Input().read("cohort", 3).state({"done": True}).read("cohort")
    assert not given.is_complete
    assert given.state({"done": True}).is_complete


def test_records_of_other_streams_do_not_make_the_stream_incomplete() -> None:
    assert Input().read("cohort").state({"done": True}).read("users", 5).state({}).is_complete


def test_activate_version_proves_a_stream_complete_only_after_its_records() -> None:
    """Taps also send ACTIVATE_VERSION before the first record."""
    given = Input()
    given.completeness.activated()
    assert not given.is_complete
    given.read("cohort")
    assert not given.is_complete
    given.completeness.activated()
    assert given.is_complete


def test_an_empty_stream_is_complete_only_at_the_end_of_the_input() -> None:
    given = Input()
    assert not given.is_complete
    assert given.state({"done": True}).is_complete
    assert not given.read("users").is_complete
    assert given.state({"done": True}).is_complete
    assert not given.read("users").state({"currently_syncing": "cohort"}).is_complete
