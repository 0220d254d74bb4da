"""Conversion of dates in all formats that taps emit to RFC 3339 in UTC, and to seconds since 1970."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from target_batch.common.limits import CACHED_VALUES
from target_batch.common.reasons import Reason
from target_batch.mapping.values import InvalidValue

_encode = msgspec.json.Encoder().encode

_SPELLING = re.compile(
    r"([0-9]{4})(-?)([0-9]{2})\2([0-9]{2})"
    r"(?:(?:[Tt]|[ ]+)([0-9]{2}):?([0-9]{2})(?::?([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"[ ]?(?:([Zz]|UTC|GMT)|([+-])([0-9]{2}):?([0-9]{2})?(?::([0-9]{2}))?)?)?"
).fullmatch
_LIKE_A_DATE = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?:[Zz]|[+-][0-9]{2}:?(?:[0-9]{2})?)?)?"
).fullmatch
as_sent = re.compile(
    r"[1-9]\d\d\d-(?:0[1-9]|1[0-2])-"
    r"(?:0[1-9]|1\d|2[0-8]|(?<!02-)(?:29|30)|(?<=0[13578]-|1[02]-)31)"
    r"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:Z|[.](?!000000)\d\d\d\d\d\dZ)",
    re.ASCII,
).fullmatch
"""Matches valid times in the format that `utc` returns, except those of 29 February."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - compared with other times known to be UTC
_EPOCH_UTC = _EPOCH.replace(tzinfo=timezone.utc)
_DATE_LENGTH = len("2000-01-01")
_MIDNIGHT_AFTER = 24
_LEAP_SECOND = 60
_SMALLEST_MILLISECONDS = 10**11
"""In seconds this is the year 5138, in milliseconds 1973, which is closer to the time of any event."""
_FINER = (10**17, 10**9), (10**14, 10**6), (_SMALLEST_MILLISECONDS, 10**3)
"""The smallest numbers read as nanoseconds, microseconds and milliseconds, and how many make a second."""


def utc(value: Any) -> str | None:
    """Return the instant as RFC 3339 with `Z`; fractions are rounded to microseconds.

    A date becomes its midnight; a date-time without a zone is read as UTC. Empty text is None.

    Raises:
        InvalidValue: the value is not a date, or does not exist in the calendar.
    """
    if type(value) is str:
        if len(value) == _DATE_LENGTH:
            return _midnight(value)
        return value if as_sent(value) else _quick(value) or _respelled(value.strip())
    if isinstance(value, datetime):
        return _spelled(_in_utc(value))
    if isinstance(value, date):
        return _midnight(value.isoformat())
    raise InvalidValue(Reason.INVALID_DATE, "A date is text in ISO 8601, not a number or a structure.")


def _in_utc(moment: datetime) -> datetime:
    """Return the instant in UTC; without a zone it is read as UTC."""
    try:
        return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    except OverflowError:
        raise _no_date() from None


@lru_cache(maxsize=CACHED_VALUES)
def _midnight(day: str) -> str | None:
    """Return the midnight of a date as `utc` does; cached, because days repeat."""
    return _respelled(day.strip())


def looks_like_a_date(text: str) -> bool:
    """Return whether the text has the format of an ISO 8601 date or date-time, even of a nonexistent day.

    Text with a month above 12 or a day above 31 does not count: it is some other number.
    """
    return _LIKE_A_DATE(text) is not None


def instant(value: Any) -> str | None:
    """Return a record's own time as `utc` does; numbers count seconds or smaller units since 1970.

    Raises:
        InvalidValue: the value is not a time.
    """
    if type(value) is int or isinstance(value, (float, Decimal)):
        try:
            seconds = float(value)
            seconds /= next((each for least, each in _FINER if abs(seconds) >= least), 1)
            moment = _EPOCH_UTC + timedelta(seconds=seconds)
        except (OverflowError, ValueError):
            raise _no_date() from None
        return _spelled(moment)
    return utc(value)


def moment_text(seconds: float) -> str:
    """Return the text of an instant in the format of `utc`, never later than the instant."""
    return _spelled(_EPOCH_UTC + timedelta(microseconds=int(seconds * 1_000_000)))


def seconds_since_epoch(canonical: str) -> float:
    """Return the seconds since 1970 of a time in the format of `utc`."""
    whole = (datetime.fromisoformat(canonical[:19]) - _EPOCH).total_seconds()
    return whole + float("0" + canonical[19:-1]) if len(canonical) > len("2000-01-01T00:00:00Z") else whole


def _quick(text: str) -> str | None:
    """Return the time in a format that msgspec reads, as databases write; None for all others."""
    try:
        return _spelled(_in_utc(msgspec.convert(text, datetime)))
    except msgspec.ValidationError:
        return None


def _respelled(text: str) -> str | None:
    if not text:
        return None
    spelling = _SPELLING(text)
    if spelling is None:
        raise InvalidValue(Reason.INVALID_DATE, "The text is not a date in ISO 8601.")
    year, _, month, day, hour, minute, second, fraction, _, sign, *offset = spelling.groups()
    try:
        moment = datetime(int(year), int(month), int(day), tzinfo=timezone.utc)
        moment += _time_of_day(int(hour or 0), int(minute or 0), int(second or 0))
        moment += timedelta(microseconds=round(float(f"0.{fraction or 0}") * 1_000_000))
        if sign:
            moment -= _offset(sign, *(int(part or 0) for part in offset))
    except (ValueError, OverflowError):
        raise _no_date() from None
    return _spelled(moment)


def _time_of_day(hour: int, minute: int, second: int) -> timedelta:
    past_the_end = hour == _MIDNIGHT_AFTER and (minute or second)
    if hour > _MIDNIGHT_AFTER or minute > 59 or second > _LEAP_SECOND or past_the_end:  # noqa: PLR2004
        raise ValueError
    return timedelta(hours=hour, minutes=minute, seconds=second)


def _offset(sign: str, hours: int, minutes: int, seconds: int) -> timedelta:
    """Return a UTC offset; those of local mean times, from before time zones, have seconds."""
    if hours > 23 or minutes > 59 or seconds > 59:  # noqa: PLR2004 - a clock's numbers
        raise ValueError
    ahead = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return ahead if sign == "+" else -ahead


def _spelled(moment: datetime) -> str:
    """Return the text of an instant in UTC: with `Z`, and with microseconds if it has any."""
    return _encode(moment)[1:-1].decode()


def _no_date() -> InvalidValue:
    return InvalidValue(Reason.INVALID_DATE, "The calendar has no such date.")
