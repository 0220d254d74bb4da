"""Data is skipped only if Batch holds it, and events are not sent twice, also if runs overlap or die."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from target_batch.batch_api.answers import Refusal
from target_batch.batch_api.bulk import Receipt
from target_batch.common.errors import DeliveryError
from target_batch.common.operations import Origin, Spared, Tally, Ticket, names_of
from target_batch.delivery.memory import Memory
from target_batch.delivery.profile_buffer import Entry, Sending, seal
from target_batch.ledger.accepted import KEPT_HOURS, EventMemory, ProfileMemory
from target_batch.ledger.database import Ledger
from target_batch.ledger.held import (
    HASH_BYTES,
    digested,
    key_of,
    profile_digest,
    project_hash,
    unpack,
    unpack_carried,
)
from target_batch.ledger.tables import profiles, requests
from target_batch.singer.messages import record_in

DAY = 86_400.0
MAX_AGE_DAYS = 8.0
SHAPES: dict[str, tuple[str, ...]] = {
    "crm": ("plan", "city", "$email_marketing"),
    "billing": ("plan", "spend"),
    "typed": ("date(plan)", "city"),
    "cohort": ("in_cohort",),
    "web": ("pages", "in_cohort"),
    "interests": ("interests",),
}
"""Streams and their attributes: streams share attributes, and one changed the type of its column."""

CONSENT = "$email_marketing"
VALUES: list[Any] = [1, 2, "1", None, [1], {"$add": ["a"]}]
PEOPLE = ("u1", "U1")
PROJECT = "p"
MEANINGS = {
    (carried.key, tag, hash_): (who, name, value)
    for who in PEOPLE
    for name in sorted({name for names in SHAPES.values() for name in names})
    for value in VALUES
    for carried in [digested(profile_digest(project_hash(PROJECT), who), {name: value})]
    for tag, hash_ in zip(carried.tags, carried.hashes, strict=True)
}
"""Key, tag and hash in the ledger → the ID, attribute and value that they stand for."""

ORIGIN = Origin("s", {}, (), (), lambda _: (), record_in, Tally())


@dataclass
class Attempt:
    """The changes that one attempt makes in Batch when it takes effect."""

    who: str
    attributes: dict[str, Any]
    identities: list[bytes]
    born: int
    """The step of its request's claim."""
    over: int | None = None
    """The step since which no run waits for its answer."""


@dataclass
class Out:
    """A request in flight."""

    sending: Sending
    born: int
    attempt: Attempt
    is_applied: bool = False
    doubted: bool = False
    is_crossed: bool = False
    """Whether another request with the same user's consent was in flight at the same time."""


@dataclass
class Batch:
    """The contents of Batch, and late attempts, which no run waits for but which may still take effect.

    A late attempt takes effect, if at all, before Batch has answered a request that was claimed after it.
    """

    profiles: dict[tuple[str, str], tuple[str, Any]] = field(default_factory=dict)
    events: list[bytes] = field(default_factory=list)
    late: list[Attempt] = field(default_factory=list)

    def apply(self, attempt: Attempt, refused: frozenset[str] = frozenset()) -> None:
        """Let an attempt take effect, except for refused attributes."""
        for name, value in attempt.attributes.items():
            (bare,) = names_of({name: 0})
            if bare not in refused:
                held = ("changed", object()) if isinstance(value, dict) else (name, value)
                self.profiles[attempt.who, bare] = held
        self.events += attempt.identities

    def answered(self, answered: Attempt) -> None:
        """Delete the late attributes that cannot take effect any more after an answer."""
        names = names_of(answered.attributes)
        for attempt in self.late:
            if attempt.who == answered.who and attempt.over is not None and attempt.over < answered.born:
                for name in list(attempt.attributes):
                    if names_of({name: 0}) <= names:
                        del attempt.attributes[name]

    def holds(self, who: str, name: str, value: Any) -> bool:
        """Return whether an attribute of an ID has a value."""
        (bare,) = names_of({name: 0})
        return self.profiles.get((who, bare)) == (name, value)


