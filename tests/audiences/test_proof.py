"""What proves that a stream was read to its end, and what only looks like it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from target_batch.common.operations import Tally
from target_batch.delivery.states import Completeness


class Input:
    """An input of several streams, as a mirror of `cohort` sees it."""

    def __init__(self) -> None:
        self.tallies: dict[str, Tally] = {"cohort": Tally(), "users": Tally()}
        self.proof = Completeness("cohort", self.tallies)

    def read(self, stream: str, times: int = 1) -> Input:
        """Read records."""
        self.tallies[stream].read += times
        return self

    def state(self, value: Any) -> Input:
        """Read a STATE."""
        self.proof.state(json.dumps(value).encode())
        return self

    @property
    def whole(self) -> bool:
        """Whether the stream proved complete."""
        return self.proof.holds()


COMPLETE: list[Any] = [
    {"done": True},
    {"bookmarks": {"cohort": {}}},
    {"currently_syncing": None, "bookmarks": {}},
    {"currently_syncing": "users"},
    {"bookmarks": {"cohort": {}, "users": {"progress_markers": {"at": 1}}}},
    "a state of another form",
]
UNDER_WAY: list[Any] = [
    {},
    None,
    {"currently_syncing": "cohort"},
    {"currently_syncing": "not_read_yet_or_renamed"},
    {"bookmarks": {"cohort": {"progress_markers": {}}}},
    {"bookmarks": {"renamed": {"progress_markers": {}}}},
    {"bookmarks": {"cohort": {"partitions": [{"context": {}, "progress_markers": {}}]}}},
]


@pytest.mark.parametrize("value", COMPLETE, ids=json.dumps)
def test_a_state_behind_the_last_record_proves_it(value: Any) -> None:
    assert Input().read("cohort", 3).state(value).whole


@pytest.mark.parametrize("value", UNDER_WAY, ids=json.dumps)
def test_a_state_that_taps_write_on_the_way_does_not(value: Any) -> None:
    assert not Input().read("cohort", 3).state(value).whole


def test_a_record_behind_the_proof_takes_it_away() -> None:
    given = Input().read("cohort", 3).state({"done": True}).read("cohort")
    assert not given.whole
    assert given.state({"done": True}).whole


def test_what_comes_of_other_streams_takes_nothing_away() -> None:
    assert Input().read("cohort").state({"done": True}).read("users", 5).state({}).whole


def test_a_version_proves_only_what_came_before_it() -> None:
    """Taps announce the version before the first record, too."""
    given = Input()
    given.proof.activated()
    assert not given.whole
    given.read("cohort")
    assert not given.whole
    given.proof.activated()
    assert given.whole


def test_an_empty_stream_is_whole_only_at_the_end_of_the_input() -> None:
    given = Input()
    assert not given.whole
    assert given.state({"done": True}).whole
    assert not given.read("users").whole
    assert given.state({"done": True}).whole
    assert not given.read("users").state({"currently_syncing": "cohort"}).whole
