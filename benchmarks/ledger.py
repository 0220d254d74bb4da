"""`python benchmarks/ledger.py`: measure a million members and profiles in the ledger, without HTTP.

Each line is a separate process over the same ledger. With `--members`, members are mirrored for the first
time, again unchanged, and with one percent of them removed and as many added. Then profiles of 12 attributes
are sent for the first time and again unchanged, in the order of their IDs, or with `--scattered` in another
order. A stand-in for Batch accepts everything at once. Memory is the peak of the process.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from target_batch.batch_api.bulk import Receipt  # noqa: E402 - found through the path above
from target_batch.common.operations import AudienceChange, Origin, ProfileUpdate, Ticket  # noqa: E402 - same  # noqa: E402 - same
from target_batch.config.settings import StreamOptions  # noqa: E402 - same
from target_batch.delivery.fates import Fates  # noqa: E402 - same
from target_batch.delivery.memory import Memory  # noqa: E402 - same
from target_batch.delivery.mirror import MirrorDelivery  # noqa: E402 - same
from target_batch.delivery.profile_buffer import ProfileBuffer, seal  # noqa: E402 - same
from target_batch.ledger.accepted import EventMemory, ProfileMemory  # noqa: E402 - same
from target_batch.ledger.database import Ledger  # noqa: E402 - same
from target_batch.singer.messages import record_in  # noqa: E402 - same
from target_batch.target import GC_THRESHOLDS  # noqa: E402 - same

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PHASES = {
    "first": "members, first mirror",
    "same": "members, unchanged",
    "differ": "members, 1 % different",
    "remember": "profiles, first time",
    "skip": "profiles, unchanged",
}
ENTRIES = 2500
COUNTS = {"orders": 40, "spend": 997, "visits": 1000, "age": 90, "points": 5000, "returns": 7}
TEXTS = {"plan": 3, "city": 500, "first_name": 800, "last_name": 9000, "segment": 12, "$email_address": 10**9}


class AcceptingDestination:
    """A mirror destination that accepts everything."""

    scope = "bench"
    where = ""
    chunk = 10_000
    can_replace = True

    def exists(self, name: str) -> bool:
        """Return True: every audience exists."""
        return bool(name)

    def size(self, name: str) -> int | None:
        """Return None: the audience has no members yet."""
        _ = name
        return None

    def expect(self, ids: Sequence[str]) -> None:
        """Do nothing."""

    def add(self, name: str, label: str, bodies: Sequence[bytes]) -> Receipt:
        """Accept added members."""
        del label, bodies
        return Receipt(token=name)

    replace = add

    def remove(self, name: str, label: str, ids: Sequence[str]) -> Receipt:
        """Accept removed members."""
        return self.add(name, label, [id_.encode() for id_ in ids])

    def wait_until_indexed(self, name: str, token: str) -> int | None:
        """Return at once: there is no index to wait for."""
        del name, token
        return None

    def vouch(self) -> None:
        """Do nothing: no member is ever refused."""


class NoRejects:
    """A rejects folder that drops everything."""

    def write(self, *_: Any, **__: Any) -> None:
        """Drop the reject."""


def numbers(phase: str, members: int) -> Iterator[int]:
    """Yield the numbers of a phase in an order other than that of the keys."""
    shift = members // 100 if phase == "differ" else 0
    for number in range(members):
        yield shift + number * 7919 % members


def mirrored(phase: str, ledger: Ledger, members: int) -> None:
    """Mirror a stream of members."""
    fates = Fates(NoRejects(), 1.0)
    mirror = MirrorDelivery(
        "cohort",
        StreamOptions(kind="audiences", mode="mirror", audience="vip"),
        [AcceptingDestination()],
        ledger=ledger,
        fates=fates,
        max_shrink=0.5,
        input_ended=lambda: True,
        tell=lambda _, note: print(note),
        inform=logging.getLogger().info,
    )
    tally = fates.tally("cohort")
    origin = Origin("cohort", {}, (), (), lambda _: (), record_in, tally)
    for line, number in enumerate(numbers(phase, members), start=1):
        member = f"user-{number:08d}"
        source = b'{"type":"RECORD","stream":"cohort","record":{"user_id":"%s"}}' % member.encode()
        tally.read += 1
        mirror.put(AudienceChange("vip", "VIP", member, add=True), Ticket(origin, line, source))
    mirror.state(members + 1, b'{"bookmarks": {}, "seen": true}')
    mirror.finish()
    assert tally.undelivered == 0


def remembered(phase: str, ledger: Ledger, profiles: int, *, scattered: bool) -> None:
    """Claim every profile as the delivery does, and settle those that have to be sent."""
    fates = Fates(NoRejects(), 1.0)
    known = ProfileMemory(ledger, "bench", 30, time.time)
    memory = Memory(ledger, known, EventMemory(ledger, "bench", time.time), fates.spared, set())
    buffer = ProfileBuffer(seals=False)
    origin = Origin("users", {}, (), (), lambda _: (), record_in, fates.tally("users"))
    order = numbers(phase, profiles) if scattered else range(profiles)
    for line, number in enumerate(order, start=1):
        attributes: dict[str, Any] = {name: number % size for name, size in COUNTS.items()}
        attributes |= {name: f"{name} {number % size}" for name, size in TEXTS.items()}
        buffer.put(ProfileUpdate(f"user-{number:08d}", attributes, []), Ticket(origin, line, b"x"))
        if len(buffer.ready) < ENTRIES and line < profiles:
            continue
        entries = buffer.take(ENTRIES, 5_000_000).entries
        seal(entries)
        sending = memory.claim(entries)
        if sending.entries:
            memory.record(sending, Receipt())
        buffer.free(entries)
    assert fates.spared.profiles == (profiles if phase == "skip" else 0)


def work(phase: str, url: str, count: int, *, scattered: bool) -> None:
    """Run one phase and print its cost; garbage is collected as in a run."""
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    begun = time.perf_counter()
    ledger = Ledger(url, Path())
    if phase in {"remember", "skip"}:
        remembered(phase, ledger, count, scattered=scattered)
    else:
        mirrored(phase, ledger, count)
    ledger.close()
    cost = {
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time(),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(cost))


def measured(phase: str, url: str, count: int, *more: str) -> dict[str, float]:
    """Run one phase in a separate process."""
    command = [sys.executable, __file__, "--phase", phase, "--url", url, "--count", str(count), *more]
    found: dict[str, float] = json.loads(subprocess.check_output(command).splitlines()[-1])
    return found


def databases(stack: ExitStack, *, with_postgresql: bool) -> Iterator[tuple[str, str]]:
    """Yield the URL of an empty SQLite ledger, and of one in PostgreSQL if asked."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    yield "SQLite", f"sqlite:///{folder}/ledger.db"
    if with_postgresql:
        from demo.database import postgresql  # noqa: PLC0415 - only where it is asked for

        database = stack.enter_context(postgresql())
        yield "PostgreSQL", database.url.replace("postgresql://", "postgresql+psycopg://")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3, help="how often everything is measured")
    parser.add_argument("--members", action="store_true", help="measure mirrors, too")
    parser.add_argument("--postgresql", action="store_true", help="measure an embedded PostgreSQL, too")
    parser.add_argument("--scattered", action="store_true", help="send profiles in no order of their IDs")
    parser.add_argument("--phase", choices=PHASES, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.phase:
        work(chosen.phase, chosen.url, chosen.count, scattered=chosen.scattered)
        return
    more = ["--scattered"] if chosen.scattered else []
    phases = [phase for phase in PHASES if chosen.members or phase in {"remember", "skip"}]
    for count, run in itertools.product((chosen.count // 10, chosen.count), range(chosen.runs)):
        with ExitStack() as stack:
            for name, url in databases(stack, with_postgresql=chosen.postgresql):
                print(f"\n{name}, {count:,}, run {run + 1}\n{'':26}{'seconds':>9}{'CPU':>9}{'peak MB':>9}")
                for phase in phases:
                    cost = measured(phase, url, count, *more)
                    figures = f"{cost['seconds']:9.1f}{cost['cpu']:9.1f}{cost['peak']:9.0f}"
                    print(f"{PHASES[phase]:26}{figures}", flush=True)
                print(f"{'bytes a profile':26}{size_of(url) / count:9.0f}")


def size_of(url: str) -> int:
    """Return the bytes of the table of profiles, with its index."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            pages = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE '%target_batch_profiles%'"
            try:
                return int(connection.scalar(sa.text(pages)) or 0)
            except sa.exc.OperationalError:  # an SQLite without this table
                return Path(engine.url.database or "").stat().st_size
        total = "SELECT pg_total_relation_size('target_batch_profiles')"
        return int(connection.scalar(sa.text(total)) or 0)


if __name__ == "__main__":
    main()
