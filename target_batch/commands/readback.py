"""What was sent against what Batch holds, attribute by attribute; no I/O."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal

from target_batch.mapping.conversion import InvalidValue
from target_batch.mapping.converters.dates import utc
from target_batch.mapping.names import base_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Outcome = Literal["equal", "different", "missing", "not_compared"]

SHOWN_IDS: Final = 20
"""Custom IDs kept of each attribute, and of the profiles that are missing."""


@dataclass
class AttributeTally:
    """How often an attribute is as it was sent, is another one, is not there, or cannot be compared."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome, custom_id: str) -> None:
        """Count one profile."""
        self.counts[outcome] += 1
        if outcome in {"different", "missing"} and len(self.ids) < SHOWN_IDS:
            self.ids.append(custom_id)

    @property
    def trouble(self) -> int:
        """In how many profiles it is not as it was sent."""
        return self.counts["different"] + self.counts["missing"]


class Comparison:
    """What profiles should hold, later changes over earlier ones, and what is found of it."""

    outcomes: Final[tuple[Outcome, ...]] = ("equal", "different", "missing")

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

    def take(self, exported: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Compare profiles of the export: custom IDs, and attributes by their names."""
        for custom_id, attributes in exported:
            self.held(custom_id, attributes)

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
    def missing(self) -> int:
        """How many profiles Batch does not have."""
        return len(self._sent) - len(self._seen)

    @property
    def missing_ids(self) -> Sequence[str]:
        """The first of the profiles that Batch does not have."""
        gone = (custom_id for custom_id in self._sent if custom_id not in self._seen)
        return list(islice(gone, SHOWN_IDS))

    @property
    def is_equal(self) -> bool:
        """Whether everything is as it was sent."""
        return not self.missing and not any(tally.trouble for tally in self.attributes.values())


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
        gone = expected in (None, []) or (isinstance(expected, dict) and not expected["$add"])
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
        return str(expected).lower() == str(held).lower()
    if isinstance(expected, int | float | Decimal):
        one, other = _number(expected), _number(held)
        return one == other if _is_whole(one) and _is_whole(other) else float(one) == float(other)
    if is_date and isinstance(held, str):
        return _instant(str(expected)) == _instant(held)
    return bool(expected == held)


def _number(value: Any) -> Decimal:
    """Return a number, which may be exported as text; what is not a number equals none."""
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return Decimal("nan")


def _is_whole(number: Decimal) -> bool:
    return number.is_finite() and number == number.to_integral_value()


def _instant(text: str) -> str | None:
    """Write a time for comparing, in one spelling of its fraction and zone; one without a zone is in UTC."""
    try:
        return utc(text)
    except InvalidValue:
        return text


def rows(
    attributes: Mapping[str, AttributeTally], outcomes: Sequence[Outcome], *, ids: bool
) -> Iterable[dict[str, Any]]:
    """Give the counts of each attribute, the ones with most trouble first; IDs only where asked for."""
    for name, tally in sorted(attributes.items(), key=lambda item: -item[1].trouble):
        counts: dict[str, int] = {outcome: tally.counts[outcome] for outcome in outcomes}
        yield {"attribute": name, **counts, **({"custom_ids": tally.ids} if ids else {})}
