"""The verdict: the contents of the local Batch, compared with the database line by line."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from demo.database import Database
    from demo.local_batch import LocalBatch

SUMMED = ("orders", "cds_bought", "spend")


class Line(NamedTuple):
    """One thing counted on both sides."""

    what: str
    database: Decimal | int
    batch: Decimal | int

    @property
    def agrees(self) -> bool:
        """Whether both sides are equal."""
        return self.database == self.batch

    def __str__(self) -> str:
        verdict = "agree" if self.agrees else "DISAGREE"
        return f"  {self.what:<47}{self.database:>14,}{self.batch:>14,}   {verdict}"


class Rejects(NamedTuple):
    """The contents of the rejects files: each purchase once, and the reasons."""

    purchases: set[int]
    reasons: Counter[str]


def read_rejects(files: Iterable[Path]) -> Rejects:
    """Read rejects files; a purchase that was read by both runs is in both files, and counts once."""
    reasons: dict[int, str] = {}
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            message = json.loads(line)
            if message["type"] == "RECORD":
                record = message["record"]
                reasons[record["purchase_id"]] = record["_batch_reject"][0]["code"]
    return Rejects(set(reasons), Counter(reasons.values()))


def compare(database: Database, batch: LocalBatch, rejects: Rejects) -> list[Line]:
    """Count everything on both sides."""
    customers, held = database.customers(), batch.held()
    sums = [
        Line(f"sum of {name}", _sum(customers.values(), name), _sum(held.profiles.values(), name))
        for name in SUMMED
    ]
    equal = sum(_same(row, held.profiles.get(key)) for key, row in customers.items())
    members, indexed = database.members(), batch.members("big_spenders")
    figures = database.figures()
    bought = [event["attributes"] for event in held.events if event["name"] == "purchase"]
    return [
        Line("customers | profiles", len(customers), len(held.profiles)),
        *sums,
        Line("customers | profiles with just their values", len(customers), equal),
        Line("big spenders | members of the audience", len(members), len(indexed)),
        Line("big spenders | of them in the audience", len(members), len(members & indexed)),
        Line("purchases of today | events", figures["today"], len(held.events)),
        Line("their amount", figures["amount_today"] or 0, _sum(bought, "amount")),
        Line(
            "older purchases | rejected, on disk",
            figures["purchases"] - figures["today"],
            len(rejects.purchases),
        ),
    ]


def _sum(rows: Iterable[dict[str, Any]], name: str) -> Decimal:
    return sum((Decimal(row[name]) for row in rows if name in row), Decimal(0))


def _same(row: dict[str, Any], profile: dict[str, Any] | None) -> bool:
    """Return whether a profile holds a row's values and no others; times to the second."""
    return (
        profile is not None
        and row.keys() == profile.keys()
        and all(
            str(profile[name]).startswith(value) if name.startswith("date(") else profile[name] == value
            for name, value in row.items()
        )
    )
