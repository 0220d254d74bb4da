"""Rules for the values of custom attributes of profiles, events and audience members."""

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from unicodedata import category
from urllib.parse import urlsplit

from target_batch.sandbox.rules.limits import (
    ARRAY_ITEMS,
    INTEGER_MAX,
    PORT_MAX,
    STRING_LENGTH,
    URL_LENGTH,
)
from target_batch.sandbox.rules.names import Kind
from target_batch.sandbox.rules.times import date_violation

CHANGES: Final = frozenset({"$add", "$remove"})
"""Keys of a partial change of an array."""
_INVISIBLE: Final = frozenset("\u200b\u2060\ufeff")
"""Zero-width blanks and the byte order mark; other format characters can be part of words."""
_FOREIGN: Final = frozenset("[]@\\")
"""Characters that are not allowed in a host name or in the user part before it."""
_FORBIDDEN_IN_HOSTS: Final = frozenset("<>^|")
"""Characters that, like a lone percent sign, no URL parser accepts in a host name."""
_IS_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})").search
_LOOKS_LIKE_IPV4 = re.compile(r"[0-9]+(\.[0-9]+){3,}").fullmatch
_FREE: Final = frozenset({bool, float})
"""Types of which every value is valid."""


def value_violation(kind: Kind, value: object) -> str | None:
    """Return why a scalar, a date, a URL or an array of texts is refused, or None.

    Args:
        kind: The kind of value that the key declares.
        value: The decoded JSON value; not null.
    """
    if kind == "date":
        return date_violation(value)
    if kind == "url":
        return url_violation(value)
    return _CHECKS.get(type(value), number_violation)(value)


def text_violation(value: object, limit: int = STRING_LENGTH) -> str | None:
    """Return why a value is not a text of 1 to `limit` characters, or None."""
    if not isinstance(value, str):
        return "a text is expected"
    if 0 < len(value) <= limit:
        return None
    return f"a text has 1 to {limit} characters"


def has_line_break(text: str) -> bool:
    """Return whether a non-empty text contains a line break."""
    return text.splitlines() != [text]


def number_violation(value: object) -> str | None:
    """Return why a value that is neither a text nor an array is refused, or None.

    Booleans, finite floats and signed 64-bit integers are valid; objects are not.
    """
    if type(value) in _FREE:
        return None
    if not isinstance(value, int):
        return "a value is a text, a number, a boolean, a date, a URL or an array of texts"
    fits = -INTEGER_MAX - 1 <= value <= INTEGER_MAX
    return None if fits else "an integer fits in 64 bits"


def texts_violation(values: object, items: int = ARRAY_ITEMS, length: int = STRING_LENGTH) -> str | None:
    """Return why a value is not an array of 1 to `items` texts of 1 to `length` characters, or None."""
    if not isinstance(values, list):
        return "an array is expected"
    if not values:
        return "an array is not empty"
    if len(values) > items:
        return f"an array has at most {items} items"
    reasons = [reason for value in values if (reason := text_violation(value, length))]
    return reasons[0] if reasons else None


def change_violation(change: dict[str, object]) -> str | None:
    """Return why a partial change ``{"$add": […], "$remove": […]}`` of an array is refused, or None."""
    if not change or not change.keys() <= CHANGES:
        return "an object on a profile is only $add and $remove"
    reasons = [reason for values in change.values() if (reason := texts_violation(values))]
    return reasons[0] if reasons else None


def url_violation(value: object) -> str | None:
    """Return why a ``url(name)`` value is refused, or None.

    A URL needs a scheme and a host, may have a port, and contains no blanks or control characters.
    """
    if not isinstance(value, str):
        return "a URL is a text"
    if len(value) > URL_LENGTH:
        return f"a URL has at most {URL_LENGTH} characters"
    if any(
        character.isspace() or character in _INVISIBLE or category(character) == "Cc" for character in value
    ):
        return "a URL holds no blanks and no control characters"
    return None if _is_url(value) else "a URL has a scheme, a host and at most a port below 65,536"


def _is_url(text: str) -> bool:
    """Return whether a text without blanks can be parsed as ``scheme://authority…``."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    user, _, place = parts.netloc.rpartition("@")
    if not parts.scheme or not _FOREIGN.isdisjoint(user):
        return False
    if place.startswith("["):
        address, _, port = place[1:].partition("]")
        return _is_ipv6(address) and _is_port(port)
    host, colon, port = place.partition(":")
    return _is_host(host) and _is_port(colon + port)


def _is_host(text: str) -> bool:
    """Return whether a text is a host name or an IPv4 address."""
    if _LOOKS_LIKE_IPV4(text):
        return _is_ipv4(text)
    forbidden = _FOREIGN | _FORBIDDEN_IN_HOSTS
    return bool(text) and forbidden.isdisjoint(text) and not _IS_BROKEN_ESCAPE(text)


def _is_ipv4(text: str) -> bool:
    """Return whether a text is an IPv4 address: four numbers up to 255."""
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _is_ipv6(text: str) -> bool:
    """Return whether a text is an IPv6 address without a zone."""
    try:
        return IPv6Address(text).scope_id is None
    except ValueError:
        return False


def _is_port(text: str) -> bool:
    """Return whether the text after a host is empty, or a colon and an optional port (RFC 3986)."""
    digits = text[1:]
    is_number = digits.isascii() and digits.isdigit() and int(digits) <= PORT_MAX
    return not text or (text[0] == ":" and (is_number or not digits))


_CHECKS: Final[dict[type, Callable[[object], str | None]]] = {
    str: text_violation,
    list: texts_violation,
}
"""Checks by type of value; `number_violation` checks all other types."""
