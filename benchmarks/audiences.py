"""Measure how well cohorts use Batch's rate of one request a second, and how much memory they take.

    python benchmarks/audiences.py

The local Batch enforces the documented rates. The API time runs from the first call to the last poll, as the
local Batch recorded their arrivals; the calls are counted by endpoint. Memory is the peak of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from local_batch import LocalBatch  # noqa: E402 - found through the path above

if TYPE_CHECKING:
    from collections.abc import Iterator

THROTTLED = 429
MIRROR = {"mode": "mirror", "audience": "vip"}


@dataclass(frozen=True)
class Case:
    """One case: the rows of the input, how often a STATE follows, and the options of stream and Batch."""

    name: str
    members: int
    audiences: int = 1
    states: int = 0
    extra: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    batch: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield the input; the rows of several audiences alternate."""
        names = ("user_id", "cohort", "note")
        properties = {name: {"type": ["null", "string"]} for name in names}
        schema = {"type": "object", "properties": properties}
        yield json.dumps({"type": "SCHEMA", "stream": "cohort", "schema": schema, "key_properties": []})
        note = "x" * self.extra
        for number in range(self.members):
            row = {
                "user_id": f"user-{number:08d}",
                "cohort": f"cohort-{number % self.audiences}",
                "note": note,
            }
            yield json.dumps({"type": "RECORD", "stream": "cohort", "record": row})
            if self.states and number % self.states == 0:
                yield json.dumps({"type": "STATE", "value": {"seen": number}})
        yield json.dumps({"type": "STATE", "value": {"done": True}})


CASES = (
    Case("update", 200_000),
    Case("update, a STATE every 1,500 rows", 200_000, states=1500),
    Case("update, rows of 1 kB", 200_000, states=1500, extra=1000),
    Case("update, indexed after 5 s", 200_000, states=1500, batch=("--index-seconds", "5")),
    Case("update, 10 audiences in turn", 200_000, audiences=10, states=1500),
    Case("mirror, first time", 200_000, states=1500, options=MIRROR),
)


def run(case: Case) -> None:
    """Run one case and print its figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = folder / "cohort.singer"
        with given.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in case.lines())
        with LocalBatch(folder, "--no-journal", *case.batch) as batch:
            config = folder / "config.json"
            base = {"rest_api_key": "k", "project_key": "p", "api_url": batch.url}
            streams = {"cohort": {"kind": "audiences", **case.options}}
            config.write_text(json.dumps({**base, "streams": streams, "work_path": str(folder / "work")}))
            command = [sys.executable, "-m", "target_batch", "--config", str(config)]
            with given.open("rb") as file:
                process = subprocess.Popen(
                    command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
                assert process.stdout is not None
                states = len(process.stdout.read().splitlines())
                _, status, usage = os.wait4(process.pid, 0)
            rows = batch.requests()
            held = sum(found["members"] for found in batch.get("audiences")["audiences"])
    assert status == 0, "the run failed"
    assert held == case.members, f"{held} members arrived"
    endpoints = Counter(row["path"].rsplit("/", 1)[-1].split("?")[0] for row in rows)
    calls = ", ".join(f"{number} {word}" for word, number in sorted(endpoints.items()))
    arrivals = [row["since_start"] for row in rows]
    throttled = sum(row["status"] == THROTTLED for row in rows)
    seconds = max(arrivals) - min(arrivals)
    print(
        f"{case.name:34}{seconds:8.1f}{len(rows) / seconds:9.2f}{throttled:5}{states:8}"
        f"{usage.ru_maxrss / 1024:9.0f}  {calls}",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="run only cases whose name contains this")
    chosen = parser.parse_args()
    print(f"{'200,000 members':34}{'API s':>8}{'calls/s':>9}{'429':>5}{'states':>8}{'peak MB':>9}  calls")
    for case in CASES:
        if chosen.only in case.name:
            run(case)


if __name__ == "__main__":
    main()