class World:
    """Three runs at a time, with separate connections to one ledger."""

    def __init__(self, folder: str, *, skips: bool) -> None:
        self.folder = Path(folder)
        self.now = 20_000.5 * DAY
        self.step = 0
        self.skips = skips
        self.batch = Batch()
        self.out: dict[int, Out] = {}
        self.tried: dict[bytes, float] = {}
        self.sure: dict[bytes, float] = {}
        self.last_consent: dict[str, str] = {}
        self.clean: dict[str, int] = {}
        self.ledgers: dict[int, Ledger] = {}
        self.runs = {number: self.new_run(number) for number in range(3)}

    def new_run(self, number: int) -> Memory:
        """Start a run."""
        ledger = self.ledgers[number] = Ledger(f"sqlite:///{self.folder}/ledger.db", self.folder)
        profiles = ProfileMemory(ledger, PROJECT, MAX_AGE_DAYS, lambda: self.now)
        events = EventMemory(ledger, PROJECT, lambda: self.now)
        return Memory(ledger, profiles, events, Spared(), set(), risks_twice=not self.skips)

    def send(self, run: int, who: str, shape: str, value: Any, event: int | None) -> None:
        """Let a run claim an update unless it waits for an answer; Batch must hold skipped values."""
        if run in self.out:
            return
        self.step += 1
        attributes = dict.fromkeys(SHAPES[shape], value)
        entry = Entry(who, dict(attributes), [], [Ticket(ORIGIN, 1, b"{}")], 2)
        if event is not None:
            entry.events, entry.identities = [{"name": f"e{event}"}], [bytes([event]) * 16]
            entry.tickets = [*entry.tickets, Ticket(ORIGIN, 2, b"{}")]
            entry.named = ["", f"e{event}"]
        seal([entry])
        sending = self.runs[run].claim([entry])
        left = sending.entries[0] if sending.entries else Entry(who, {}, [], [], 0)
        for name in attributes.keys() - left.attributes.keys():
            assert self.batch.holds(who, name, attributes[name]), (name, value, self.batch.profiles)
        if event is not None:
            self.check_event(bytes([event]) * 16, is_sent=bool(left.events))
        seal(sending.entries)
        if sending.entries:
            attempt = Attempt(who, dict(left.attributes), list(left.identities), self.step)
            self.out[run] = Out(sending, self.step, attempt)
        if CONSENT in left.attributes:
            self.check_consent(run, who, value)

    def check_consent(self, run: int, who: str, value: Any) -> None:
        """Assert that a consent is sent only if its source changed or if the last one sent is not certain."""
        is_known = self.clean.get(who, 1) > 1 and self.last_consent[who] == repr(value)
        others = [
            out for number, out in self.out.items()
            if number != run and out.attempt.who == who and CONSENT in out.attempt.attributes
        ]  # fmt: skip
        is_allowed = others or not is_known or isinstance(value, dict)
        assert is_allowed, "a consent was sent although its source did not change"
        for out in (*others, self.out[run]) if others else ():
            out.is_crossed = True

    def check_event(self, identity: bytes, *, is_sent: bool) -> None:
        """Assert that an event is sent unless it is known or, without the risk of duplicates, in doubt."""
        known = self.tried if self.skips else self.sure
        if is_sent:
            assert self.now - known.get(identity, 0.0) > KEPT_HOURS * 3600
            self.tried[identity] = self.now
        else:
            assert identity in known, "an event was skipped that was never sent"

    def apply(self, run: int) -> None:
        """Let an attempt take effect before its answer arrives."""
        out = self.out.get(run)
        if out and not out.is_applied:
            out.is_applied = True
            self.batch.apply(out.attempt)

    def lose_an_answer(self, run: int) -> None:
        """Lose the answer of an attempt, and send the same request again."""
        if out := self.out.get(run):
            self.give_up(out)
            out.doubted, out.is_applied = True, False
            out.attempt = Attempt(
                out.attempt.who, dict(out.attempt.attributes), list(out.attempt.identities), out.born
            )

    def give_up(self, out: Out) -> None:
        """Stop waiting for an attempt, which may still take effect later unless it already has."""
        if not out.is_applied:
            self.batch.late.append(out.attempt)

    def close(self, run: int) -> Out | None:
        """End a request; its late attempts may take effect only until a later request is answered."""
        out = self.out.pop(run, None)
        if out:
            self.step += 1
            for attempt in self.batch.late:
                if attempt.born == out.born and attempt.over is None:
                    attempt.over = self.step
        return out

    def answer(self, run: int) -> None:
        """Let an answer arrive."""
        self.answer_with(run, None)

    def refuse_one(self, run: int, which: int, names: bool) -> None:  # noqa: FBT001 - a step
        """Let Batch refuse an attribute, or an entry without naming an attribute."""
        out = self.out.get(run)
        if out is None or out.is_applied or not out.attempt.attributes:
            return
        attributes = sorted(names_of(out.attempt.attributes))
        self.answer_with(run, attributes[which % len(attributes)] if names else "")

    def answer_with(self, run: int, refused: str | None) -> None:
        """Settle a request; `refused` is an attribute, or empty if Batch does not name one."""
        out = self.close(run)
        if out is None:
            return
        if not out.is_applied:
            everything = names_of(out.attempt.attributes) if refused == "" else frozenset({refused or ""})
            if refused == "":
                out.attempt.identities = []
            self.batch.apply(out.attempt, everything)
        self.batch.answered(out.attempt)
        refusals: dict[int, tuple[Refusal, ...]] = {}
        if refused is not None:
            refusals[0] = (Refusal("no", refused or None),)
        self.runs[run].record(out.sending, Receipt(refused=refusals, doubted=out.doubted))
        if refused != "":
            for identity in out.attempt.identities:
                self.sure[identity] = self.tried[identity] = self.now
        self.note_consent(out, is_clean=not out.doubted and refused is None)

    def note_consent(self, out: Out, *, is_clean: bool) -> None:
        """A consent is known after one undisturbed request, after a disturbance only after two of them."""
        who = out.attempt.who
        if CONSENT in out.attempt.attributes:
            self.clean[who] = self.clean.get(who, 1) + 1 if is_clean and not out.is_crossed else 0
            self.last_consent[who] = repr(out.attempt.attributes[CONSENT])

    def fail(self, run: int, left: bool) -> None:  # noqa: FBT001 - a step
        """Let a run give up a request; with `left`, it was sent and may still take effect."""
        if (out := self.out.get(run)) and left:
            self.give_up(out)
        out = self.close(run)
        if out is None:
            return
        in_doubt = left or out.doubted or out.is_applied
        receipt = Receipt(unconfirmed={0}, failure=DeliveryError("no"), doubted=in_doubt)
        self.runs[run].record(out.sending, receipt)
        self.note_consent(out, is_clean=False)
        if not in_doubt:
            for identity in out.sending.fresh:
                self.tried.pop(identity, None)  # another run may have taken it back before

    def crash(self, run: int, later: bool) -> None:  # noqa: FBT001 - a step
        """Kill a run and start another; with `later`, its request in flight may still take effect."""
        if (out := self.out.get(run)) and later:
            self.give_up(out)
        if out := self.close(run):
            self.note_consent(out, is_clean=False)
        self.ledgers[run].close()
        self.runs[run] = self.new_run(run)

    def land(self, which: int) -> None:
        """Let a late attempt take effect."""
        if self.batch.late:
            self.batch.apply(self.batch.late.pop(which % len(self.batch.late)))

    def pass_time(self, days: float) -> None:
        """Move the clock on, which decides only whether data is too old."""
        self.now += days * DAY

    def check(self) -> None:
        """Assert that Batch holds all values in the ledger, except those in flight: a run would skip them."""
        with self.ledgers[0].begin() as connection:
            out = [unpack_carried(row.carried) for row in connection.execute(sa.select(requests))]
            rows = connection.execute(sa.select(profiles)).all()
        for key, held in rows:
            for tag, found in unpack(held).items():
                if not any((key, tag) in carried for carried in out):
                    who, name, value = MEANINGS[key, tag, found[:HASH_BYTES]]
                    assert self.batch.holds(who, name, value), (who, name, value, self.batch.profiles)

    def close_all(self) -> None:
        """End every run."""
        for ledger in self.ledgers.values():
            ledger.close()


