"""Dates of every spelling that taps emit → RFC 3339 in UTC, and the seconds they stand for."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from target_batch.mapping.limits import CACHED_VALUES
from target_batch.mapping.refusals import Unfit
from target_batch.reasons import Reason

_CANONICAL = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(Z|\+00:00)"
).fullmatch
_SPELLING = re.compile(
    r"([0-9]{4})(-?)([0-9]{2})\2([0-9]{2})"
    r"(?:(?:[Tt]|[ ]+)([0-9]{2}):?([0-9]{2})(?::?([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"[ ]?(?:([Zz]|UTC|GMT)|([+-])([0-9]{2}):?([0-9]{2})?)?)?"
).fullmatch
_LIKE_A_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?:[Zz]|[+-][0-9]{2}:?(?:[0-9]{2})?)?)?"
).fullmatch
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - compared with other times known to be UTC
LONGEST_CANONICAL = len("2000-01-01T00:00:00.123456Z")
"""Of a longer text the fraction is cut: Batch gets microseconds at most."""

_LONGEST = len("2000-01-01T00:00:00.123456+00:00")
_UTC_ENDS = ("Z", "0")
_QUICK_LENGTHS = frozenset(
    len("2000-01-01T00:00:00" + fraction + zone) for fraction in ("", ".123456") for zone in ("", "+02:00")
)
_DATE_LENGTH = len("2000-01-01")
_MIDNIGHT_AFTER = 24
_LEAP_SECOND = 60
_SMALLEST_MILLISECONDS = 10**11
"""As seconds this is the year 5138, as milliseconds 1973: an event's time is nearer to today."""


def utc(value: Any) -> str | None:
    """Return the instant as RFC 3339 with `Z`; fractions are kept to microseconds.

    A date is its midnight, a date-time without zone is taken as UTC. An empty text is None.

    Raises:
        Unfit: the value is no date, or none of the calendar.
    """
    if type(value) is str:
        if value[-1:] in _UTC_ENDS and (canonical := _CANONICAL(value)):
            return value if canonical[1] == "Z" else value[:-6] + "Z"
        if len(value) in _QUICK_LENGTHS and (quick := _quick(value)):
            return quick
        return _midnight(value) if len(value) == _DATE_LENGTH else _respelled(value.strip())
    if isinstance(value, date):
        return _respelled(value.isoformat())
    raise Unfit(Reason.INVALID_DATE, "A date is text in ISO 8601, not a number or a structure.")


def in_utc(value: Any) -> str | None:
    """Return what `utc` does, faster for `…+00:00`, of what is known to be a date of the calendar."""
    if type(value) is str and value[-6:] == "+00:00" and value[10] == "T" and len(value) <= _LONGEST:
        return value[:-6] + "Z"
    return utc(value)


def looks_like_a_date(text: str) -> bool:
    """Tell whether the text has the shape of an ISO 8601 date or date-time, valid or not."""
    return _LIKE_A_DATE(text) is not None


def instant(value: Any) -> str | None:
    """Return a record's own time as `utc` does; numbers are seconds or milliseconds since 1970.

    Raises:
        Unfit: the value is no time.
    """
    if type(value) is int or isinstance(value, (float, Decimal)):
        try:
            seconds = float(value)
            if abs(seconds) >= _SMALLEST_MILLISECONDS:
                seconds /= 1000
            moment = _EPOCH + timedelta(seconds=seconds)
        except (OverflowError, ValueError):
            raise _no_date() from None
        return _spelled(moment, f"{moment.microsecond:06d}" if moment.microsecond else "")
    return utc(value)


def seconds_since_epoch(canonical: str) -> float:
    """Return the seconds since 1970 of a text that `utc` returned."""
    whole = (datetime.fromisoformat(canonical[:19]) - _EPOCH).total_seconds()
    return whole + float("0" + canonical[19:-1]) if len(canonical) > len("2000-01-01T00:00:00Z") else whole


def _quick(text: str) -> str | None:
    """Read the spellings that data bases write with msgspec, None for all others."""
    try:
        moment = msgspec.convert(text, datetime)
        if moment.tzinfo is None:
            return f"{text[:10]}T{text[11:]}Z"
        return moment.astimezone(timezone.utc).isoformat()[:-6] + "Z"
    except (msgspec.ValidationError, OverflowError):
        return None


@lru_cache(maxsize=CACHED_VALUES)
def _midnight(day: str) -> str | None:
    return _respelled(day.strip())


def _respelled(text: str) -> str | None:
    if not text:
        return None
    spelling = _SPELLING(text)
    if spelling is None:
        raise Unfit(Reason.INVALID_DATE, "The text is no date in ISO 8601.")
    year, _, month, day, hour, minute, second, fraction, _, sign, *offset = spelling.groups()
    try:
        moment = datetime(int(year), int(month), int(day), tzinfo=timezone.utc)
        moment += _time_of_day(int(hour or 0), int(minute or 0), int(second or 0))
        if sign:
            moment -= _offset(sign, int(offset[0]), int(offset[1] or 0))
    except (ValueError, OverflowError):
        raise _no_date() from None
    return _spelled(moment, (fraction or "")[:6])


def _time_of_day(hour: int, minute: int, second: int) -> timedelta:
    past_the_end = hour == _MIDNIGHT_AFTER and (minute or second)
    if hour > _MIDNIGHT_AFTER or minute > 59 or second > _LEAP_SECOND or past_the_end:  # noqa: PLR2004
        raise ValueError
    return timedelta(hours=hour, minutes=minute, seconds=second)


def _offset(sign: str, hours: int, minutes: int) -> timedelta:
    if hours > 23 or minutes > 59:  # noqa: PLR2004 - a clock's numbers
        raise ValueError
    ahead = timedelta(hours=hours, minutes=minutes)
    return ahead if sign == "+" else -ahead


def _spelled(moment: datetime, fraction: str) -> str:
    return moment.isoformat()[:19] + (f".{fraction}Z" if fraction else "Z")


def _no_date() -> Unfit:
    return Unfit(Reason.INVALID_DATE, "The calendar has no such date.")
