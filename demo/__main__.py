"""`python -m demo`: the demo from end to end. Exit code 0 when Batch and the database agree."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from demo import dataset, report
from demo.database import Database, DatabaseError, postgresql
from demo.dataset import DatasetError
from demo.local_batch import LocalBatch, LocalBatchError, local_batch
from demo.pipeline import COMMAND, Pipeline, PipelineError

if TYPE_CHECKING:
    from demo.pipeline import Run

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".demo"
STREAMS = ("customers", "purchases", "big_spenders")


def main() -> int:
    """Run the demo; return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return demo(FOLDER / "run")
        except BlockingIOError:
            print("Another `make demo` runs in this checkout; end it first.", file=sys.stderr)
        except (DatabaseError, DatasetError, LocalBatchError, PipelineError) as error:
            print(f"The demo failed. {error}", file=sys.stderr)
        except KeyboardInterrupt:
            print("\nStopped; PostgreSQL and the local Batch have ended.", file=sys.stderr)
            return 130
    return 1


def demo(folder: Path) -> int:
    """Fill the database, run the pipeline twice, compare both sides."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    say("The database: a real PostgreSQL, with what a record shop sold in 1997 and 1998 (CDNOW)")
    wheel = dataset.fetch(FOLDER / "downloads")
    with postgresql() as database, local_batch(folder) as batch:
        fill(database, wheel)
        say(f"The local Batch: {batch.url}/ (any key; rates and rules as Batch documents them)")
        pipeline = Pipeline(folder, database, batch)
        say(f"First run, about 20 seconds: {COMMAND}")
        first = pipeline.run()
        print_totals(first)
        explain_late_events(first)
        come_back(database, pipeline)
        say("Second run: the same command; it resumes where the state says")
        print_totals(pipeline.run())
        print("  A Singer tap reads the row at its bookmark once more, so nothing falls between.")
        print("  The cohort is mirrored: of its members only those who came or left were sent.")
        agreed = verdict(database, batch, pipeline)
        linger(batch)
    return 0 if agreed else 1


def say(line: str) -> None:
    """Print a headline at once."""
    print(f"\n{line}", flush=True)


def fill(database: Database, wheel: Path) -> None:
    """Load the purchases into PostgreSQL and print the sizes of its tables."""
    started = time.monotonic()
    database.fill(dataset.purchases(wheel))
    took = time.monotonic() - started
    print(f"  shop.purchases     {database.figures()['purchases']:>7,} rows, copied in")
    print(f"  shop.customers     {len(database.customers()):>7,} rows, computed from them")
    print(f"  shop.big_spenders  {len(database.members()):>7,} rows, a cohort: 500 dollars or more")
    print(f"  {took:.1f} s", flush=True)


def print_totals(run: Run) -> None:
    """Print the totals of a run."""
    for stream in STREAMS:
        read, delivered = run.total(stream, "read"), run.total(stream, "delivered")
        line = f"  {stream:<13}{read:>8,} read {delivered:>8,} delivered"
        if unchanged := run.total(stream, "unchanged"):
            line += f" {unchanged:>8,} unchanged"
        if rejected := run.total(stream, "rejected"):
            line += f" {rejected:>8,} rejected"
        added, removed = run.total(stream, "added"), run.total(stream, "removed")
        if added or removed:
            line += f"   ({added:,} members added, {removed:,} removed)"
        print(line)
    print(f"  {run.seconds:.1f} s", flush=True)


def explain_late_events(run: Run) -> None:
    """Print why the history's purchases are rejected."""
    reasons = run.streams["shop-purchases"]["reasons"]
    codes = ", ".join(f"{code} {count:,}" for code, count in reasons.items())
    print("  Batch takes events of the last 24 hours only. `late_events: reject`, the default,")
    print(f"  keeps each older one on disk with its reason: {codes}.")


def come_back(database: Database, pipeline: Pipeline) -> None:
    """Let customers buy again between the runs; print where the second run will start."""
    marks = pipeline.bookmarks()
    print(f"  State: customers up to {marks['shop-customers'][:19]}Z,", end=" ")
    print(f"purchases up to number {marks['shop-purchases']:,}")
    database.customers_come_back()
    bought = database.figures()
    say(f"Meanwhile: {bought['today']} customers come back and buy again today; 5 leave the cohort")


def verdict(database: Database, batch: LocalBatch, pipeline: Pipeline) -> bool:
    """Print both sides line by line; return whether all of them agree."""
    rejects = report.read_rejects(pipeline.rejects())
    lines = report.compare(database, batch, rejects)
    say(f"{'What the local Batch holds now':<49}{'PostgreSQL':>14}{'Batch':>14}")
    for line in lines:
        print(line)
    total, refused = batch.calls()
    print(f"  It answered {total} calls; above Batch's rates: {refused}")
    print("\nThe rejects, a Singer file per run:")
    for file in pipeline.rejects():
        print(f"  {file.relative_to(ROOT)}")
    print(f"The logs: {FOLDER.name}/run/meltano-1.log, meltano-2.log")
    differing = sum(not line.agrees for line in lines)
    if differing:
        say(f"FAILED: {differing} of {len(lines)} lines disagree.")
    else:
        say(f"OK: the local Batch and the database agree on all {len(lines)} lines.")
    return not differing


def linger(batch: LocalBatch) -> None:
    """Keep the local Batch running for a look at its page."""
    if not sys.stdin.isatty() and not os.environ.get("KEEP"):
        print("(make demo KEEP=1 keeps the local Batch, to look at its page.)", flush=True)
        return
    print(f"The local Batch's page: {batch.url}/")
    with suppress(KeyboardInterrupt):
        if sys.stdin.isatty():
            print("It stays until you press Enter.", flush=True)
            sys.stdin.readline()
        else:
            print("It stays until this process is stopped.", flush=True)
            signal.pause()


if __name__ == "__main__":
    sys.exit(main())
