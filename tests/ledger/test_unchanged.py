"""Whatever runs do at once and wherever they die: what is skipped is what Batch holds."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from target_batch.common.records import Origin, Ticket
from target_batch.delivery.fates import Fates
from target_batch.delivery.profile_buffer import Entry, seal
from target_batch.ledger.database import Ledger
from target_batch.ledger.sent_attributes import PayloadMemory
from target_batch.ledger.tables import writers
from target_batch.singer.messages import record_in

if TYPE_CHECKING:
    from collections.abc import Iterator

STREAMS = {"crm": ("plan", "city"), "billing": ("plan", "spend"), "web": ("pages",)}
AGE = 100_000.0
HOUR = 3600.0


class NoRejects:
    """Rejects that nobody reads."""

    def write(self, *_: Any, **__: Any) -> None:
        """Forget it."""


class World:
    """One profile in Batch, and runs that write to it with one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.now = 1_000_000.0
        self.profile: dict[str, int] = {}
        self.sent: dict[int, Entry] = {}
        self.applied: set[int] = set()
        self.told: set[str] = set()
        self.skipped = self.begun = 0
        self.runs = {number: self._run() for number in range(3)}

    def _run(self) -> PayloadMemory:
        self.begun += 1
        tell = lambda _, note: self.told.add(note)  # noqa: E731 - short
        return PayloadMemory(self.ledger, "p", AGE, lambda: self.now, tell, f"run-{self.begun}")

    def start(self, run: int, stream: str, value: int) -> None:
        """Cut an entry, unless this run waits for an answer; check that only what Batch holds is skipped."""
        if run in self.sent:
            return
        attributes = dict.fromkeys(STREAMS[stream], value)
        tally = Fates(NoRejects(), 1.0).tally(stream)
        origin = Origin(stream, {}, (), (), lambda _: (), record_in, tally, remembered=True)
        entry = Entry("u1", attributes, [], [Ticket(origin, 1, b"{}")], 2)
        seal([entry])
        if self.runs[run].unchanged([entry]):
            self.skipped += 1
            assert self.profile.items() >= attributes.items(), (stream, attributes, self.profile)
        else:
            self.sent[run] = entry

    def apply(self, run: int) -> None:
        """Let Batch take the entry in; the answer is still on its way."""
        if run in self.sent and run not in self.applied:
            self.applied.add(run)
            self.profile.update(self.sent[run].attributes)

    def answer(self, run: int) -> None:
        """Let the answer arrive."""
        self.apply(run)
        if entry := self.sent.pop(run, None):
            self.runs[run].accepted([entry])
        self.applied.discard(run)

    def crash(self, run: int) -> None:
        """End a run wherever it is; another one takes its place."""
        self.sent.pop(run, None)
        self.applied.discard(run)
        self.runs[run] = self._run()

    def pass_time(self, run: int) -> None:
        """Let a good part of the age limit pass; no request is on its way for that long.

        What was sent is answered before, or its run has died. After an hour the memory takes a
        request for dead.
        """
        for waiting in list(self.sent):
            self.answer(waiting)
        self.now += AGE * (run + 1) / 5


RUNS = st.integers(0, 2)
STARTS = st.tuples(st.just("start"), RUNS, st.sampled_from(sorted(STREAMS)), st.integers(1, 2))
OTHERS = st.tuples(st.sampled_from(["apply", "answer", "answer", "crash", "pass_time"]), RUNS)


