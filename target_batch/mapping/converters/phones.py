"""Conversion of phone numbers in any format to E.164."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from target_batch.common.limits import CACHED_VALUES
from target_batch.common.reasons import Reason
from target_batch.mapping.converters import InvalidValue
from target_batch.mapping.declared import is_whole, kind_of

if TYPE_CHECKING:
    from target_batch.mapping.converters import Convert

is_e164 = re.compile(r"\+[1-9]\d\d\d\d\d\d\d{0,8}", re.ASCII).fullmatch
"""Matches a number that Batch accepts unchanged: `+` and 7 to 15 digits."""
_LONGEST_SPELLING = 250  # the parser's own limit
_AS_NUMBER = re.compile(r"([1-9][0-9]*)\.0+").fullmatch
_WITHOUT_GROUPS = str.maketrans("", "", " .-")
_BARE = re.compile(r"\+?[0-9]+").fullmatch
"""Matches a number without separators between its digits, which slow the parser down."""
_TOO_LARGE = 10**15
_FEWEST_INTERNATIONAL = 11


def phone_reader(country: str | None) -> Convert:
    """Return the converter of phone numbers; without a `country`, national ones are rejected.

    `country` is an upper-case ISO 3166 code. A number such as 33612345678.0, as spreadsheets and integer
    columns store it, is read by its digits.
    """

    def phone(value: Any) -> str | None:
        spelling = value if type(value) is str else _digits(value)
        if is_e164(spelling):
            return spelling
        if not spelling.strip():
            return None
        number = _read(spelling.strip(), country) if len(spelling) <= _LONGEST_SPELLING else None
        if number is None:
            where = f"in {country}" if country else "without a country (setting `default_country`)"
            raise InvalidValue(Reason.INVALID_PHONE, f"The text cannot be read as a phone number {where}.")
        return number

    return phone


def _digits(value: Any) -> str:
    """Return a phone number stored as a number, in the format of spreadsheets: `33612345678.0`.

    Raises:
        InvalidValue: the value is not a whole number of at most 15 digits above 0.
    """
    if type(value) in {int, float, Decimal} and is_whole(value) and 0 < value < _TOO_LARGE:
        return f"{int(value)}.0"
    raise InvalidValue(Reason.INVALID_PHONE, f"A phone number is text or its digits, not {kind_of(value)}.")


def _read(spelling: str, country: str | None) -> str | None:
    if kept_as_number := _AS_NUMBER(spelling):
        return _of_digits(kept_as_number[1], country)
    bare = spelling.translate(_WITHOUT_GROUPS)
    return _e164(bare if _BARE(bare) else spelling, country)


@lru_cache(maxsize=CACHED_VALUES)
def _of_digits(digits: str, country: str | None) -> str | None:
    """Read a number that lost its `+` or leading zeros: as a national one, else as an international one.

    A national number read as an international one would reach someone else. An international one must
    therefore be valid, not merely possible, and have at least 11 digits, which few national numbers have.
    """
    national = _e164(digits, country, strict=True) if country else None
    if national or len(digits) < _FEWEST_INTERNATIONAL:
        return national
    return _e164(f"+{digits}", None, strict=True)


@lru_cache(maxsize=CACHED_VALUES)
def _e164(spelling: str, region: str | None, *, strict: bool = False) -> str | None:
    import phonenumbers  # noqa: PLC0415 - its tables are loaded only if a number is not E.164 already

    try:
        number = phonenumbers.parse(spelling, region)
    except phonenumbers.NumberParseException:
        return None
    accepted = phonenumbers.is_valid_number if strict else phonenumbers.is_possible_number
    if not accepted(number):
        return None
    formatted: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return formatted if is_e164(formatted) else None
