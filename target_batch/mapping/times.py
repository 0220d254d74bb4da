"""The time of a record: the property that holds it, Batch's window for events, the replay window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_batch.common.errors import ConfigurationError
from target_batch.common.limits import CLOCK_TOLERANCE_SECONDS, EVENT_AGE_SECONDS, UNNOTICED_SECONDS
from target_batch.common.operations import Ignored, Rejected
from target_batch.common.properties import find, matching
from target_batch.common.reasons import Issue, Reason
from target_batch.mapping.converters import InvalidValue
from target_batch.mapping.converters.dates import instant, moment_text, seconds_since_epoch, utc

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from target_batch.config.settings import ReplayOptions

FLAT_NAMES = (
    "time", "timestamp", "event_time", "occurred_at", "created_at",
    "event_timestamp", "event_ts", "event_datetime", "event_at", "happened_at", "occurred_on", "ts", "at",
    "datetime", "created", "created_on", "created_ts", "creation_time", "original_timestamp", "sent_at",
    "received_at", "recorded_at", "logged_at", "event_date", "date",
)  # fmt: skip
"""Common names of a record's own time, compared by their words; the first one in the SCHEMA is used."""
SEGMENT_NAMES = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")

OUTSIDE = Ignored(Reason.OUTSIDE_REPLAY_WINDOW.code)


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


class Replay:
    """The window of a historical replay, [start, end)."""

    __slots__ = ("_end", "_start")

    def __init__(self, options: ReplayOptions) -> None:
        """Read the bounds.

        Raises:
            ConfigurationError: a bound is not a date, or the start is not before the end.
        """
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
