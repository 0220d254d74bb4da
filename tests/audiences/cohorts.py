"""Helpers that make cohort streams and run the target over them."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import quick_target
import warm
from singer import DATE_TIME, STRING, record, schema, state
from target_process import KEY, Ended, config_file, encoded, ended

from target_batch.ledger.held import HASH_BYTES, Wanted, day_of, head_of, pack, unpack, unpack_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from local_batch import LocalBatch

PROPERTIES = {
    "user_id": STRING, "cohort": STRING, "label": STRING, "action": STRING, "_sdc_deleted_at": DATE_TIME,
    "interests": {"type": ["array", "null"], "items": STRING},
}  # fmt: skip
MIRROR = {"kind": "audiences", "mode": "mirror", "audience": "vip"}
DONE = {"done": True}


def numbered(first: int, last: int) -> list[str]:
    """Return the IDs `u<first>` to `u<last>`."""
    return [f"u{number}" for number in range(first, last + 1)]


def rows(ids: Iterable[str], stream: str = "cohort", **columns: Any) -> list[str]:
    """Make a record for each ID."""
    return [record(stream, user_id=id_, **columns) for id_ in ids]


def head(stream: str = "cohort", *columns: str) -> str:
    """Make the SCHEMA of a cohort with its ID and more columns."""
    return schema(stream, {name: PROPERTIES.get(name, STRING) for name in ("user_id", *columns)}, ["user_id"])


def cohort(ids: Iterable[str], stream: str = "cohort") -> list[str]:
    """Make a complete stream: a SCHEMA, a record for each ID and a STATE."""
    return [head(stream), *rows(ids, stream), state(DONE)]


@dataclass
class Loader:
    """Runs the target on the fast clock against one local Batch, with common settings."""

    batch: LocalBatch
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)

    def run(self, lines: Sequence[str] | bytes, **settings: Any) -> Ended:
        """Run over some lines to the end, and assert that every stream's counts add up."""
        config = self.config(**settings)
        found = ended(self.start(config), config, encoded(lines))
        assert_balanced(found)
        return found

    def start(self, config: Path) -> subprocess.Popen[bytes]:
        """Start a run with a configuration."""
        return warm.start(["--config", str(config)], environment(), quick=True)

    def mirror(self, ids: Iterable[str], **settings: Any) -> Ended:
        """Mirror a complete cohort."""
        return self.run(cohort(ids), **settings)

    def cold(self, **settings: Any) -> subprocess.Popen[bytes]:
        """Start a separate process, which can be sent a signal."""
        command = [sys.executable, quick_target.__file__, "--config", str(self.config(**settings))]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment())

    def config(self, **settings: Any) -> Path:
        """Write the configuration."""
        return config_file(self.folder, self.batch.url, **{**self.settings, **settings})

    def members(self, name: str = "vip") -> set[str]:
        """Return the IDs of an audience's members; an empty set if there is no audience."""
        found: set[str] = set()
        page = self._page(name, 0)
        while ids := page.get("ids", []):
            found |= {member["id"] for member in ids}
            page = self._page(name, len(found))
        return found

    def _page(self, name: str, start: int) -> dict[str, Any]:
        page: dict[str, Any] = self.batch.get(f"audiences/project/{name}?from={start}&limit=10000")
        return page

    def unhang(self) -> None:
        """Switch off the faults of the local Batch and end its hanging calls; its data stays."""
        for fault in self.batch.get("faults")["faults"]:
            self.batch.post(f"faults/{fault['id']}", {"enabled": False})

    def age(self, days: int) -> None:
        """Make all profiles in the SQLite ledger older by some days."""
        path = self.folder / "work" / "ledger.db"
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            for key, held in connection.execute("SELECT key, held FROM target_batch_profiles").fetchall():
                older_held = {
                    tag: found[:HASH_BYTES] + day_of(int.from_bytes(found[HASH_BYTES:], "big") - days)
                    for tag, found in unpack(held).items()
                }
                hashes = [found[:HASH_BYTES] for found in older_held.values()]
                wanted = Wanted(key, list(older_held), hashes, unpack_whole(held)[0])
                older = pack(older_held, head_of(older_held, wanted))
                connection.execute("UPDATE target_batch_profiles SET held = ? WHERE key = ?", (older, key))

    def staged(self) -> int:
        """Count the streams that are being staged in the SQLite ledger."""
        path = self.folder / "work" / "ledger.db"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            found: int = connection.execute("SELECT count(*) FROM target_batch_stagings").fetchone()[0]
        return found

    def calls(self, *endings: str) -> list[tuple[str, int]]:
        """Return the audience calls with a 2xx answer: the end of their path and their number of members."""
        wanted = endings or ("create", "update", "replace")
        found = []
        for request in self.batch.requests():
            route, word = request["path"].split("?")[0].rsplit("/", 1)
            if word in wanted and route.endswith("audiences") and 200 <= (request["status"] or 0) < 300:
                found.append((word, request["entries"] or 0))
        return found


def environment() -> dict[str, str]:
    """Return the environment of a run: that of the tests without proxies, with the same import path."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return {**kept, "NO_COLOR": "1", "PYTHONPATH": str(Path(__file__).parents[2])}


def assert_balanced(found: Ended) -> None:
    """Assert that each stream's fates add up to the records read, and that the log does not show the key."""
    for name, counts in found.run["streams"].items():
        parts = ("delivered", "unchanged", "ignored", "rejected", "undelivered")
        assert counts["read"] == sum(counts[part] for part in parts), (name, counts)
        assert min(counts[part] for part in parts) >= 0, (name, counts)
        assert found.run["exit"] or not counts["undelivered"], (name, counts)
    assert KEY not in found.log


def wait_for(condition: Any, seconds: float = 20.0) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and close its pipes."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def feed(process: subprocess.Popen[bytes], lines: Sequence[str], *, end: bool = False) -> None:
    """Write lines into a process; with `end`, close its input."""
    assert process.stdin is not None
    process.stdin.write(encoded(lines))
    process.stdin.flush()
    if end:
        process.stdin.close()


def states(process: subprocess.Popen[bytes]) -> list[Any]:
    """Return the states that a process has written before its end."""
    assert process.stdout is not None
    return [json.loads(line) for line in process.stdout.read().splitlines()]
