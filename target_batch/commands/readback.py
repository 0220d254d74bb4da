"""What was sent against what Batch holds, attribute by attribute; no I/O."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from target_batch.mapping.names import base_name

if TYPE_CHECKING:
    from collections.abc import Iterable

Outcome = Literal["equal", "different", "missing"]

SHOWN_IDS: Final = 20
"""Custom IDs kept of each attribute, and of the profiles that are missing."""


@dataclass
class AttributeTally:
    """How often an attribute is as it was sent, is another one, or is not there."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome, custom_id: str) -> None:
        """Count one profile."""
        self.counts[outcome] += 1
        if outcome != "equal" and len(self.ids) < SHOWN_IDS:
            self.ids.append(custom_id)


class Comparison:
    """What profiles should hold, later changes over earlier ones, and what is found of it."""

    def __init__(self) -> None:
        self._sent: dict[str, dict[str, Any]] = {}
        self._dates: set[str] = set()
        self._seen: set[str] = set()
        self.attributes: dict[str, AttributeTally] = {}

    def sent(self, custom_id: str, attributes: dict[str, Any]) -> None:
        """Take what was sent of a profile, with keys and values as they are sent."""
        expected = self._sent.setdefault(custom_id, {})
        for key, value in attributes.items():
            name = base_name(key)
            if key.startswith("date("):
                self._dates.add(name)
            expected[name] = _merged(expected.get(name), value)
            self.attributes.setdefault(name, AttributeTally())

    def held(self, custom_id: str, attributes: dict[str, Any]) -> None:
        """Take what Batch holds of a profile; those that were not sent are passed over."""
        expected = self._sent.get(custom_id)
        if expected is None or custom_id in self._seen:
            return
        self._seen.add(custom_id)
        for name, value in expected.items():
            outcome = _outcome(value, attributes.get(name), is_date=name in self._dates)
            self.attributes[name].add(outcome, custom_id)

    @property
    def profiles(self) -> int:
        """How many profiles were sent."""
        return len(self._sent)

    @property
    def missing(self) -> list[str]:
        """The profiles that Batch does not have."""
        return [custom_id for custom_id in self._sent if custom_id not in self._seen]

    @property
    def is_equal(self) -> bool:
        """Whether everything is as it was sent."""
        tallies = self.attributes.values()
        return not self.missing and all(set(tally.counts) <= {"equal"} for tally in tallies)


def _merged(before: Any, value: Any) -> Any:
    """Return what an attribute should be after a change, which may be one of an array's items."""
    if not isinstance(value, dict):
        return value
    added, removed = _items(value, "$add"), _items(value, "$remove")
    if isinstance(before, list):
        return [item for item in before if item not in removed] + [one for one in added if one not in before]
    if isinstance(before, dict):
        added = [item for item in _items(before, "$add") if item not in removed] + added
        removed = [item for item in _items(before, "$remove") if item not in added] + removed
    return {"$add": added, "$remove": removed}


def _items(value: dict[str, Any], key: str) -> list[Any]:
    found = value.get(key)
    return list(found) if isinstance(found, list) else []


def _outcome(expected: Any, held: Any, *, is_date: bool) -> Outcome:
    if held is None:
        gone = expected is None or (isinstance(expected, dict) and not expected["$add"])
        return "equal" if gone else "missing"
    return "equal" if _agrees(expected, held, is_date=is_date) else "different"


def _agrees(expected: Any, held: Any, *, is_date: bool) -> bool:
    if isinstance(expected, dict):
        found = held if isinstance(held, list) else []
        return set(expected["$add"]) <= set(found) and set(expected["$remove"]).isdisjoint(found)
    if isinstance(expected, list):
        same: bool = isinstance(held, list) and sorted(map(str, expected)) == sorted(map(str, held))
        return same
    if isinstance(expected, bool) or isinstance(held, bool):
        return expected is held
    if isinstance(expected, int | float | Decimal) and isinstance(held, int | float | Decimal):
        return float(expected) == float(held)
    if is_date and isinstance(held, str):
        return bool(_instant(str(expected)) == _instant(held))
    return bool(expected == held)


def _instant(text: str) -> Any:
    """Read a time for comparing, whatever its fraction and zone are written like."""
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return text


def rows(comparison: Comparison, *, ids: bool) -> Iterable[dict[str, Any]]:
    """Give the counts of each attribute, the ones with differences first; IDs only where asked for."""
    by_trouble = sorted(comparison.attributes.items(), key=lambda item: item[1].counts["equal"])
    for name, tally in by_trouble:
        counts = {outcome: tally.counts[outcome] for outcome in ("equal", "different", "missing")}
        yield {"attribute": name, **counts, **({"custom_ids": tally.ids} if ids else {})}
