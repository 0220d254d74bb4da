"""Archives are read as Singer messages, from any storage, and a state records the position."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from target_batch.common.errors import ConfigurationError, InputError
from target_batch.singer.archives import ArchiveReader

if TYPE_CHECKING:
    from pathlib import Path

    from target_batch.singer.messages import Message


class Collected:
    """Collects messages and stops the reader at record number `stop_at`."""

    def __init__(self, reader: ArchiveReader, stop_at: int = 0) -> None:
        self.schema: dict[str, Any] = {}
        self.records: list[dict[str, Any]] = []
        self.states: list[tuple[str, int]] = []
        self._reader, self._stop_at = reader, stop_at

    def read(self) -> None:
        """Read the archive to its end or to the stop."""
        self._reader.process_lines(None, {"SCHEMA": self._learn, "RECORD": self._take, "STATE": self._note})

    def _learn(self, message: Message) -> None:
        self.schema = message.schema or {}

    def _take(self, message: Message) -> None:
        self.records.append(message.record or {})
        self._reader.stopped = len(self.records) == self._stop_at

    def _note(self, message: Message) -> None:
        done = json.loads(bytes(message.value))["replay"]
        self.states.append((done["file"], done["rows"]))


def read_archives(*files: str, stop_at: int = 0, **options: Any) -> Collected:
    """Read archives and return the collected messages."""
    collected = Collected(ArchiveReader("users", files, **options), stop_at)
    collected.read()
    return collected


def rows(path: Path, count: int) -> str:
    """Write people as JSON lines."""
    path.write_text("".join(f'{{"user_id": "u{n}", "seat": {n}}}\n' for n in range(1, count + 1)))
    return str(path)


def test_a_state_comes_every_thousand_rows_and_after_each_file(tmp_path: Path) -> None:
    first, second = rows(tmp_path / "1.jsonl", 2500), rows(tmp_path / "2.jsonl", 3)
    collected = read_archives(first, second)
    assert collected.states == [(first, 1000), (first, 2000), (first, 2500), (second, 3)]
    assert len(collected.records) == 2503


def test_a_stop_writes_the_state_of_the_last_row_read(tmp_path: Path) -> None:
    """A second reading that continues from that state neither misses nor repeats a row."""
    files = rows(tmp_path / "1.jsonl", 1200), rows(tmp_path / "2.jsonl", 50)
    for stop_at in (1, 999, 1000, 1001, 1199, 1200, 1201, 1249, 1250):
        first = read_archives(*files, stop_at=stop_at)
        assert len(first.records) == stop_at
        file, done = first.states[-1]
        assert done + (1200 if file == files[1] else 0) == stop_at
        second = read_archives(*files, after=(file, done))
        assert len(second.records) == 1250 - stop_at
        assert second.schema == first.schema


def test_archives_of_another_storage_are_read_like_local_files() -> None:
    """Parquet and JSON Lines are both read, and rows of an earlier run are skipped."""
    place = fsspec.filesystem("memory")
    table = pa.table({"user_id": [f"u{n}" for n in range(5000)], "seat": list(range(5000))})
    with place.open("/archive/a.parquet", "wb") as file:
        pq.write_table(table, file, row_group_size=1000)
    with place.open("/archive/b.jsonl", "wb") as file:
        file.write(b'{"user_id": "last"}\n')
    files = "memory://archive/a.parquet", "memory://archive/b.jsonl"
    collected = read_archives(*files, after=(files[0], 4990))
    assert [record["user_id"] for record in collected.records] == [f"u{n}" for n in range(4990, 5000)] + [
        "last"
    ]
    assert collected.states[-1] == (files[1], 1)


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_the_reader_knows_how_many_bytes_are_left(tmp_path: Path, ending: str) -> None:
    """The bytes of all files together serve to estimate the remaining time."""
    path = tmp_path / f"1.{ending}"
    if ending == "jsonl":
        rows(path, 9000)
    else:
        pq.write_table(pa.table({"user_id": [f"u{n}" for n in range(9000)]}), path, row_group_size=500)
    second = rows(tmp_path / "2.jsonl", 10)
    reader = ArchiveReader("users", [str(path), second])
    seen: list[tuple[int, int]] = []
    reader.tick = lambda: seen.append(reader.size or (0, 0))
    Collected(reader).read()
    whole = path.stat().st_size + (tmp_path / "2.jsonl").stat().st_size
    assert seen[-1][1] == whole
    assert [at for at, _ in seen] == sorted(at for at, _ in seen)
    assert 0.6 * whole < seen[-1][0] <= whole


def test_a_state_of_other_files_is_refused(tmp_path: Path) -> None:
    path = rows(tmp_path / "1.jsonl", 3)
    with pytest.raises(ConfigurationError, match="not among the files"):
        read_archives(path, after=("elsewhere.jsonl", 1))
    with pytest.raises(InputError, match="3 rows"):
        read_archives(path, after=(path, 4))
    with pytest.raises(ConfigurationError, match="No file"):
        read_archives()
