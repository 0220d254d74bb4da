"""Comparing what was sent, according to a sample or the hashes in the ledger, with what Batch holds.

An exported value may be written differently from how it was sent. To compare it with a hash, every form in
which it may have been sent is tried; if there are too many forms, the value counts as not compared.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import islice, permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from target_batch.commands import history
from target_batch.common.errors import ConfigurationError
from target_batch.common.limits import MOST_NAMES
from target_batch.common.plain_text import counted
from target_batch.common.redaction import clean
from target_batch.common.storage import LocalFolder, folder_at
from target_batch.ledger.held import scope_of, tag_of
from target_batch.mapping.dates import looks_like_a_date, utc
from target_batch.mapping.names import base_name
from target_batch.mapping.values import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from target_batch.config.settings import Settings
    from target_batch.ledger.accepted import KnownProfile, ProfileReader

Outcome = Literal["equal", "different", "missing", "not_compared"]

SHOWN_IDS: Final = 20
"""Custom IDs kept per attribute, and of missing profiles."""


@dataclass
class AttributeTally:
    """How often the value of an attribute is equal, different, missing, or cannot be compared."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome, custom_id: str) -> None:
        """Count one profile."""
        self.counts[outcome] += 1
        if outcome in {"different", "missing"} and len(self.ids) < SHOWN_IDS:
            self.ids.append(custom_id)

    @property
    def trouble(self) -> int:
        """Number of profiles whose value is different or missing."""
        return self.counts["different"] + self.counts["missing"]


