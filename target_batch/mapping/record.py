"""What a record says of itself: its custom ID, its own time, and whether it was deleted at its source.

A time may lie outside the 24 hours within which Batch takes events, or outside the window of a replay.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from target_batch.common.errors import ConfigurationError
from target_batch.common.limits import (
    CLOCK_TOLERANCE_SECONDS,
    CUSTOM_ID_LENGTH,
    EVENT_AGE_SECONDS,
    UNNOTICED_SECONDS,
)
from target_batch.common.operations import Ignored, Rejected
from target_batch.common.properties import find, letters, matching, split, value_at
from target_batch.common.reasons import Issue, Reason
from target_batch.mapping.dates import instant, moment_text, seconds_since_epoch, utc
from target_batch.mapping.declared import is_whole, kind_of
from target_batch.mapping.values import InvalidValue, has_line_break

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from target_batch.config.settings import ReplayOptions

REFUSED_IDS = frozenset({
    "undefined", "null", "nil", "(null)", "[object object]", "true", "false", "nan", "infinity",
    "-infinity", "none",
})  # fmt: skip
"""Words, in any case, that indicate a lost value.

Batch's SDKs reject all of them but `none` [sdk]. Python programs write `None` for a missing ID: accepted as
an ID, it would merge everyone without one into a single profile.
"""

_LONGEST_REFUSED = max(map(len, REFUSED_IDS))
_EXACT_IN_A_FLOAT = 2**53


def read_custom_id(value: Any) -> str:
    """Return the Custom User ID: text without surrounding whitespace, whole numbers as digits.

    At most 512 characters [read]; case and inner whitespace are kept.

    Raises:
        InvalidValue: the custom ID is missing, or Batch would reject it.
    """
    if type(value) is not str:
        number = value if type(value) is int else _whole(value)
        if number.bit_length() > CUSTOM_ID_LENGTH * 3:
            raise _invalid(f"The custom ID is longer than {CUSTOM_ID_LENGTH} characters.")
        return str(number)
    name = value.strip()
    if not name:
        raise InvalidValue(Reason.MISSING_CUSTOM_ID, "The custom ID is empty.")
    if len(name) <= _LONGEST_REFUSED:
        if name.lower() in REFUSED_IDS:
            raise _invalid("The custom ID is a word that stands for a lost value.")
    elif len(name) > CUSTOM_ID_LENGTH:
        raise _invalid(f"The custom ID is longer than {CUSTOM_ID_LENGTH} characters.")
    if not name.isprintable():
        _refuse_unprintable(name)
    return name


class Identity:
    """The location of the custom ID in a stream's records: a property, or a path inside an object."""

    def __init__(self, path: str, properties: Collection[str]) -> None:
        self.property, self._rest = split(path, properties)

    def of(self, record: Mapping[str, Any]) -> str:
        """Return the custom ID of a record.

        Raises:
            InvalidValue: the custom ID is missing, or Batch would reject it.
        """
        value = record.get(self.property)
        if self._rest is not None:
            value = value_at(value, self._rest)
        return read_custom_id(value)


def _whole(value: Any) -> int:
    if value is None:
        raise InvalidValue(Reason.MISSING_CUSTOM_ID, "The custom ID is missing.")
    if type(value) is Decimal and is_whole(value) and value.adjusted() < CUSTOM_ID_LENGTH:
        return int(value)
    if type(value) is float and value.is_integer() and abs(value) < _EXACT_IN_A_FLOAT:
        return int(value)
    raise _invalid(f"The custom ID is {kind_of(value)}, neither text nor a whole number.")


def _refuse_unprintable(name: str) -> None:
    if has_line_break(name):
        raise _invalid("The custom ID has a line break.")
    if "\0" in name:
        raise _invalid("The custom ID has a NUL character, which no PostgreSQL ledger can hold.")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise _invalid("The custom ID has no UTF-8 form.") from None


def _invalid(message: str) -> InvalidValue:
    return InvalidValue(Reason.INVALID_CUSTOM_ID, message)


DELETED = Ignored(Reason.DELETED_AT_SOURCE.code)

MARKS: Final = ("_sdc_deleted_at", "_sdc_lsn_deleted_at", "_ab_cdc_deleted_at", "_fivetran_deleted")
"""The deletion marks of Singer taps, Airbyte and Fivetran."""

_NOT_DELETED: Final = frozenset({"", "0", "f", "false", "n", "no"})
_LETTERS: Final = frozenset(map(letters, MARKS))


class DeletionMarks:
    """The properties that mark a record as deleted: the option `deleted_at` and the common ones."""

    def __init__(self, chosen: str | None, properties: Collection[str]) -> None:
        known = [*matching(MARKS, properties), *([chosen] if chosen else [])]
        self.announced: frozenset[str] = frozenset(known)
        """The marks in the SCHEMA, and the option."""
        self.names: tuple[str, ...] = tuple(dict.fromkeys((*known, *MARKS)))
        """All marks checked in a record."""
        self._by_words = not properties

    def on(self, record: Mapping[str, Any]) -> bool:
        """Return whether one of the marks is set, to a time or true; empty and false do not count."""
        for name in self.names:
            if name in record and _is_set(record[name]):
                return True
        if self._by_words:  # without a SCHEMA, other spellings are found only in the record
            return any(letters(name) in _LETTERS and _is_set(record[name]) for name in record)
        return False


