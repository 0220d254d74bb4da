"""An identity stream map changes nothing: random records go through whole runs with and without one.

The requests are compared with their numbers as text.
"""

from __future__ import annotations

import json
import os
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from odd_streams import Stream, stream
from singer import state
from target_process import Ended, run
from verdict import unbalanced

if TYPE_CHECKING:
    from pathlib import Path

STREAMS = 100
SEEDS = range(60 if os.environ.get("CHAOS") == "full" else 4)


def interleaved(streams: list[Stream], random: Random) -> list[str]:
    """Return the lines of all streams, two streams at a time in turns, each in its own order."""
    lines: list[str] = []
    for first, second in zip(streams[::2], streams[1::2], strict=True):
        both = [list(first.lines), list(second.lines)]
        while any(both):
            lines.append(random.choice([left for left in both if left]).pop(0))
    return [*lines, state({"seen": len(lines)})]


def chosen(random: Random, *, validated: bool) -> dict[str, Any]:
    """Return random settings."""
    return {
        "nulls": random.choice(("delete", "skip")),
        "consent": random.choice(("send", "unsubscribe_only", "ignore")),
        "attribute_naming": random.choice(("snake_case", "segment")),
        "default_country": random.choice((None, "FR")),
        "validate_records": validated,
        "max_rejected_share": 1.0,
        "dry_run": True,
    }


def sent(ended: Ended) -> dict[str, Any]:
    """Return everything that each custom ID would get; numbers as they are written.

    Streams may share an ID. Whether two of its updates travel in one entry depends on timing.
    """
    found: dict[str, Any] = {}
    for path in sorted(ended.work.rglob("*profiles-*update.json")):
        for entry in json.loads(path.read_text(), parse_float=repr, parse_int=str):
            attributes, events = found.setdefault(entry["identifiers"]["custom_id"], ({}, []))
            attributes.update(entry.get("attributes", {}))
            events += entry.get("events", [])
    return found


def totals(ended: Ended) -> dict[str, Any]:
    """Return the counts of every stream, without those that depend on what travelled together."""
    return {name: {**counts, "merged": 0} for name, counts in ended.run["streams"].items()}


def refused(ended: Ended) -> list[str]:
    """Return the rows of the rejects files, without the time of the refusal."""
    rows = ended.rejects()
    for row in rows:
        marks = [{**mark, "at": ""} for mark in row["_batch_reject"]]
        row["_batch_reject"] = sorted(marks, key=repr)
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_identity_map_changes_nothing_for_random_streams(tmp_path: Path, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - repeatable, not secret
    validated = seed % 4 != 3
    streams = [stream(random, f"s{number}") for number in range(STREAMS)]
    lines = interleaved(streams, random)
    settings = {**chosen(random, validated=validated), "streams": {one.name: one.options for one in streams}}
    found: list[Any] = []
    for name, maps in (("plain", None), ("mapped", {one.name: {} for one in streams})):
        (tmp_path / name).mkdir()
        ended = run(tmp_path / name, "http://127.0.0.1:1", lines, stream_maps=maps, **settings)
        assert ended.code == 0, ended.log[-2000:]
        assert unbalanced(ended) == []
        found.append((sent(ended), refused(ended), totals(ended)))
    (entries, rejects, counts), (mapped_entries, mapped_rejects, mapped_counts) = found
    assert {name: counts[name] for name in counts if counts[name] != mapped_counts[name]} == {}
    assert rejects == mapped_rejects
    assert entries == mapped_entries
    assert len(entries) > STREAMS
    assert len(rejects) > STREAMS
