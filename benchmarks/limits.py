"""Measure how much of Batch's documented rate a run uses, and how often it is throttled (429).

    python benchmarks/limits.py

The local Batch enforces the documented rates. The time runs from the first request to the last, as the local
Batch recorded their arrivals, and is compared with the time that the rate allows for everything after the
burst. Mass updates have no burst; they are counted from the second request on, since a run sends its first
one alone for half a second. `most/s` is the largest number of custom IDs that arrived within any second.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from local_batch import LocalBatch  # noqa: E402 - found through the path above

from benchmarks.samples import write  # noqa: E402 - found through the path above

ACCEPTED, THROTTLED = 202, 429
CASES = (
    ("/profiles/update", {"profile_endpoint": "update"}, 10_000, 300, 1_000, "0.3"),
    ("/profiles/mass-update", {"profile_endpoint": "mass_update"}, 600_000, 10_000, None, "2"),
)
"""Endpoint, settings, users, rate and burst in custom IDs, seconds until an answer."""


def most_within_a_second(arrivals: list[tuple[float, int]]) -> int:
    """Return the most custom IDs that arrived within any second; `arrivals` are times and sizes, in order."""
    most = first = within = 0
    for last, (at, size) in enumerate(arrivals):
        within += size
        while arrivals[first][0] <= at - 1.0:
            within -= arrivals[first][1]
            first += 1
        most = max(most, within)
        assert first <= last
    return most


def main() -> None:
    """Measure and print."""
    print(
        f"{'endpoint':24}{'profiles':>10}{'answer s':>10}{'seconds':>9}{'allowed':>9}{'of rate':>9}"
        f"{'most/s':>9}{'429':>5}"
    )
    for endpoint, settings, users, rate, burst, latency in CASES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            given = folder / "users.singer"
            with given.open("w", encoding="utf-8") as file:
                write(file, users)
            with LocalBatch(folder, "--latency", latency, "--no-journal") as batch:
                config = folder / "config.json"
                base = {"rest_api_key": "k", "project_key": "p", "api_url": batch.url}
                config.write_text(json.dumps({**base, **settings, "work_path": str(folder / "work")}))
                command = [sys.executable, "-m", "target_batch", "--config", str(config)]
                begun = time.monotonic()
                with given.open("rb") as file:
                    subprocess.run(command, stdin=file, stdout=subprocess.DEVNULL, check=True)
                whole = time.monotonic() - begun
                rows = batch.requests()
            mine = [row for row in rows if row["endpoint"] == endpoint.strip("/")]
            taken = [row for row in mine if row["status"] == ACCEPTED]
            arrivals = sorted((row["since_start"], row["entries"]) for row in taken)
            throttled = sum(row["status"] == THROTTLED for row in mine)
            first = 1 if burst is None else 0
            spread = arrivals[-1][0] - arrivals[first][0]
            spared = sum(size for _, size in arrivals[:2]) if burst is None else burst
            allowed = (users - spared) / rate
            print(
                f"{endpoint:24}{users:>10,}{latency:>10}{spread:9.1f}{allowed:9.1f}{allowed / spread:9.1%}"
                f"{most_within_a_second(arrivals):9,}{throttled:5}   ({whole:.1f} s from start to end)"
            )


if __name__ == "__main__":
    main()
