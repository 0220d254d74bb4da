"""Values of custom attributes: of profiles, of events and of audience members."""

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
"""Blanks without a width, and a mark of byte order; other characters for formats are part of words."""
_FOREIGN: Final = frozenset("[]@\\")
"""Characters that stand neither in a host's name nor before it."""
_FORBIDDEN_IN_HOSTS: Final = frozenset("<>^|")
"""Characters that no URL parser takes in a host's name, beside a lone percent sign."""
_IS_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})").search
_LOOKS_LIKE_IPV4 = re.compile(r"[0-9]+(\.[0-9]+){3,}").fullmatch
_FREE: Final = frozenset({bool, float})
"""Types whose every value is valid."""


def value_violation(kind: Kind, value: object) -> str | None:
    """Say why a scalar, a date, a URL or an array of texts is refused.

    Args:
        kind: What the key announced.
        value: The value, decoded from JSON; not null.

    Returns:
        The reason, or None.
    """
    if kind == "date":
        return date_violation(value)
    if kind == "url":
        return url_violation(value)
    check = _CHECKS.get(type(value), number_violation)
    return check(value)


def text_violation(value: object, limit: int = STRING_LENGTH) -> str | None:
    """Say why a text of 1 to `limit` characters is refused."""
    if not isinstance(value, str):
        return "a text is expected"
    if 0 < len(value) <= limit:
        return None
    return f"a text has 1 to {limit} characters"


def has_line_break(text: str) -> bool:
    """Return whether a text that is not empty has more than one line, or ends with a line break."""
    return text.splitlines() != [text]


def number_violation(value: object) -> str | None:
    """Say why a value that is neither a text nor an array is refused.

    Booleans, finite floats and integers of 64 bits are valid; objects are not.
    """
    if type(value) in _FREE:
        return None
    if not isinstance(value, int):
        return "a value is a text, a number, a boolean, a date, a URL or an array of texts"
    fits = -INTEGER_MAX - 1 <= value <= INTEGER_MAX
    return None if fits else "an integer fits in 64 bits"


def texts_violation(values: object, items: int = ARRAY_ITEMS, length: int = STRING_LENGTH) -> str | None:
    """Say why an array of 1 to `items` texts of at most `length` characters is refused."""
    if not isinstance(values, list):
        return "an array is expected"
    if not values:
        return "an array is not empty"
    if len(values) > items:
        return f"an array has at most {items} items"
    reasons = [reason for value in values if (reason := text_violation(value, length))]
    return reasons[0] if reasons else None


def change_violation(change: dict[str, object]) -> str | None:
    """Say why a partial change ``{"$add": […], "$remove": […]}`` of an array is refused."""
    if not change or not change.keys() <= CHANGES:
        return "an object on a profile is only $add and $remove"
    reasons = [reason for values in change.values() if (reason := texts_violation(values))]
    return reasons[0] if reasons else None


def url_violation(value: object) -> str | None:
    """Say why a ``url(name)`` value is refused: scheme, host and perhaps a port, no blanks."""
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
    """Return whether a text without blanks parses as ``scheme://authority…``."""
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
    """Return whether a text is a host's name, or an address of IPv4."""
    if _LOOKS_LIKE_IPV4(text):
        return _is_ipv4(text)
    forbidden = _FOREIGN | _FORBIDDEN_IN_HOSTS
    return bool(text) and forbidden.isdisjoint(text) and not _IS_BROKEN_ESCAPE(text)


def _is_ipv4(text: str) -> bool:
    """Return whether a text is an address of IPv4, four numbers up to 255."""
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _is_ipv6(text: str) -> bool:
    """Return whether a text is an address of IPv6 without a zone."""
    try:
        return IPv6Address(text).scope_id is None
    except ValueError:
        return False


def _is_port(text: str) -> bool:
    """Return whether what follows a host is nothing, or a colon and perhaps a port (RFC 3986)."""
    digits = text[1:]
    is_number = digits.isascii() and digits.isdigit() and int(digits) <= PORT_MAX
    return not text or (text[0] == ":" and (is_number or not digits))


_CHECKS: Final[dict[type, Callable[[object], str | None]]] = {
    str: text_violation,
    list: texts_violation,
}
"""What checks each type of value; the others are numbers or nothing that is known."""
