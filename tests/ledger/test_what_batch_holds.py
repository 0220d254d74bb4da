"""Whatever runs do at once, wherever they die: what is skipped is what Batch holds, no event goes twice."""

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
    identity_of,
    key_of,
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
"""What streams write: they share attributes, and one changed the type of its column."""

CONSENT = "$email_marketing"
VALUES: list[Any] = [1, 2, "1", None, [1], {"$add": ["a"]}]
PEOPLE = ("u1", "U1")
PROJECT = "p"
MEANINGS = {
    (carried.key, tag, hash_): (who, name, value)
    for who in PEOPLE
    for name in sorted({name for names in SHAPES.values() for name in names})
    for value in VALUES
    for carried in [digested(identity_of(project_hash(PROJECT), who), {name: value})]
    for tag, hash_ in zip(carried.tags, carried.hashes, strict=True)
}
"""What the ledger's numbers stand for."""

ORIGIN = Origin("s", {}, (), (), lambda _: (), record_in, Tally())


@dataclass
class Attempt:
    """What one attempt does to Batch when it takes effect."""

    who: str
    attributes: dict[str, Any]
    identities: list[bytes]
    born: int
    """The step of its request's claim."""
    over: int | None = None
    """The step in which nobody waited for its answer any more."""


@dataclass
class Out:
    """A request on its way."""

    sending: Sending
    born: int
    attempt: Attempt
    is_applied: bool = False
    doubted: bool = False
    is_crossed: bool = False
    """Whether another request that carries the person's consent was out at the same time."""


@dataclass
class Batch:
    """What Batch holds, and attempts that nobody waits for and that may still take effect.

    They do so, if at all, before a request that was claimed after them has been answered.
    """

    profiles: dict[tuple[str, str], tuple[str, Any]] = field(default_factory=dict)
    events: list[bytes] = field(default_factory=list)
    late: list[Attempt] = field(default_factory=list)

    def apply(self, attempt: Attempt, refused: frozenset[str] = frozenset()) -> None:
        """Let an attempt take effect, but for attributes that are refused."""
        for name, value in attempt.attributes.items():
            (bare,) = names_of({name: 0})
            if bare not in refused:
                held = ("changed", object()) if isinstance(value, dict) else (name, value)
                self.profiles[attempt.who, bare] = held
        self.events += attempt.identities

    def answered(self, answered: Attempt) -> None:
        """Forget what cannot take effect any more."""
        names = names_of(answered.attributes)
        for attempt in self.late:
            if attempt.who == answered.who and attempt.over is not None and attempt.over < answered.born:
                for name in list(attempt.attributes):
                    if names_of({name: 0}) <= names:
                        del attempt.attributes[name]

    def holds(self, who: str, name: str, value: Any) -> bool:
        """Whether an attribute has a value."""
        (bare,) = names_of({name: 0})
        return self.profiles.get((who, bare)) == (name, value)


