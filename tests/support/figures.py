"""Figures that the fault runs print at the end, in addition to their assertions."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verdict import Verdict

FULL = os.environ.get("CHAOS") == "full"
"""Whether the fault runs have their full length."""

COLUMNS = (
    "runs",
    "records",
    "faults",
    "lost",
    "regressions",
    "inversions",
    "duplicates",
    "amplification",
    "stop s",
)
rows: dict[str, list[dict[str, float]]] = defaultdict(list)
"""The figures of the runs of each family."""


def note(family: str, verdict: Verdict, **more: float) -> None:
    """Add the figures of one run."""
    rows[family].append(
        {
            "runs": 1,
            "records": verdict.records,
            "lost": len(verdict.lost),
            "regressions": verdict.regressions + verdict.invented,
            "inversions": verdict.inversions,
            "duplicates": verdict.duplicates,
            **more,
        }
    )


def table() -> Iterator[str]:
    """Yield one line per family: sums, except for the largest amplification and stop latency."""
    if not rows:
        return
    widest = max(map(len, rows))
    yield " ".join([" " * widest, *(f"{name:>13}" for name in COLUMNS)])
    for family, noted in rows.items():
        yield " ".join([f"{family:<{widest}}", *(f"{_total(name, noted):>13}" for name in COLUMNS)])


def _total(name: str, noted: list[dict[str, float]]) -> str:
    found = [row[name] for row in noted if name in row]
    if not found:
        return "-"
    return f"{max(found):.2f}" if name in {"amplification", "stop s"} else f"{sum(found):.0f}"
