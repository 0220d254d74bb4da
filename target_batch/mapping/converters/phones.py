"""Phone numbers of any spelling → E.164."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from target_batch.common.limits import CACHED_VALUES
from target_batch.common.reasons import Reason
from target_batch.mapping.declared import kind_of
from target_batch.mapping.refusals import Unfit

if TYPE_CHECKING:
    from target_batch.mapping.refusals import Convert

is_e164 = re.compile(r"\+[1-9][0-9]{6,14}").fullmatch
"""Matches a number that Batch takes as it stands: `+` and 7 to 15 digits."""
_LONGEST_SPELLING = 250  # what the parser itself looks at


def phone_reader(country: str | None) -> Convert:
    """Return what reads phone numbers; national ones in `country` (ISO 3166, upper case), refused without."""

    def phone(value: Any) -> str | None:
        if type(value) is not str:
            raise Unfit(Reason.INVALID_PHONE, f"A phone number is text, not {kind_of(value)}.")
        if is_e164(value):
            return value
        if not value.strip():
            return None
        number = _e164(value, country) if len(value) <= _LONGEST_SPELLING else None
        if number is None:
            where = f"in {country}" if country else "without a country (setting `default_country`)"
            raise Unfit(Reason.INVALID_PHONE, f"The text cannot be read as a phone number {where}.")
        return number

    return phone


@lru_cache(maxsize=CACHED_VALUES)
def _e164(spelling: str, region: str | None) -> str | None:
    import phonenumbers  # noqa: PLC0415 - its tables load only where a number is not E.164 already

    try:
        number = phonenumbers.parse(spelling, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    formatted: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return formatted if is_e164(formatted) else None
