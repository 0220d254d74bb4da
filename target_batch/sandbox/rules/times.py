"""Rules for dates and times, which must follow RFC 3339."""

import re
from datetime import datetime, timedelta, timezone
from typing import Final

from target_batch.sandbox.rules.limits import EVENT_WINDOW_SECONDS

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_LOCAL: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)
_LEAP_SECOND: Final = re.compile("23:59:60$")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


def parse_instant(text: str) -> datetime | None:
    """Parse an RFC 3339 time with ``Z`` or an offset; return None if it is anything else."""
    parts = _INSTANT.fullmatch(text)
    if not parts:
        return None
    fraction, zone = parts.groups()
    try:
        seconds = datetime.fromisoformat(_LEAP_SECOND.sub("23:59:59", text[:19]))
        return seconds.replace(tzinfo=_zone(zone), microsecond=_microseconds(fraction))
    except ValueError:
        return None


def date_violation(value: object) -> str | None:
    """Return why a ``date(name)`` value is refused, or None; it must be RFC 3339 with ``Z``."""
    if not isinstance(value, str):
        return "a date is a text"
    if value[-1:] == "Z" and _INSTANT.fullmatch(value) and _is_in_calendar(value):
        return None
    return "a date is written as RFC 3339 with Z"


def local_date_violation(value: object) -> str | None:
    """Return why a ``date(name)`` of an app audience's member is refused, or None; it must have no zone."""
    if isinstance(value, str) and _LOCAL.fullmatch(value) and _is_in_calendar(value):
        return None
    return "a date is written like 2012-08-12T22:30:05, without a zone"


def time_violation(text: str) -> str | None:
    """Return why the ``time`` of an event cannot be parsed, or None."""
    return None if parse_instant(text) else "the time of an event is written as RFC 3339"


def is_outside_window(text: str, now: float) -> bool:
    """Return whether an event time is older than 24 hours or in the future.

    Args:
        text: The event time, already known to be valid.
        now: Unix time of arrival, in seconds.
    """
    moment = parse_instant(text)
    if moment is None:
        return True
    age = now - (moment - _EPOCH).total_seconds()
    return age < 0 or age > EVENT_WINDOW_SECONDS


def _is_in_calendar(text: str) -> bool:
    """Return whether a well-formed time names an existing day and time of day."""
    try:
        datetime.fromisoformat(_LEAP_SECOND.sub("23:59:59", text[:19]))
    except ValueError:
        return False
    return True


def _microseconds(fraction: str | None) -> int:
    return int(fraction[:6].ljust(6, "0")) if fraction else 0


def _zone(text: str) -> timezone:
    if text == "Z":
        return timezone.utc
    sign = -1 if text[0] == "-" else 1
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:  # noqa: PLR2004 - limits of a clock
        raise ValueError(text)
    return timezone(sign * timedelta(hours=hours, minutes=minutes))
