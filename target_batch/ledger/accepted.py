"""What Batch has accepted: the attributes of profiles, so that only differences are sent, and recent events.

An attribute is known only if every attempt of the last request that carried it was answered, and no other
request carried it meanwhile. Two requests that carry the same attribute at the same time have *crossed*: it
cannot be known which of their values Batch kept. If an answer was lost or the run died, a request counts as
unanswered until a later request with the attribute has been answered.

Events are known for as long as Batch would take them, so that none that a tap reads again is sent twice.
"""

from __future__ import annotations

import secrets
from enum import Enum
from hashlib import blake2b
from itertools import compress, repeat
from operator import add
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa

from target_batch.common.limits import EVENT_AGE_SECONDS
from target_batch.ledger.database import execute_for
from target_batch.ledger.held import (
    CONSENTS,
    HASH_BYTES,
    NEVER,
    NOT_HELD,
    OPERATION,
    Age,
    Carried,
    Held,
    Pair,
    Wanted,
    day_of,
    digested,
    head_of,
    head_of_sent,
    key_of,
    pack,
    pack_carried,
    pack_pairs,
    profile_digest,
    project_hash,
    tag_of,
    unpack,
    unpack_carried,
    unpack_whole,
    whole_of,
)
from target_batch.ledger.tables import events, profiles, requests

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from target_batch.ledger.database import Ledger

DAY: Final = 86_400
NOBODY: Final = 0
"""The run number of requests that will no longer be answered."""


class Claim(NamedTuple):
    """A request before it is sent: the attributes it carries, by the index of each profile."""

    number: int
    carried: dict[int, Carried]

    def pairs(self, chosen: Collection[int] | None = None) -> set[Pair]:
        """Return the pairs it carries, of all profiles or of the chosen ones."""
        which = self.carried if chosen is None else self.carried.keys() & set(chosen)
        return {(self.carried[index].key, tag) for index in which for tag in self.carried[index].tags}


class Outcome(NamedTuple):
    """The result of a request, by the index of each profile; anything not mentioned was accepted.

    `refused` contains attributes that Batch refused, `unsent` profiles that have certainly not reached Batch.
    `doubted` means that an attempt was not answered and may still take effect.
    """

    refused: Mapping[int, Collection[str]] = {}
    unsent: AbstractSet[int] = frozenset()
    doubted: bool = False


class _Other(NamedTuple):
    """An unanswered request of another run (for `forget`, of any run)."""

    run: int
    number: int
    carried: set[Pair]
    crossed: bytes