def worlds() -> Iterator[World]:
    """Give a world whose ledger goes afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(f"sqlite:///{folder}/ledger.db", Path(folder))
        try:
            yield World(ledger)
        finally:
            ledger.close()


@given(st.lists(st.one_of(STARTS, STARTS, OTHERS, OTHERS), min_size=5, max_size=40))
@settings(max_examples=150, deadline=None)
def test_only_what_batch_holds_is_skipped(steps: list[tuple[Any, ...]]) -> None:
    """Runs of streams that share attributes, at once, one after the other, dying anywhere."""
    for world in worlds():
        for what, *given_ in steps:
            getattr(world, what)(*given_)
        for run in world.runs:
            world.answer(run)
        for value in (1, 2, 1):
            for stream in ("crm", "billing"):
                world.start(0, stream, value)
                world.answer(0)
            assert world.profile["plan"] == value


@pytest.mark.parametrize("applied", [(0, 1), (1, 0)], ids=["crm first", "billing first"])
@pytest.mark.parametrize("answered", [(0, 1), (1, 0)], ids=["told crm first", "told billing first"])
@pytest.mark.parametrize(("stream", "value"), [("crm", 1), ("billing", 2)])
def test_where_two_runs_wrote_at_once_neither_is_skipped(
    applied: tuple[int, int], answered: tuple[int, int], stream: str, value: int
) -> None:
    """Nobody knows which of them Batch took in last."""
    for world in worlds():
        world.start(0, "crm", 1)
        world.start(1, "billing", 2)
        for run in applied:
            world.apply(run)
        for run in answered:
            world.answer(run)
        world.start(2, stream, value)
        world.answer(2)
        assert (world.skipped, world.profile["plan"]) == (0, value)
        world.now += HOUR
        for _ in range(2):
            assert world.skipped == 0, "for an hour either may still be on its way"
            world.start(2, stream, value)
            world.answer(2)
        assert world.skipped == 1


@pytest.mark.parametrize("other", ["crm", "billing"])
@pytest.mark.parametrize("first", [1, 2])
def test_where_one_of_two_runs_died_the_other_is_not_trusted(other: str, first: int) -> None:
    """Batch took the dead one's row in last; its answer came to nobody."""
    for world in worlds():
        for run in (first, 3 - first):
            world.start(run, "crm" if run == 1 else other, run)
        world.apply(1)
        world.apply(2)
        world.crash(2)
        world.answer(1)
        world.start(0, "crm", 1)
        world.answer(0)
        assert (world.skipped, world.profile["plan"]) == (0, 1)


def test_streams_that_share_nothing_are_skipped_side_by_side() -> None:
    """And of two that share an attribute the one that wrote last."""
    for world in worlds():
        for stream in ("web", "crm", "web", "crm"):
            world.start(0, stream, 1)
            world.answer(0)
        assert (world.skipped, world.told) == (2, set())
        for stream in ("billing", "billing", "web", "crm", "crm"):
            world.start(1, stream, 1)
            world.answer(1)
        assert world.skipped == 5, "billing, web and crm, each the second time"
        assert {note.split(",")[0] for note in world.told} == {
            "stream 'crm' writes 'plan'",
            "stream 'billing' writes 'plan'",
        }


@pytest.mark.parametrize("forgotten", ["before the call", "before the answer", "afterwards"])
def test_a_stream_whose_names_were_forgotten_is_not_skipped(forgotten: str) -> None:
    """Those who write its attributes do not know of it, so nothing it sent is known to be there still."""
    for world in worlds():
        for when in ("before the call", "before the answer", "afterwards"):
            if when == "before the answer":
                world.start(0, "crm", 1)
            elif when == "afterwards":
                world.answer(0)
            if when == forgotten:
                with world.ledger.begin() as connection:
                    connection.execute(sa.delete(writers))
        world.start(1, "billing", 2)
        world.answer(1)
        world.now += 1
        world.crash(0)
        world.start(0, "crm", 1)
        world.answer(0)
        assert (world.skipped, world.profile["plan"]) == (0, 1)


def test_a_run_that_takes_long_keeps_its_names() -> None:
    """Longer than they are kept without it: what it sends last is remembered as well."""
    for world in worlds():
        for stream, passed in (("crm", 1.4), ("web", 1.4), ("crm", 0.0), ("crm", 0.0)):
            world.start(0, stream, 1)
            world.answer(0)
            world.now += passed * AGE
        assert world.skipped == 1


def test_a_stream_that_is_gone_for_long_disturbs_nobody() -> None:
    """What it wrote is forgotten twice the age limit after its last run."""
    for world in worlds():
        for stream in ("billing", "crm", "crm"):
            world.start(0, stream, 1)
            world.answer(0)
        assert world.told
        world.told.clear()
        world.now += 3 * AGE
        world.crash(0)
        world.start(0, "crm", 1)
        world.answer(0)
        assert not world.told