RUNS = st.sampled_from([0, 0, 0, 1, 1, 1, 2])
SENDS = st.tuples(
    st.just("send"),
    RUNS,
    st.sampled_from(["u1", "u1", "u1", "u1", "u1", "U1"]),
    st.sampled_from(["crm", "crm", "crm", "billing", "billing", *sorted(SHAPES)]),
    st.sampled_from([1, 1, 1, 2, 2, 2, *VALUES]),
    st.sampled_from([None, None, None, 0, 1]),
)
COMMON = st.tuples(st.sampled_from(["apply", "answer", "answer", "lose_an_answer"]), RUNS)
RARE = st.one_of(
    st.tuples(st.just("refuse_one"), RUNS, st.integers(0, 2), st.booleans()),
    st.tuples(st.sampled_from(["fail", "crash"]), RUNS, st.booleans()),
    st.tuples(st.just("land"), st.integers(0, 5)),
    st.tuples(st.just("pass_time"), st.sampled_from([0.1, 1.5, 7.0])),
)
STEPS = st.lists(st.one_of(SENDS, SENDS, COMMON, COMMON, RARE), min_size=20, max_size=60)


def crm(run: int, value: Any) -> tuple[Any, ...]:
    """Return the step in which a run sends a value of the stream `crm`."""
    return "send", run, "u1", "crm", value, None


