"""Entries of the run log as the page shows them; each value is checked, for anything may stand in a file."""

from __future__ import annotations

from typing import Any, Final

from target_batch.commands.runs import DID_NOT_END
from target_batch.common.redaction import clean
from target_batch.report.run_log import LONGEST_CAUSE

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
"""What the log counts for each stream."""
TRAFFIC: Final = ("requests", "retries", "throttled", "possibly_twice")
"""What the log counts for the run."""
LONGEST_NAME: Final = 300
NAMES_SHOWN: Final = 20


def described(entry: dict[str, Any]) -> dict[str, Any]:
    """Describe a run: when, how it ended and why, and the sums of what its streams counted."""
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
        "cause": _cause(entry),
        "outcome": outcome(entry),
        "names": names[:NAMES_SHOWN],
        "streams_total": len(names),
        **{name: whole(entry.get(name)) for name in TRAFFIC},
        **sums,
    }


def outcome(entry: dict[str, Any]) -> str:
    """Return how a run ended: `did_not_end`, `failed`, `stopped` by a signal, `rejecting` or `succeeded`."""
    code = whole(entry.get("exit"))
    if entry.get("ended") is False:
        return "did_not_end"
    if code > 128:  # noqa: PLR2004 - as shells count signals
        return "stopped"
    if code:
        return "failed"
    return "rejecting" if any(counts["rejected"] for _, counts in streams(entry)) else "succeeded"


def streams(entry: dict[str, Any]) -> list[tuple[str, dict[str, int]]]:
    """Return the streams of a run with their counts."""
    named = _object(entry.get("streams")).items()
    return [(name, {count: whole(_object(tally).get(count)) for count in COUNTS}) for name, tally in named]


def reasons(entry: dict[str, Any], stream: str) -> dict[str, int]:
    """Return how often each reason was counted for a stream of a run."""
    tally = _object(_object(entry.get("streams")).get(stream))
    return {code: whole(count) for code, count in _object(tally.get("reasons")).items()}


def matches(entry: dict[str, Any], text: str) -> bool:
    """Tell whether a text stands in a run's name, time, cause, streams or reasons, in any case."""
    names = [name for name, _ in streams(entry)]
    codes = [code for name in names for code in reasons(entry, name)]
    parts = (entry.get("run"), entry.get("started"), _cause(entry), outcome(entry), *names, *codes)
    return text.casefold() in "\n".join(map(str, parts)).casefold()


def whole(value: Any) -> int:
    """Return a whole number, 0 for anything else."""
    return value if type(value) is int else 0


def _number(value: Any) -> float:
    return float(value) if type(value) in {int, float} else 0.0


def _cause(entry: dict[str, Any]) -> str:
    if entry.get("ended") is False:
        return DID_NOT_END
    return clean(entry["cause"], LONGEST_CAUSE) if isinstance(entry.get("cause"), str) else ""


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