class ProfileMemory:
    """The attributes that Batch holds of one project's profiles.

    A run never has two unanswered requests for the same profile, so its own requests are not compared.
    Attributes expire after `max_age_days`; `now` returns epoch seconds.
    """

    def __init__(self, ledger: Ledger, project: str, max_age_days: float, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._project = project_hash(project)
        self._max_age_days = max_age_days
        self._now = now

    def claim(
        self, connection: sa.Connection, wanted: Sequence[tuple[str, dict[str, Any], bytes]]
    ) -> tuple[Claim | None, list[dict[str, Any]]]:
        """Find out which attributes of each profile have to be sent, and record them as unanswered.

        `wanted` contains custom ID, attributes, and the entry's body or `b""`. The connection comes from
        `Ledger.turn`. Return the claim (None if nothing has to be sent), and the attributes to send for each
        profile.
        """
        age = Age(self._max_age_days, self._today)
        others = self._others(connection)
        left: list[dict[str, Any]] = [{}] * len(wanted)
        closer, held = self._look(connection, wanted, age, trusts_wholes=not others)
        crossed = self._cross(connection, others, closer.values(), held)
        carried: dict[int, Carried] = {}
        for index, profile in closer.items():
            differs = _differs(profile, held.get(profile.key, {}), age)
            if False not in differs:
                carried[index] = Carried(profile.key, profile.tags, profile.hashes, profile)
                left[index] = wanted[index][1]
            elif True in differs:
                tags, hashes = (list(compress(all_, differs)) for all_ in (profile.tags, profile.hashes))
                carried[index] = Carried(profile.key, tags, hashes, profile)
                left[index] = dict(compress(wanted[index][1].items(), differs))
        if not carried:
            return None, left
        number = secrets.randbits(62)
        request = (self._ledger.run, number, pack_carried(carried.values()), pack_pairs(crossed))
        self._ledger.upsert(connection, requests, [request])
        return Claim(number, carried), left

    def _look(
        self,
        connection: sa.Connection,
        wanted: Sequence[tuple[str, dict[str, Any], bytes]],
        age: Age,
        *,
        trusts_wholes: bool,
    ) -> tuple[dict[int, Wanted], dict[int, Held]]:
        """Return the profiles that need a closer look, by index, and what Batch holds of them, by key."""
        identities = [profile_digest(self._project, custom_id) for custom_id, _, _ in wanted]
        keys = [key_of(identity) for identity in identities]
        found = dict(self._ledger.rows(connection, profiles, sorted(keys)))
        closer: dict[int, Wanted] = {}
        held: dict[int, Held] = {}
        for index, (identity, key, (_, attributes, body)) in enumerate(
            zip(identities, keys, wanted, strict=True)
        ):
            row, whole = found.get(key), whole_of(identity, body)
            if row is not None and trusts_wholes and whole:
                last, day = unpack_whole(row)
                first_day, last_day = age.days_of(key)
                if last == whole and (first_day <= day <= last_day or day == NEVER):
                    continue
            if attributes:
                closer[index] = digested(identity, attributes, whole)
                if row is not None:
                    held[key] = unpack(row)
        return closer, held

    def record(self, connection: sa.Connection, claim: Claim, outcome: Outcome) -> None:
        """Record the outcome of a claim: accepted attributes are now known, unless another run sent them too.

        The connection comes from `Ledger.turn`.
        """
        crossed = self._end(connection, claim)
        open_ = claim.pairs() if outcome.doubted else crossed & claim.pairs(outcome.unsent)
        if open_:
            self._ledger.upsert(connection, requests, [(NOBODY, claim.number, pack_pairs(open_), b"")])
        if outcome.doubted:
            return
        keys = sorted(profile.key for profile in claim.carried.values())
        held = {key: unpack(row) for key, row in self._ledger.rows(connection, profiles, keys)}
        changed: dict[int, bytes] = {}
        today = day_of(self._today)
        for index in claim.carried.keys() - outcome.unsent:
            key, tags, hashes, wanted = claim.carried[index]
            mine = held.setdefault(key, {})
            mine.update(zip(tags, map(add, hashes, repeat(today)), strict=True))
            unclear = {tag for tag in tags if (key, tag) in crossed} if crossed else set()
            if index in outcome.refused:
                unclear |= {tag_of(name) for name in outcome.refused[index]}
            if OPERATION in hashes:
                unclear |= {*compress(tags, map(OPERATION.__eq__, hashes))}
            for tag in unclear:
                mine.pop(tag, None)
            is_whole = not unclear and tags is wanted.tags
            head = head_of_sent(wanted, today) if is_whole else head_of(mine, wanted)
            changed[key] = pack(mine, head)
        self._keep(connection, changed)

    def forget(self, custom_ids: Iterable[str]) -> None:
        """Forget profiles, for example because they were erased in Batch."""
        keys = {key_of(profile_digest(self._project, custom_id)) for custom_id in custom_ids}
        with self._ledger.turn() as connection:
            for other in self._others(connection, mine=True):
                self._mark(connection, other, {pair for pair in other.carried if pair[0] in keys})
            self._keep(connection, dict.fromkeys(keys, pack({})))

    @property
    def _today(self) -> int:
        return int(self._now() // DAY)

    def _keep(self, connection: sa.Connection, rows: Mapping[int, bytes]) -> None:
        self._ledger.upsert(connection, profiles, sorted(rows.items()))

    def _cross(
        self,
        connection: sa.Connection,
        others: Sequence[_Other],
        wanted: Iterable[Wanted],
        held: dict[int, Held],
    ) -> set[Pair]:
        """Mark the wanted pairs in other runs' unanswered requests as unknown, for them and for this run.

        Return those pairs. The requests of a dead run cause doubt until a later request is answered.
        """
        if not others:
            return set()
        mine = {(profile.key, tag) for profile in wanted for tag in profile.tags}
        crossed: set[Pair] = set()
        for other in others:
            if both := mine & other.carried:
                crossed |= both
                if other.run != NOBODY and self._ledger.is_alive(other.run, connection):
                    self._mark(connection, other, both)
                else:
                    self._shrink(connection, other, both)
        for key, tag in crossed:
            held.setdefault(key, {}).pop(tag, None)
        self._keep(connection, {key: pack(held[key]) for key in {key for key, _ in crossed}})
        return crossed

    def _others(self, connection: sa.Connection, *, mine: bool = False) -> list[_Other]:
        query = sa.select(requests) if mine else sa.select(requests).where(requests.c.run != self._ledger.run)
        return [
            _Other(run, number, unpack_carried(carried), crossed)
            for run, number, carried, crossed in connection.execute(query)
        ]

    def _mark(self, connection: sa.Connection, other: _Other, crossed: set[Pair]) -> None:
        if crossed:
            marks = other.crossed + pack_pairs(crossed)
            connection.execute(_request(sa.update(requests), other.run, other.number).values(crossed=marks))

    def _shrink(self, connection: sa.Connection, other: _Other, answered: set[Pair]) -> None:
        """Remove pairs from a request without a live run: from now on, another request covers their doubt."""
        if left := other.carried - answered:
            less = {"carried": pack_pairs(left), "crossed": other.crossed + pack_pairs(answered)}
            connection.execute(_request(sa.update(requests), other.run, other.number).values(less))
        else:
            connection.execute(_request(sa.delete(requests), other.run, other.number))

    def _end(self, connection: sa.Connection, claim: Claim) -> set[Pair]:
        """Remove an answered request; return its pairs that requests of other runs also carried.

        Runs that took this one for dead have deleted its request, and may have missed that they crossed it.
        """
        mine = (self._ledger.run, claim.number)
        found = connection.scalar(_request(sa.select(requests.c.crossed), *mine))
        connection.execute(_request(sa.delete(requests), *mine))
        crossed = claim.pairs() if found is None else unpack_carried(found)
        if crossed:
            for other in self._others(connection):
                self._mark(connection, other, crossed & other.carried)
        return crossed


def _request(statement: Any, run: int, number: int) -> Any:
    return statement.where(requests.c.run == run, requests.c.number == number)


def _differs(profile: Wanted, held: Held, age: Age) -> list[bool]:
    """Return for each attribute whether it has to be sent, because Batch is not known to hold it."""
    if not held:
        return [True] * len(profile.tags)
    first, last = age.days_of(profile.key)
    return [
        found[:HASH_BYTES] != hash_ or (not first <= found[HASH_BYTES:] <= last and tag not in CONSENTS)
        for tag, hash_ in zip(profile.tags, profile.hashes, strict=True)
        for found in (held.get(tag, NOT_HELD),)
    ]


ROWS_AT_ONCE: Final = 10_000
"""Rows read in one transaction, so that other runs do not wait for long."""


class KnownProfile(NamedTuple):
    """The attributes that Batch is known to hold of a profile: `hashes` by tag."""

    identity: bytes
    hashes: dict[bytes, bytes]

    def holds(self, tag: bytes, spelling: str, value: Any) -> bool:
        """Return whether an attribute, with its key and value as sent, is the last one accepted."""
        (hash_,) = digested(self.identity, {spelling: value}).hashes
        return bool(hash_) and self.hashes.get(tag) == hash_


class ProfileReader:
    """Reads the attributes that Batch is known to hold of one project's profiles.

    Attributes carried by an unanswered request, or by one whose run died before the answer, are not known.
    """

    def __init__(self, ledger: Ledger, project: str) -> None:
        self._ledger = ledger
        self._project = project_hash(project)
        self._in_doubt: set[Pair] = set()
        with ledger.begin() as connection:
            for (carried,) in connection.execute(sa.select(requests.c.carried)):
                self._in_doubt |= unpack_carried(carried)

    def known(self, custom_ids: Sequence[str]) -> Iterator[KnownProfile]:
        """Yield the known attributes of each profile, in the order of the IDs.

        Raises:
            DeliveryError: the database does not answer.
        """
        identities = [profile_digest(self._project, custom_id) for custom_id in custom_ids]
        with self._ledger.begin() as connection:
            rows = dict(self._ledger.rows(connection, profiles, sorted(set(map(key_of, identities)))))
        for identity in identities:
            key = key_of(identity)
            held = unpack(rows.get(key, b""))
            hashes = {
                tag: found[:HASH_BYTES] for tag, found in held.items() if (key, tag) not in self._in_doubt
            }
            yield KnownProfile(identity, hashes)

    def count(self, tags: AbstractSet[bytes]) -> int:
        """Count the profiles, of all projects, for which at least one of the attributes is known.

        Raises:
            DeliveryError: the database does not answer.
        """
        count = 0
        query = part = sa.select(profiles).order_by(profiles.c.key).limit(ROWS_AT_ONCE)
        while True:
            with self._ledger.begin() as connection:
                rows = connection.execute(part).all()
            for key, row in rows:
                count += any((key, tag) not in self._in_doubt for tag in tags & unpack(row).keys())
            if len(rows) < ROWS_AT_ONCE:
                return count
            part = query.where(profiles.c.key > rows[-1].key)


HOUR: Final = 3600
MARGIN_HOURS: Final = 6
KEPT_HOURS: Final = EVENT_AGE_SECONDS // HOUR + MARGIN_HOURS
"""Batch accepts no event older than a day; the margin allows for clocks, retries and queues."""


class Standing(Enum):
    """The state of an event before it is sent."""

    NEW = "new"
    ACCEPTED = "accepted"
    IN_DOUBT = "in doubt"


class EventMemory:
    """The identities of one project's events, kept for `KEPT_HOURS`; connections come from `Ledger.turn`."""

    def __init__(self, ledger: Ledger, project: str, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._project = project.encode()
        self._now = now
        self._pruned = 0

    def claim(self, connection: sa.Connection, identities: Sequence[bytes]) -> list[Standing]:
        """Return the standing of each event, and record the new ones as sent but not accepted.

        Of identical events only the first one counts; the others are treated as accepted.
        """
        hour = self._hour
        if hour != self._pruned:  # once an hour, events too old for Batch to accept are forgotten
            self._pruned = hour
            connection.execute(sa.delete(events).where(events.c.hour < hour - KEPT_HOURS))
        numbers = list(map(self._numbers, identities))
        rows = self._ledger.rows(connection, events, sorted({key for key, _ in numbers}))
        found = {key: (rest, accepted) for key, rest, _, accepted in rows}
        standings: list[Standing] = []
        fresh: list[tuple[int, int]] = []
        for key, rest in numbers:
            known, accepted = found.get(key, (None, False))
            if known == rest:
                standings.append(Standing.ACCEPTED if accepted else Standing.IN_DOUBT)
                found[key] = rest, True
                continue
            standings.append(Standing.NEW)
            if known is None:
                fresh.append((key, rest))
                found[key] = rest, True
        self._write(connection, fresh, accepted=False)
        return standings

    def accepted(self, connection: sa.Connection, identities: Iterable[bytes]) -> None:
        """Note that Batch has accepted some events."""
        self._write(connection, map(self._numbers, identities), accepted=True)

    def withdraw(self, connection: sa.Connection, identities: Iterable[bytes]) -> None:
        """Note that some events, which were new when claimed, have certainly not reached Batch."""
        keys = [key for key, _ in map(self._numbers, identities)]
        execute_for(connection, sa.delete(events).where(~events.c.accepted), events.c.key, keys)

    def _write(
        self, connection: sa.Connection, numbers: Iterable[tuple[int, int]], *, accepted: bool
    ) -> None:
        hour = self._hour
        rows = [(key, rest, hour, accepted) for key, rest in sorted(numbers)]
        self._ledger.upsert(connection, events, rows)

    @property
    def _hour(self) -> int:
        return int(self._now() // HOUR)

    def _numbers(self, identity: bytes) -> tuple[int, int]:
        """Return an event's hash as two numbers: a row's key, and one to tell events of that key apart."""
        digest = blake2b(self._project + identity, digest_size=16).digest()
        return int.from_bytes(digest[:8], "big", signed=True), int.from_bytes(digest[8:], "big", signed=True)