class World:
    """Three runs at a time, each with a connection of its own to one ledger."""

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
        """Begin a run."""
        ledger = self.ledgers[number] = Ledger(f"sqlite:///{self.folder}/ledger.db", self.folder)
        profiles = ProfileMemory(ledger, PROJECT, MAX_AGE_DAYS, lambda: self.now)
        events = EventMemory(ledger, PROJECT, lambda: self.now)
        return Memory(ledger, profiles, events, Spared(), set(), risks_twice=not self.skips)

    def send(self, run: int, who: str, shape: str, value: Any, event: int | None) -> None:
        """Let a run claim an update, unless it waits for an answer; what it skips Batch must hold."""
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
        """A consent goes if its source changed, or as long as what went before may not have been the last."""
        is_known = self.clean.get(who, 1) > 1 and self.last_consent[who] == repr(value)
        others = [
            out for number, out in self.out.items()
            if number != run and out.attempt.who == who and CONSENT in out.attempt.attributes
        ]  # fmt: skip
        is_allowed = others or not is_known or isinstance(value, dict)
        assert is_allowed, "a consent went though its source did not change"
        for out in (*others, self.out[run]) if others else ():
            out.is_crossed = True

    def check_event(self, identity: bytes, *, is_sent: bool) -> None:
        """An event goes unless it is known, or in doubt where doubts are not risked."""
        known = self.tried if self.skips else self.sure
        if is_sent:
            assert self.now - known.get(identity, 0.0) > KEPT_HOURS * 3600
            self.tried[identity] = self.now
        else:
            assert identity in known, "an event was left out that nobody sent"

    def apply(self, run: int) -> None:
        """Let Batch take an attempt in; its answer is still on its way."""
        out = self.out.get(run)
        if out and not out.is_applied:
            out.is_applied = True
            self.batch.apply(out.attempt)

    def lose_an_answer(self, run: int) -> None:
        """Let an attempt go unanswered, and the same request be sent again."""
        if out := self.out.get(run):
            self.give_up(out)
            out.doubted, out.is_applied = True, False
            out.attempt = Attempt(
                out.attempt.who, dict(out.attempt.attributes), list(out.attempt.identities), out.born
            )

    def give_up(self, out: Out) -> None:
        """Wait no more for an attempt, which may take effect later unless it has."""
        if not out.is_applied:
            self.batch.late.append(out.attempt)

    def close(self, run: int) -> Out | None:
        """End a request; from now on its attempts may only take effect before a later one is answered."""
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
        """Let Batch refuse an attribute, or an entry without saying of which attribute."""
        out = self.out.get(run)
        if out is None or out.is_applied or not out.attempt.attributes:
            return
        attributes = sorted(names_of(out.attempt.attributes))
        self.answer_with(run, attributes[which % len(attributes)] if names else "")

    def answer_with(self, run: int, refused: str | None) -> None:
        """Settle a request; `refused` is an attribute, or empty where Batch does not name it."""
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
        self.runs[run].settle(out.sending, Receipt(refused=refusals, doubted=out.doubted))
        if refused != "":
            for identity in out.attempt.identities:
                self.sure[identity] = self.tried[identity] = self.now
        self.note_consent(out, is_clean=not out.doubted and refused is None)

    def note_consent(self, out: Out, *, is_clean: bool) -> None:
        """After a disturbance two requests in peace make a consent known, without one the first."""
        who = out.attempt.who
        if CONSENT in out.attempt.attributes:
            self.clean[who] = self.clean.get(who, 1) + 1 if is_clean and not out.is_crossed else 0
            self.last_consent[who] = repr(out.attempt.attributes[CONSENT])

    def fail(self, run: int, left: bool) -> None:  # noqa: FBT001 - a step
        """Let a run give up on a request: of one that left nobody knows what became."""
        if (out := self.out.get(run)) and left:
            self.give_up(out)
        out = self.close(run)
        if out is None:
            return
        in_doubt = left or out.doubted or out.is_applied
        receipt = Receipt(unconfirmed={0}, failure=DeliveryError("no"), doubted=in_doubt)
        self.runs[run].settle(out.sending, receipt)
        self.note_consent(out, is_clean=False)
        if not in_doubt:
            for identity in out.sending.fresh:
                self.tried.pop(identity, None)  # another run may have taken it back before

    def crash(self, run: int, later: bool) -> None:  # noqa: FBT001 - a step
        """Kill a run wherever it is; what it had on the wire may take effect later. Another one begins."""
        if (out := self.out.get(run)) and later:
            self.give_up(out)
        if out := self.close(run):
            self.note_consent(out, is_clean=False)
        self.ledgers[run].close()
        self.runs[run] = self.new_run(run)

    def land(self, which: int) -> None:
        """Let an attempt that nobody waits for take effect after all."""
        if self.batch.late:
            self.batch.apply(self.batch.late.pop(which % len(self.batch.late)))

    def pass_time(self, days: float) -> None:
        """Let time pass: by our clock, which decides nothing but what is too old."""
        self.now += days * DAY

    def check(self) -> None:
        """Of what the ledger knows, and nobody has out, everything would be skipped: Batch must hold it."""
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
    """Make the step in which a run sends a value of the stream `crm`."""
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
def test_what_is_skipped_is_what_batch_holds(steps: list[tuple[Any, ...]], *, skips: bool) -> None:
    """Runs of streams that share attributes, at once and one after the other, dying anywhere."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder, skips=skips)
        for what, *given_ in steps:
            getattr(world, what)(*given_)
            world.check()
        world.close_all()


def test_the_late_answer_of_a_run_that_was_taken_for_dead_makes_unknown() -> None:
    """Its session was cut, so others saw it dead, though its request was still out; then its answer came."""
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


def test_ids_given_in_order_lie_together() -> None:
    """So a request touches few pages; each has a key of its own, IDs that differ by case are far apart."""
    project = project_hash(PROJECT)
    keys = [key_of(identity_of(project, f"user-{number:06}")) for number in range(2500)]
    assert len(set(keys)) == 2500
    assert len({key >> 32 for key in keys}) == 25
    upper, lower = (key_of(identity_of(project, custom_id)) for custom_id in ("User-000001", "user-000001"))
    assert upper >> 32 != lower >> 32
