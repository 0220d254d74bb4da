"""Entries of the run log as shown on the page. Every value is checked: a file may contain anything."""

from __future__ import annotations

from typing import Any, Final

from target_batch.commands.history import object_in
from target_batch.commands.runs import TOTALS, cause
from target_batch.common.redaction import clean

COUNTS: Final = (
    "read",
    "delivered",
    "merged",
    "unchanged",
    "ignored",
    "rejected",
    "undelivered",
    "added",
    "removed",
)
"""Counts that the run log has for each stream."""
LONGEST_NAME: Final = 300
NAMES_SHOWN: Final = 20


def described(entry: dict[str, Any]) -> dict[str, Any]:
    """Describe a run: when it ran, how and why it ended, and the sums of its streams' counts."""
    tallies = [counts for _, counts in streams(entry)]
    sums = {name: sum(counts[name] for counts in tallies) for name in COUNTS}
    names = [clean(name, LONGEST_NAME) for name, _ in streams(entry)]
    return {
        "run": str(entry.get("run", "")),
        "started": clean(entry.get("started", "")),
        "seconds": _number(entry.get("seconds")),
        "exit": whole(entry.get("exit")),
        "ended": entry.get("ended") is not False,
        "dry_run": entry.get("dry_run") is True,
        "cause": cause(entry),
        "outcome": outcome(entry),
        "names": names[:NAMES_SHOWN],
        "streams_total": len(names),
        **{name: whole(entry.get(name)) for name in TOTALS},
        **sums,
    }


def outcome(entry: dict[str, Any]) -> str:
    """Return how a run ended: `did_not_end`, `failed`, `stopped` by a signal, `rejecting` or `succeeded`."""
    code = whole(entry.get("exit"))
    if entry.get("ended") is False:
        return "did_not_end"
    if code > 128:  # noqa: PLR2004 - 128 + the signal's number, as in shells
        return "stopped"
    if code:
        return "failed"
    return "rejecting" if any(counts["rejected"] for _, counts in streams(entry)) else "succeeded"


def streams(entry: dict[str, Any]) -> list[tuple[str, dict[str, int]]]:
    """Return the names of a run's streams with their counts."""
    named = object_in(entry.get("streams")).items()
    return [(name, {count: whole(object_in(tally).get(count)) for count in COUNTS}) for name, tally in named]


def reasons(entry: dict[str, Any], stream: str) -> dict[str, int]:
    """Return how often each reason was counted for a stream of a run."""
    tally = object_in(object_in(entry.get("streams")).get(stream))
    return {code: whole(count) for code, count in object_in(tally.get("reasons")).items()}


def matches(entry: dict[str, Any], text: str) -> bool:
    """Return whether a run's name, time, cause, outcome, streams or reasons contain a text, ignoring case."""
    names = [name for name, _ in streams(entry)]
    codes = [code for name in names for code in reasons(entry, name)]
    parts = (entry.get("run"), entry.get("started"), cause(entry), outcome(entry), *names, *codes)
    return text.casefold() in "\n".join(map(str, parts)).casefold()


def whole(value: Any) -> int:
    """Return a whole number, 0 for anything else."""
    return value if type(value) is int else 0


def _number(value: Any) -> float:
    return float(value) if type(value) in {int, float} else 0.0
