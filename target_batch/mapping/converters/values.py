"""Converters of single values: text, numbers, booleans, URLs, arrays; none changes a value's sense."""

from __future__ import annotations

import re
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

from target_batch.common.limits import STRING_LENGTH, URL_LENGTH
from target_batch.common.reasons import Reason
from target_batch.mapping.declared import is_whole, kind_of
from target_batch.mapping.refusals import Unfit

if TYPE_CHECKING:
    from target_batch.mapping.declared import Declared
    from target_batch.mapping.refusals import Convert

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#\x00-\x1f\x7f]+[^\s\x00-\x1f\x7f]*").fullmatch
_WEB = ("http://", "https://")


def text(value: Any) -> str | None:
    """Return text of 1 to 300 characters [said]; an empty one is None.

    Raises:
        Unfit: it is no text, too long, or has no UTF-8 form.
    """
    if type(value) is not str:
        raise contradiction("string", value)
    if len(value) > STRING_LENGTH:
        raise too_long("text", STRING_LENGTH)
    return encodable(value) or None


def encodable(value: str) -> str:
    """Return the text if UTF-8 can hold it.

    Raises:
        Unfit: it holds a lone surrogate.
    """
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Unfit(Reason.INVALID_TEXT, "The text has no UTF-8 form.") from None
    return value


def number(value: Any) -> Any:
    """Return a number as it came, no digit lost.

    Raises:
        Unfit: it is no number, or NaN or infinite.
    """
    if type(value) is int:
        return value
    if type(value) is Decimal:
        if value.is_finite():
            return value
    elif type(value) is float:
        if isfinite(value):
            return value
    else:
        raise contradiction("number", value)
    raise Unfit(Reason.INVALID_NUMBER, "The number is not finite.")


def integer(value: Any) -> Any:
    """Return a whole number as it came; 7.0 is one, as in JSON Schema.

    Raises:
        Unfit: it is no number, has a fraction, or is NaN or infinite.
    """
    if type(value) is int:
        return number(value)
    if kind_of(value) != "number":
        raise contradiction("integer", value)
    if not is_whole(number(value)):
        raise Unfit(Reason.SCHEMA_VIOLATION, "The SCHEMA says integer; the number has a fraction.")
    return value


def decimal_text(value: Any) -> Any:
    """Return the number that a text of format `singer.decimal` holds; an empty one is None.

    Raises:
        Unfit: the text is no number.
    """
    if type(value) is not str:
        return number(value)
    try:
        return number(Decimal(value.strip())) if value.strip() else None
    except ArithmeticError:
        raise Unfit(Reason.INVALID_NUMBER, "The text holds no decimal number.") from None


def boolean(value: Any) -> bool:
    """Return true or false.

    Raises:
        Unfit: it is neither; 0 and 1 are numbers.
    """
    if type(value) is not bool:
        raise contradiction("boolean", value)
    return value


def url(value: Any) -> str | None:
    """Return a URL with scheme and authority, 2,048 characters at most [said]; an empty one is None.

    Raises:
        Unfit: it is no such URL.
    """
    if type(value) is not str:
        raise Unfit(Reason.INVALID_URL, f"A URL is text, not {kind_of(value)}.")
    address = value.strip()
    if not address:
        return None
    if len(address) > URL_LENGTH:
        raise too_long("URL", URL_LENGTH)
    if not _URL(address):
        raise Unfit(Reason.INVALID_URL, "The text is no URL with a scheme and an authority.")
    return encodable(address)


def looks_like_a_url(value: str) -> bool:
    """Tell whether the text is an http(s) address, whatever its length."""
    return value[:8].lower().startswith(_WEB) and _URL(value) is not None


def typed(declared: Declared, convert: Convert) -> Convert:
    """Return a converter that first refuses a value of another kind than declared."""

    def checked(value: Any) -> Any:
        if not declared.admits(value):
            raise contradiction(declared.label, value)
        return convert(value)

    return checked


def contradiction(expected: str, value: Any) -> Unfit:
    """Return the refusal of a value of another kind than the SCHEMA says."""
    if kind_of(value) == "no JSON value":
        return Unfit(Reason.UNSUPPORTED_VALUE, "The value is of a kind that JSON does not have.")
    return Unfit(Reason.SCHEMA_VIOLATION, f"The SCHEMA says {expected}; the value is {kind_of(value)}.")


def too_long(what: str, limit: int) -> Unfit:
    """Return the refusal of a text longer than Batch takes."""
    return Unfit(Reason.VALUE_TOO_LONG, f"The {what} is longer than {limit} characters.")
