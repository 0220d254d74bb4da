"""Measure the peak memory of a run with 100 thousand, a million and (--long) ten million records.

python benchmarks/memory.py [--long]
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from local_batch import LocalBatch  # noqa: E402 - found through the path above

from benchmarks.run import measured, target  # noqa: E402 - found through the path above
from benchmarks.samples import SCHEMA, user, write  # noqa: E402 - found through the path above


def large(path: Path, records: int, size: int) -> None:
    """Write records of about `size` bytes, most of them in a property that is not sent."""
    schema = {**SCHEMA, "properties": {**SCHEMA["properties"], "notes": {"type": "string"}}}
    with path.open("w", encoding="utf-8") as file:
        head = {"type": "SCHEMA", "stream": "users", "schema": schema, "key_properties": ["user_id"]}
        file.write(json.dumps(head) + "\n")
        for number in range(records):
            found = {**user(number), "interests": ["x" * 290] * 25, "notes": "n" * size}
            file.write(json.dumps({"type": "RECORD", "stream": "users", "record": found}) + "\n")


def main() -> None:
    """Measure and print."""
    sizes = [100_000, 1_000_000] + ([10_000_000] if "--long" in sys.argv else [])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with LocalBatch(folder, "--null", "--no-rates") as batch:
            for users in sizes:
                given = folder / "users.singer"
                with given.open("w", encoding="utf-8") as file:
                    write(file, users)
                peak = measured(target(folder, batch.url, f"m{users}"), given).peak
                print(f"{users:>12,} records of 350 bytes: peak {peak:,.0f} MB")
            large(given, 3000, 100_000)
            left_out = target(folder, batch.url, "large", streams={"users": {"attributes": {"notes": None}}})
            print(f"{3000:>12,} records of 100 kB:    peak {measured(left_out, given).peak:,.0f} MB")


if __name__ == "__main__":
    main()
