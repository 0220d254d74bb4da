"""The verdict on a run: its input is compared with the contents of the local Batch and the disk.

Streams of `users` have a rising `seat`, streams of `events` a unique one. The target's own counts are not
used as a source; they are compared with the findings of this module.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_process import Ended

BALANCE = ("delivered", "unchanged", "ignored", "rejected", "undelivered")


class Record(NamedTuple):
    """One record of the input: its line, stream and custom ID, and its number in the order."""

    line: int
    stream: str
    custom_id: str
    seat: int


class Sent:
    """The records and states in the input of one run."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.records: list[Record] = []
        self.states: list[tuple[int, str]] = []
        for index, line in enumerate(lines):
            message = json.loads(line) if line.strip() else {}
            if message.get("type") == "RECORD":
                row = message["record"]
                self.records.append(Record(index, message["stream"], str(row["user_id"]), row["seat"]))
            elif message.get("type") == "STATE" and message["value"]:
                self.states.append((index, json.dumps(message["value"])))

    def positions(self, emitted: Sequence[str]) -> list[int]:
        """Return the line of each emitted state, -1 for one that is not in the input."""
        known = {value: index for index, value in self.states}
        return [known.get(value, -1) for value in emitted]

    def before(self, position: int) -> list[Record]:
        """Return the records before a line."""
        return [record for record in self.records if record.line < position]


class Journal:
    """The entries that the local Batch accepted, searchable by seat."""

    def __init__(self, lines: Sequence[dict[str, Any]]) -> None:
        self.lines = [line for line in lines if "custom_id" in line]
        self.seats: dict[str, list[int]] = {}
        self.events: dict[str, list[int]] = {}
        for line in self.lines:
            who = line["custom_id"]
            if "seat" in line["attributes"]:
                self.seats.setdefault(who, []).append(line["attributes"]["seat"])
            found = [event.get("attributes", {}).get("seat") for event in line["events"]]
            self.events.setdefault(who, []).extend(seat for seat in found if seat is not None)

    def holds(self, record: Record) -> bool:
        """Return whether a record was accepted, alone or merged into a later one."""
        if "event" in record.stream:
            return record.seat in self.events.get(record.custom_id, ())
        return max(self.seats.get(record.custom_id, [-1])) >= record.seat

    def inversions(self) -> int:
        """Count the seats that came after a later one of the same custom ID."""
        late = 0
        for seats in (*self.seats.values(), *map(first_times, self.events.values())):
            late += sum(later < earlier for earlier, later in pairwise(seats))
        return late

    def duplicates(self) -> int:
        """Count the records that were accepted again."""
        groups = (*self.seats.values(), *self.events.values())
        return sum(count - 1 for seats in groups for count in Counter(seats).values())


def first_times(seats: Sequence[int]) -> list[int]:
    """Return each seat once, in the order of its first appearance."""
    return list(dict.fromkeys(seats))


@dataclass
class Verdict:
    """The findings about the promises P1 to P5 in one run.

    States are given by their line: `last` emitted, `newest` in the input, `finest` before the oldest record
    that is not settled, `safe` the same if a later record proves that it was read. `held` counts the
    records in the journal, `rejected_whole` the rows in the rejects.
    """

    records: int = 0
    lost: list[Record] = field(default_factory=list)
    invented: int = 0
    regressions: int = 0
    inversions: int = 0
    duplicates: int = 0
    finest: int = -1
    safe: int = -1
    last: int = -1
    newest: int = -1
    held: int = 0
    rejected_whole: int = 0
    unbalanced: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        """Return every broken promise."""
        found = {
            "P1: lost records before an emitted state": self.lost[:3],
            "P2: invented states": self.invented,
            "P2: regressions of state": self.regressions,
            "P3: inversions": self.inversions,
            "P5: totals that do not add up": self.unbalanced,
        }
        return [f"{name}: {what}" for name, what in found.items() if what]


def judge(sent: Sent, ended: Ended, accepted: Sequence[dict[str, Any]], *, since: int = 0) -> Verdict:
    """Judge one run, to which the lines of the journal from number `since` on belong."""
    whole = Journal(accepted)
    own = Journal([line for line in accepted if line["n"] >= since])
    rows = ended.rejects()
    rejected = {(row.get("user_id"), row.get("seat")) for row in rows}

    superseded = superseding(rows)

    def settled(record: Record) -> bool:
        if whole.holds(record) or (record.custom_id, record.seat) in rejected:
            return True
        return "event" not in record.stream and record.seat <= superseded.get(record.custom_id, -1)

    positions = sent.positions(ended.emitted)
    verdict = Verdict(records=len(sent.records), last=max(positions, default=-1))
    verdict.invented = sum(position < 0 for position in positions)
    verdict.regressions = sum(later <= earlier for earlier, later in pairwise(positions))
    verdict.lost = [record for record in sent.before(verdict.last) if not settled(record)]
    verdict.inversions = own.inversions()
    verdict.duplicates = own.duplicates()
    oldest = next((record.line for record in sent.records if not settled(record)), None)
    covered = [index for index, _ in sent.states if oldest is None or index < oldest]
    held = [record.line for record in sent.records if whole.holds(record)]
    verdict.finest = max(covered, default=-1)
    verdict.safe = max((index for index in covered if index < max(held, default=-1)), default=-1)
    verdict.newest = max((index for index, _ in sent.states), default=-1)
    verdict.held = len(held)
    verdict.rejected_whole = len(rows)
    if (ended.work / "runs.jsonl").exists():
        verdict.unbalanced = unbalanced(ended)
    return verdict


def superseding(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Return the highest seat of each custom ID that Batch refused as an attribute.

    It was sent instead of the earlier seats merged into it, which therefore never reach Batch.
    """
    found: dict[str, int] = {}
    for row in rows:
        if any(mark["attribute"] == "seat" for mark in row["_batch_reject"]):
            found[row["user_id"]] = max(row["seat"], found.get(row["user_id"], -1))
    return found


def unbalanced(ended: Ended) -> list[str]:
    """Return the streams whose fates in the run log do not add up to the records read."""
    return [
        stream
        for stream, total in ended.run.get("streams", {}).items()
        if total["read"] != sum(total[name] for name in BALANCE) or min(total[name] for name in BALANCE) < 0
    ]