class Comparison:
    """Attributes that profiles should have, compared with an export.

    `profiles` is the number of profiles that were sent, `found` how many of them were exported.
    """

    outcomes: tuple[Outcome, ...] = ("equal", "different", "missing")

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.attributes = {name: AttributeTally() for name in names}
        self.profiles = self.found = 0

    def take(self, exported: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Compare profiles of the export: custom IDs, and attributes by their names."""
        raise NotImplementedError

    @property
    def missing(self) -> int:
        """Number of profiles that are not in Batch."""
        return max(0, self.profiles - self.found)

    @property
    def missing_ids(self) -> Sequence[str]:
        """Custom IDs of the first profiles that are not in Batch, as far as they are known."""
        return ()

    @property
    def has_differences(self) -> bool:
        """Whether a profile is missing, or a value is different or missing."""
        return self.missing > 0 or any(tally.trouble for tally in self.attributes.values())

    @property
    def is_equal(self) -> bool:
        """Whether all that could be compared, at least one value, is as it was sent."""
        tallies = self.attributes.values()
        compared = any(tally.counts.total() > tally.counts["not_compared"] for tally in tallies)
        return compared and not self.has_differences

    def rows(self, *, ids: bool) -> list[dict[str, Any]]:
        """Return the counts of each attribute, those with most differences first; with `ids`, custom IDs."""
        return [
            {"attribute": name}
            | {outcome: tally.counts[outcome] for outcome in self.outcomes}
            | ({"custom_ids": tally.ids} if ids else {})
            for name, tally in sorted(self.attributes.items(), key=lambda item: -item[1].trouble)
        ]


class SampleComparison(Comparison):
    """Attributes that a sample sends, later changes over earlier ones."""

    def __init__(self) -> None:
        super().__init__()
        self._unseen: dict[str, dict[str, Any]] = {}
        self._dates: set[str] = set()

    def sent(self, custom_id: str, attributes: dict[str, Any]) -> None:
        """Add attributes that were sent for a profile, with keys and values in the form sent to Batch."""
        expected = self._unseen.setdefault(custom_id, {})
        self.profiles = len(self._unseen)
        for key, value in attributes.items():
            name = base_name(key)
            if key.startswith("date("):
                self._dates.add(name)
            expected[name] = _merged(expected.get(name), value)
            self.attributes.setdefault(name, AttributeTally())

    def take(self, exported: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Compare profiles of the export; those that were not sent are skipped."""
        for custom_id, attributes in exported:
            if custom_id in self._unseen:
                self.found += 1
                for name, value in self._unseen.pop(custom_id).items():
                    outcome = _outcome(value, attributes.get(name), is_date=name in self._dates)
                    self.attributes[name].add(outcome, custom_id)

    @property
    def missing_ids(self) -> Sequence[str]:
        """Custom IDs of the first profiles that are not in Batch."""
        return list(islice(self._unseen, SHOWN_IDS))


def _merged(before: Any, value: Any) -> Any:
    """Return the value of an attribute after a change, which may add or remove items of an array."""
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
    """Return a number, which may be exported as text; NaN for anything else, which equals no number."""
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return Decimal("nan")


def _is_whole(number: Decimal) -> bool:
    return number.is_finite() and number == number.to_integral_value()


def _instant(text: str) -> str | None:
    """Normalise fraction and time zone of a time, so that it can be compared; without a zone it is UTC."""
    try:
        return utc(text)
    except InvalidValue:
        return text


AT_ONCE: Final = 1_000
"""Number of profiles looked up in the ledger at once."""

PERMUTED_ITEMS: Final = 5
"""Longest array whose orders are all tried; of a longer one, only its own and the sorted order."""

DOUBLE_DIGITS: Final = 15
"""Significant digits that a double always preserves: beyond these, other digits may have been sent."""

TRIED_PLACES: Final = 18
"""Most decimal places that are tried for a number: `5` may have been sent as `5.00`."""

A_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?").fullmatch


class LedgerComparison(Comparison):
    """Attributes that a ledger knows by hashes, and profiles that it does not know by their custom IDs."""

    outcomes = ("equal", "different", "missing", "not_compared")

    def __init__(self, reader: ProfileReader, names: Sequence[str]) -> None:
        super().__init__(names)
        self._reader = reader
        self._tags = {name: tag_of(name) for name in names}
        self._spellings = {name: [name, f"date({name})", f"url({name})"] for name in names}
        self.profiles = reader.count(set(self._tags.values()))

    def take(self, exported: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Compare profiles of the export: custom IDs, and attributes by their names."""
        profiles = iter(exported)
        while part := list(islice(profiles, AT_ONCE)):
            known = self._reader.known([custom_id for custom_id, _ in part])
            for (custom_id, attributes), profile in zip(part, known, strict=True):
                self._compare(custom_id, attributes, profile)

    def _compare(self, custom_id: str, attributes: dict[str, Any], profile: KnownProfile) -> None:
        self.found += not profile.hashes.keys().isdisjoint(self._tags.values())
        for name, tag in self._tags.items():
            value = attributes.get(name)
            if tag in profile.hashes:
                self.attributes[name].add(self._outcome(name, value, profile), custom_id)
            elif value is not None:
                self.attributes[name].add("not_compared", custom_id)

    def _outcome(self, name: str, value: Any, profile: KnownProfile) -> Outcome:
        tag, spellings = self._tags[name], self._spellings[name]
        for spelling in spellings:
            if any(profile.holds(tag, spelling, form) for form in forms(value)):
                if spelling != spellings[0]:
                    spellings.remove(spelling)
                    spellings.insert(0, spelling)
                return "equal"
        if value is None:
            return "missing"
        return "different" if _is_exhausted(value) else "not_compared"


def forms(value: Any) -> Iterator[Any]:
    """Yield the forms in which an exported value may have been sent, beginning with the exported one."""
    yield value
    if isinstance(value, str):
        if looks_like_a_date(value):
            with suppress(InvalidValue):
                yield utc(value)
        if value in {"true", "false"}:
            yield value == "true"
    elif isinstance(value, list):
        if not value:
            yield None
        elif len(value) <= PERMUTED_ITEMS:
            yield from map(list, permutations(value))
        else:
            yield sorted(value, key=str)
    if (number := _exported_number(value)) is not None:
        yield from _spelled(number)


def _exported_number(value: Any) -> Decimal | None:
    """Return a number, which may be exported as text; None for anything else."""
    if isinstance(value, str):
        return Decimal(value) if A_NUMBER(value) else None
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return Decimal(repr(value)) if is_one else None


def _spelled(number: Decimal) -> Iterator[Any]:
    if abs(number.adjusted()) > DOUBLE_DIGITS:
        return
    zeros = number.normalize().as_tuple().exponent
    yield from (number.quantize(Decimal((0, (1,), power))) for power in range(1, int(zeros) + 1))
    for places in range(TRIED_PLACES + 1):
        spelled = Decimal(f"{number:.{places}f}")
        if spelled == number:
            yield spelled


def _is_exhausted(value: Any) -> bool:
    """Return whether `forms` yields every form in which a value may have been sent."""
    if isinstance(value, list):
        return len(value) <= PERMUTED_ITEMS
    if (number := _exported_number(value)) is not None:
        number = number.normalize()
        return len(number.as_tuple().digits) <= DOUBLE_DIGITS and abs(number.adjusted()) <= DOUBLE_DIGITS
    return isinstance(value, str | bool)


@contextmanager
def last_run(settings: Settings) -> Iterator[LedgerComparison]:
    """Compare the attributes that the last run sent, and name that run on stderr; the ledger stays open.

    Raises:
        ConfigurationError: the run does not exist, or the ledger does not know it.
        DeliveryError: the ledger does not answer.
    """
    from target_batch.ledger.accepted import ProfileReader  # noqa: PLC0415 - SQLAlchemy costs start-up
    from target_batch.ledger.database import opened_to_read  # noqa: PLC0415 - same

    if not settings.skip_unchanged:
        raise ConfigurationError(
            "`--last-run` compares with the ledger, which knows what was sent only with `skip_unchanged`: "
            "set it and load once, or compare with a sample (`--sample`)."
        )
    run, names = _last_run(settings.work_path)
    ledger = opened_to_read(settings.ledger_url, _ledger_folder(settings))
    if ledger is None:
        raise ConfigurationError("No ledger was found behind `ledger_url`. Is it the one of the runs?")
    try:
        project = scope_of("project", settings.api_url, settings.project_key or "")
        found = LedgerComparison(ProfileReader(ledger, project), names)
        if not found.profiles:
            raise ConfigurationError(
                f"The ledger behind `ledger_url` knows of no profile that run {clean(run)} sent. Is it the "
                "one of the runs? Else load once more."
            )
        click.echo(f"Run {clean(run)} sent {counted(len(names), 'attribute')}.", err=True)
        if len(names) == MOST_NAMES:
            click.echo(f"The run log names {MOST_NAMES} at most: others are not compared.", err=True)
        yield found
    finally:
        ledger.close()


def _last_run(work_path: str) -> tuple[str, list[str]]:
    for entry in reversed(history.runs(work_path)):
        names = entry.get("attributes")
        if entry.get("ended") is not True or entry.get("dry_run") is not False or not isinstance(names, list):
            continue
        if named := [name for name in names if isinstance(name, str) and name][:MOST_NAMES]:
            return entry["run"], named
    raise ConfigurationError(
        "No live run that ended here has sent attributes with `skip_unchanged`. Load once, or see whether "
        "`work_path` is the one of the runs."
    )


def _ledger_folder(settings: Settings) -> Path:
    folder = folder_at(settings.work_path)
    if isinstance(folder, LocalFolder):
        return folder.root
    if "{work_path}" in settings.ledger_url:
        raise ConfigurationError("`work_path` is behind a URL: set `ledger_url` to the ledger of the runs.")
    return Path()