def _is_set(value: Any) -> bool:
    if type(value) is str:
        return value.strip().lower() not in _NOT_DELETED
    return value is not None and not (type(value) in {bool, int, float, Decimal} and not value)


FLAT_NAMES = (
    "time", "timestamp", "event_time", "occurred_at", "created_at",
    "event_timestamp", "event_ts", "event_datetime", "event_at", "happened_at", "occurred_on", "ts", "at",
    "datetime", "created", "created_on", "created_ts", "creation_time", "original_timestamp", "sent_at",
    "received_at", "recorded_at", "logged_at", "event_date", "date",
)  # fmt: skip
"""Common names of a record's own time, compared by their words; the first one in the SCHEMA is used."""
SEGMENT_NAMES = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")


def time_names(chosen: str | None, properties: Collection[str]) -> tuple[str, ...]:
    """Return the properties that may hold a record's own time: the stream's `time`, else a common name.

    It is the first common name in the SCHEMA; if the SCHEMA has none, all are tried in each record.
    """
    if chosen:
        return (chosen,)
    known = find(FLAT_NAMES, properties)
    return (known,) if known else FLAT_NAMES


def own_time(record: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, Any]:
    """Return the first of the properties with a value, and the value; else the first and None."""
    for name in matching(names, record) if names is FLAT_NAMES else names:
        value = record.get(name)
        if value is not None and not (type(value) is str and not value.strip()):
            return name, value
    return names[0], None


def event_time(
    record: Mapping[str, Any], names: tuple[str, ...], now: float, *, late_as_now: bool
) -> str | None:
    """Return an event's time as Batch accepts it, or None if Batch is to date the event on arrival.

    Batch accepts the last 24 hours and no future times [read]. Clocks differ, so a time that is a few seconds
    ahead is sent as the current time, minus the seconds by which this clock may be ahead of Batch's.

    Raises:
        InvalidValue: the time is missing, unreadable or outside the window, and `late_as_now` is not set.
    """
    name, value = own_time(record, names)
    if value is None:
        if late_as_now:
            return None
        raise InvalidValue(Reason.MISSING_EVENT_TIME, "The event has no time of its own.", name)
    try:
        within = _within(str(instant(value)), now)
    except InvalidValue as invalid:
        if late_as_now:
            return None
        raise InvalidValue(Reason.INVALID_EVENT_TIME, invalid.message, name) from None
    if within or late_as_now:
        return within
    message = "The event's time is not within the 24 hours before now."
    raise InvalidValue(Reason.EVENT_OUTSIDE_WINDOW, message, name)


def _within(canonical: str, now: float) -> str | None:
    """Return the time as Batch accepts it, or None if it does not."""
    ahead = seconds_since_epoch(canonical) - now
    if 0 < ahead <= CLOCK_TOLERANCE_SECONDS:
        return moment_text(now - UNNOTICED_SECONDS)
    return canonical if -EVENT_AGE_SECONDS <= ahead <= 0 else None


OUTSIDE = Ignored(Reason.OUTSIDE_REPLAY_WINDOW.code)


class Replay:
    """The window of a historical replay, [start, end).

    Raises:
        ConfigurationError: a bound is not a date, or the start is not before the end.
    """

    __slots__ = ("_end", "_start")

    def __init__(self, options: ReplayOptions) -> None:
        self._start = _bound("start", options.start, float("-inf"))
        self._end = _bound("end", options.end, float("inf"))
        if self._start >= self._end:
            raise ConfigurationError(
                "`replay.start` is not before `replay.end`, so no record would be loaded. Correct one."
            )

    def verdict(self, record: Mapping[str, Any], names: tuple[str, ...]) -> Ignored | Rejected | None:
        """Return why the record is not loaded, or None if it is."""
        name, value = own_time(record, names)
        try:
            canonical = instant(value) if value is not None else None
        except InvalidValue as invalid:
            return _without_time(name, invalid.message)
        if canonical is None:
            return _without_time(name, "The record has no time of its own.")
        if self._start <= seconds_since_epoch(canonical) < self._end:
            return None
        return OUTSIDE


def _bound(name: str, value: str | None, default: float) -> float:
    try:
        canonical = utc(value) if value is not None else None
    except InvalidValue:
        raise ConfigurationError(f"`replay.{name}` is not a date in ISO 8601.") from None
    return seconds_since_epoch(canonical) if canonical else default


def _without_time(name: str, message: str) -> Rejected:
    return Rejected((Issue(Reason.REPLAY_WITHOUT_TIME, name, None, message),))
