"""The memory of a run is bounded and a slow API slows the tap, both measured from outside the process."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from itertools import chain
from typing import TYPE_CHECKING, Any

import figures
import pytest
from feeding import arrived, wait_until
from local_batch import LocalBatch
from memory import PeakMemory
from singer import INTEGER, STRING, record, schema, state, users
from target_process import config_file, encoded, start

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.chaos

UNLIMITED: dict[str, Any] = {"max_updates_per_second": 1e9}
MOST_ON_THE_WAY = 16 * 2_000 + 10_000 + 2_000
"""Most records read but not confirmed: sixteen requests, the buffer, and a request being cut."""

ON_THE_WAY_MB = 80
"""Most memory that they take; a leak of 160 bytes per record would take as much."""


@pytest.fixture
def null_batch(tmp_path: Path) -> Iterator[LocalBatch]:
    """A local Batch that accepts every request at once and stores nothing."""
    with LocalBatch(tmp_path, "--null", "--no-rates") as batch:
        yield batch


def peak(folder: Path, url: str, lines: Iterable[str]) -> float:
    """Run the target over lines and return its peak memory in MB."""
    process = start(
        config_file(folder, url, **UNLIMITED), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    memory = PeakMemory(process.pid)
    assert process.stdin is not None
    with process.stdin as pipe:
        for line in lines:
            pipe.write(f"{line}\n".encode())
    assert process.wait() == 0
    if not memory.megabytes:
        pytest.skip("this system does not show the peak memory of a process")
    return memory.megabytes


def test_memory_does_not_grow_with_the_number_of_records(tmp_path: Path, null_batch: LocalBatch) -> None:
    """Many more records have the same peak, apart from the sixteen requests that may be in flight."""
    many = 3_000_000 if figures.FULL else 600_000
    lines = (users(1, count, every=10_000) for count in (100_000, many))
    few, all_of_them = (peak(tmp_path, null_batch.url, given) for given in lines)
    assert all_of_them < few + ON_THE_WAY_MB


def test_large_records_do_not_fill_the_memory(tmp_path: Path, null_batch: LocalBatch) -> None:
    """300 MB of records of 100 kB each need less than 200 MB."""
    head = schema("users", {"user_id": STRING, "notes": STRING})
    lines = (record("users", user_id=f"u{number}", notes="x" * 100_000) for number in range(3_000))
    assert peak(tmp_path, null_batch.url, chain([head], lines, [state({"seen": 3_000})])) < 200


def test_schema_changes_do_not_leak_memory(tmp_path: Path, null_batch: LocalBatch) -> None:
    def changing(times: int) -> Iterator[str]:
        for number in range(times):
            yield schema("users", {"user_id": STRING, f"p{number % 2}": INTEGER, "email": STRING})
            yield record("users", user_id=f"u{number}", email=f"u{number}@example.com")

    few, many = (100, 5_000) if figures.FULL else (100, 1_500)
    assert peak(tmp_path, null_batch.url, changing(many)) < peak(tmp_path, null_batch.url, changing(few)) + 8


@pytest.mark.parametrize(
    ("size", "most"), [(0, MOST_ON_THE_WAY + 2_000), (100_000, 1_000)], ids=["small", "large"]
)
def test_a_slow_api_slows_the_tap(tmp_path: Path, batch: LocalBatch, size: int, most: int) -> None:
    """While Batch does not answer, reading stops after a bounded number of records or bytes."""
    batch.fault({"delay": 60})
    streams = {"users": {"attributes": {"text": None}}}
    config = config_file(tmp_path, batch.url, streams=streams, **UNLIMITED)
    process = start(config, stderr=subprocess.DEVNULL)
    memory = PeakMemory(process.pid)
    assert process.stdin is not None
    pipe, written = process.stdin, [0]
    head = schema("users", {"user_id": STRING, "text": STRING})

    def write() -> None:
        with contextlib.suppress(OSError, ValueError):
            pipe.write(encoded([head]))
            for number in range(2 * most):
                pipe.write(encoded([record("users", user_id=f"u{number}", text="x" * size)]))
                written[0] = number

    threading.Thread(target=write, daemon=True).start()
    wait_until(arrived(batch), process)
    stopped_at = last_number(written)
    process.kill()
    assert most // 10 < stopped_at <= most
    assert memory.megabytes < 250


def last_number(written: list[int]) -> int:
    """Wait until the number no longer changes, and return it."""
    pause = threading.Event()
    while True:
        before = written[0]
        pause.wait(1.5)
        if written[0] == before:
            return before
