"""`make bench`: load records into the local Batch's null mode; print records per second and CPU per record.

Every figure is a whole process over a real pipe and real sockets. Its start-up, a run over one record (which
loads what the stream's columns and settings need), is measured apart and subtracted. Users are compared with
decoding and encoding each line with msgspec, and with a stock SDK target, in the same rounds; every other
shape of records has a floor.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from local_batch import LocalBatch  # noqa: E402 - found through the path above

from benchmarks.samples import write  # noqa: E402 - found through the path above
from benchmarks.shapes import FLOOR, SHAPES  # noqa: E402 - found through the path above

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Cost:
    """The cost of a process: seconds of CPU and of the clock, peak memory in MB, CPU of its start."""

    cpu: float
    wall: float
    peak: float
    start: float = 0.0


def measured(command: list[str], given: Path) -> Cost:
    """Run a command over a file, through a pipe, as a shell would."""
    begun = time.perf_counter()
    feeder = subprocess.Popen(["cat", str(given)], stdout=subprocess.PIPE)
    process = subprocess.Popen(
        command, stdin=feeder.stdout, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert feeder.stdout is not None
    assert process.stderr is not None
    feeder.stdout.close()
    log = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    feeder.wait()
    wall = time.perf_counter() - begun
    if status:
        sys.exit(f"{command[1:4]} ended with {status}: {log.decode()[-800:]}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def target(folder: Path, url: str, name: str, **settings: object) -> list[str]:
    """Return the command that loads a pipe into the local Batch."""
    config = folder / f"{name}.json"
    fast = {"max_updates_per_second": 1e9, "work_path": str(folder / name)}
    base = {"rest_api_key": "bench", "project_key": "bench", "api_url": url}
    config.write_text(json.dumps({**base, **fast, **settings}))
    return [sys.executable, "-m", "target_batch", "--config", str(config)]


def rounds(commands: dict[str, list[str]], given: Path, one: Path, times: int) -> dict[str, list[Cost]]:
    """Measure every command in turn, several times; start-up is subtracted from CPU and clock.

    Each round begins with another command, so that the after-effects of one (a hot processor) do not always
    fall on the same next one. The first round only warms up.
    """
    found: dict[str, list[Cost]] = {name: [] for name in commands}
    for turn in range(times + 1):
        first = turn % len(commands)
        for name, command in [*commands.items()][first:] + [*commands.items()][:first]:
            start, whole = measured(command, one), measured(command, given)
            if turn:
                cost = Cost(whole.cpu - start.cpu, whole.wall - start.wall, whole.peak, start.cpu)
                found[name].append(cost)
    return found


def table(found: dict[str, list[Cost]], users: int) -> None:
    """Print medians, and each one's ratios to the floor and the stock target, round by round."""
    print(f"{'':34}{'records/s':>12}{'µs CPU':>9}{'× floor':>9}{'× stock':>9}{'peak MB':>9}{'start s':>9}")
    for name, costs in found.items():
        cpu = statistics.median(cost.cpu for cost in costs)
        wall = statistics.median(cost.wall for cost in costs)
        ratio = statistics.median(a.cpu / b.cpu for a, b in zip(costs, found["floor"], strict=True))
        pairs = zip(costs, found["stock SDK target"], strict=True)
        quicker = statistics.median(b.cpu / a.cpu for a, b in pairs)
        peak, start = max(cost.peak for cost in costs), statistics.median(cost.start for cost in costs)
        figures = f"{users / wall:12,.0f}{cpu / users * 1e6:9.2f}{ratio:9.2f}{quicker:9.1f}"
        print(f"{name:34}{figures}{peak:9.0f}{start:9.2f}")


def other_shapes(folder: Path, url: str, records: int, times: int) -> None:
    """Print the speed of each other shape of records, beside its floor."""
    print(f"\n{'':34}{'records per second of CPU':>26}{'wanted':>10}")
    for number, (name, shape) in enumerate(SHAPES.items()):
        given, one, costs = folder / "shape.singer", folder / "one.singer", []
        for path, count in ((given, records), (one, 1)):
            with path.open("w", encoding="utf-8") as file:
                shape.write(file, count, f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}")
        for turn in range(times):
            start = target(folder, url, f"start-{number}-{turn}", **shape.settings)
            command = target(folder, url, f"shape-{number}-{turn}", **shape.settings)
            costs.append(measured(command, given).cpu - measured(start, one).cpu)
        print(f"{name:34}{records / statistics.median(costs):>26,.0f}{FLOOR:>10,}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--only-users", action="store_true", help="leave the other shapes out")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given, one = folder / "users.singer", folder / "one.singer"
        for path, count in ((given, chosen.users), (one, 1)):
            with path.open("w", encoding="utf-8") as file:
                write(file, count)
        with LocalBatch(folder, "--null", "--no-rates") as batch:
            commands = {
                "floor": [sys.executable, str(HERE / "floor.py")],
                "target-batch": target(folder, batch.url, "validating"),
                "target-batch, validation off": target(folder, batch.url, "trusting", validate_records=False),
                "stock SDK target": [sys.executable, str(HERE / "stock.py"), batch.url],
            }
            found = rounds(commands, given, one, chosen.rounds)
            print(f"{chosen.users:,} users, medians of {chosen.rounds} rounds, start-up subtracted\n")
            table(found, chosen.users)
            if not chosen.only_users:
                other_shapes(folder, batch.url, chosen.users // 4, 3)


if __name__ == "__main__":
    main()