BOTH = [crm(0, 1), crm(1, 2), ("apply", 1), ("apply", 0)]
DIED = [crm(0, 1), ("crash", 0, True), crm(1, 2)]


@pytest.mark.timeout(600)
@example(steps=[*BOTH, ("answer", 0), ("answer", 1)], skips=False)
@example(steps=[*BOTH, ("answer", 1), ("answer", 0)], skips=False)
@example(steps=[*DIED, ("apply", 1), ("land", 0), ("answer", 1)], skips=False)
@example(steps=[*DIED, ("fail", 1, False), crm(1, 2), ("apply", 1), ("land", 0), ("answer", 1)], skips=False)
@example(
    steps=[
        crm(0, 1),
        ("lose_an_answer", 0),
        ("answer", 0),
        crm(0, 2),
        ("apply", 0),
        ("land", 0),
        ("answer", 0),
    ],
    skips=False,
)
@example(steps=[crm(0, 1), ("answer", 0), crm(0, 2), ("apply", 0), crm(1, 1)], skips=False)
@example(steps=[crm(0, 1), ("answer", 0), ("pass_time", 7.0), ("pass_time", 7.0), crm(0, 1)], skips=False)
@example(
    steps=[
        ("send", 1, "u1", "crm", 1, 1),
        ("pass_time", 7.0),
        ("send", 0, "u1", "crm", 1, 1),
        ("fail", 0, False),
        ("fail", 1, False),
    ],
    skips=False,
)
@given(steps=STEPS, skips=st.booleans())
@settings(max_examples=60, deadline=None)
def test_data_is_skipped_only_if_batch_holds_it(steps: list[tuple[Any, ...]], *, skips: bool) -> None:
    """Runs share attributes, overlap, follow each other and die at any moment."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder, skips=skips)
        for what, *given_ in steps:
            getattr(world, what)(*given_)
            world.check()
        world.close_all()


def test_a_late_answer_to_a_run_taken_for_dead_makes_its_values_unknown() -> None:
    """Its session was cut while its request was in flight, so other runs took it for dead."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder, skips=False)
        world.send(0, "u1", "crm", 1, None)
        world.ledgers[0].release()
        for _ in range(2):
            world.send(1, "u1", "crm", 2, None)
            world.answer(1)
        world.check()
        world.send(2, "u1", "crm", 2, None)
        assert 2 not in world.out, "it is known by now"
        world.apply(0)
        world.answer(0)
        world.check()
        world.close_all()


def test_keys_of_consecutive_ids_are_close_together() -> None:
    """A request therefore touches few pages; keys are unique, and IDs that differ in case are far apart."""
    project = project_hash(PROJECT)
    keys = [key_of(profile_digest(project, f"user-{number:06}")) for number in range(2500)]
    assert len(set(keys)) == 2500
    assert len({key >> 32 for key in keys}) == 25
    upper, lower = (
        key_of(profile_digest(project, custom_id)) for custom_id in ("User-000001", "user-000001")
    )
    assert upper >> 32 != lower >> 32
