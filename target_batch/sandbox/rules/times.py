"""Dates and times: RFC 3339 and nothing else."""

import re
from datetime import datetime, timedelta, timezone
from typing import Final

from target_batch.sandbox.rules.limits import EVENT_WINDOW_SECONDS

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_LOCAL: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)
_LEAP_SECOND: Final = re.compile("23:59:60$")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


def parse_instant(text: str) -> datetime | None:
    """Read an RFC 3339 time, with ``Z`` or an offset; None for anything else."""
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
    """Say why a ``date(name)`` value is refused: only RFC 3339 ending in ``Z`` is a date."""
    if not isinstance(value, str):
        return "a date is a text"
    if value[-1:] == "Z" and _INSTANT.fullmatch(value) and _is_in_calendar(value):
        return None
    return "a date is written as RFC 3339 with Z"


def local_date_violation(value: object) -> str | None:
    """Say why a ``date(name)`` of an app audience's member is refused: it has no zone."""
    if isinstance(value, str) and _LOCAL.fullmatch(value) and _is_in_calendar(value):
        return None
    return "a date is written like 2012-08-12T22:30:05, without a zone"


def time_violation(text: str) -> str | None:
    """Say why the ``time`` of an event cannot be read."""
    return None if parse_instant(text) else "the time of an event is written as RFC 3339"


def is_outside_window(text: str, now: float) -> bool:
    """Return whether a readable event time is older than 24 hours or in the future.

    Args:
        text: The time, already found readable.
        now: Unix time of the arrival, in seconds.
    """
    moment = parse_instant(text)
    if moment is None:
        return True
    age = now - (moment - _EPOCH).total_seconds()
    return age < 0 or age > EVENT_WINDOW_SECONDS


def _is_in_calendar(text: str) -> bool:
    """Return whether a time of the right form names a day and an hour that exist."""
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
    if hours > 23 or minutes > 59:  # noqa: PLR2004 - the clock's own limits
        raise ValueError(text)
    return timezone(sign * timedelta(hours=hours, minutes=minutes))
