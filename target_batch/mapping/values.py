"""Converters of text, numbers, booleans, URLs and arrays of text, and the errors that converters raise.

A converter turns a value of a record into one that Batch accepts, and never changes its meaning. It raises
`InvalidValue` for a value that Batch would reject.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from math import isfinite
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from target_batch.common.limits import (
    ARRAY_ITEMS,
    LARGEST_INTEGER,
    SMALLEST_INTEGER,
    STRING_LENGTH,
    URL_LENGTH,
)
from target_batch.common.reasons import Reason
from target_batch.mapping.declared import KINDS_BY_TYPE, is_whole, kind_of, zero_or_one

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias, TypeVar

    from target_batch.common.reasons import Issue
    from target_batch.mapping.declared import Declared

    Convert: TypeAlias = Callable[[Any], Any]
    """A value of a record → the value to send; None if it counts as null, `SKIP` to send nothing."""

    Item = TypeVar("Item")


class _Skip:
    """The type of `SKIP`, its only instance."""


SKIP: Final = _Skip()
"""Returned by a converter if there is nothing to send, such as for an empty `$add`."""


class InvalidValue(Exception):  # noqa: N818 - named for the value, caught one call above
    """A value cannot be sent; the message never contains any of it."""

    def __init__(self, reason: Reason, message: str, where: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.where = where
        """The property at fault, if known where the error is raised."""


class PartlyInvalid(Exception):  # noqa: N818 - same
    """Part of an object cannot be sent: `value` is the rest, and the issues name paths inside it."""

    def __init__(self, value: Any, issues: list[Issue]) -> None:
        super().__init__()
        self.value = value
        self.issues = issues


_BLANK = r"\s\x00-\x1f\x7f-\x9f\u200b\u2060\ufeff\ud800-\udfff"
"""Whitespace, zero-width or not, control characters and surrogates; joiners are part of words."""
_URL = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]*://[^/?#{_BLANK}]+[^{_BLANK}]*").fullmatch
_AUTHORITY = re.compile(
    r"(?:[^@\[\]\\]*@)?"
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<ipv4>[0-9]+(?:\.[0-9]+){3,})|(?:[^@:\[\]\\<>^|%]|%[0-9A-Fa-f]{2})+)"
    r"(?::(?P<port>[0-9]*))?"
).fullmatch
_LARGEST_PORT = 65_535
_FEWER_DIGITS = len(str(LARGEST_INTEGER)) - 1
"""Numbers with fewer digits before the point are within 64 bits."""
_WEB = ("http://", "https://")
_BOOLEANS: Final = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}
_CHANGES = frozenset({"$add", "$remove"})


is_short = re.compile(rf".{{1,{STRING_LENGTH}}}", re.DOTALL).fullmatch
"""Matches text that `text` returns unchanged, if UTF-8 can encode it."""


def text(value: Any) -> str | None:
    """Return text of 1 to 300 characters [read]; None for empty text.

    Raises:
        InvalidValue: the value is not text, is too long, or UTF-8 cannot encode it.
    """
    if type(value) is not str:
        raise contradiction("string", value)
    if len(value) > STRING_LENGTH:
        raise too_long("text", STRING_LENGTH)
    return encodable(value) or None


def encodable(value: str) -> str:
    """Return the text if UTF-8 can encode it.

    Raises:
        InvalidValue: the text contains a lone surrogate.
    """
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidValue(Reason.INVALID_TEXT, "The text has no UTF-8 form.") from None
    return value


def has_line_break(value: str) -> bool:
    """Return whether a text has more than one line, or ends with a line break of any kind."""
    return len(f"{value}.".splitlines()) > 1


is_short_line = re.compile(rf"\S[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]{{0,{STRING_LENGTH - 1}}}").fullmatch
"""Matches text that both `text` and `one_line` return unchanged, if UTF-8 can encode it."""


def one_line(value: str) -> str:
    """Return a text that Batch accepts in an event: not only whitespace, and without line breaks [sdk].

    Raises:
        InvalidValue: the text has line breaks or only whitespace.
    """
    if value.isspace():
        raise InvalidValue(Reason.INVALID_TEXT, "In an event, a text cannot consist of blanks only.")
    if has_line_break(value):
        raise InvalidValue(Reason.INVALID_TEXT, "In an event, a text cannot have line breaks.")
    return value


def number(value: Any) -> Any:
    """Return a number unchanged, with all its digits.

    Raises:
        InvalidValue: the value is not a number, is not finite as a double, or is an integer beyond 64 bits.
    """
    if type(value) is int:
        if SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
            return value
        raise _beyond_64_bits()
    if type(value) is Decimal:
        return value if value.is_finite() and value.adjusted() < _FEWER_DIGITS else _large(value)
    if type(value) is not float:
        raise contradiction("number", value)
    if not isfinite(value):
        raise InvalidValue(Reason.INVALID_NUMBER, "The number is not finite.")
    return value


def _large(value: Decimal) -> Decimal:
    if not value.is_finite() or not isfinite(float(value)):
        raise InvalidValue(Reason.INVALID_NUMBER, "The number is not finite, or beyond what a double holds.")
    if value.as_tuple().exponent == 0:  # written without a fraction or an exponent: an integer in JSON
        number(int(value))
    return value


def integer(value: Any) -> Any:
    """Return a whole number; as in JSON Schema, 7.0 is one, and becomes 7.

    Raises:
        InvalidValue: the value is not a number, has a fraction, or needs more than 64 bits.
    """
    if type(value) is not int:
        if kind_of(value) != "number":
            raise contradiction("integer", value)
        if not is_whole(number(value)):
            raise InvalidValue(Reason.SCHEMA_VIOLATION, "The SCHEMA says integer; the number has a fraction.")
        value = int(value)
    if SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        return value
    raise _beyond_64_bits()


def decimal_text(value: Any) -> Any:
    """Return the number in a text of format `singer.decimal`; None for empty text.

    Raises:
        InvalidValue: the text is not a number.
    """
    if type(value) is not str:
        return number(value)
    try:
        return number(Decimal(value.strip())) if value.strip() else None
    except ArithmeticError:
        raise InvalidValue(Reason.INVALID_NUMBER, "The text holds no decimal number.") from None


def boolean(value: Any) -> bool:
    """Return true or false; 0 and 1 are numbers, not booleans."""
    if type(value) is not bool:
        raise contradiction("boolean", value)
    return value


def url(value: Any) -> str | None:
    """Return a URL with scheme and host, at most 2,048 characters [read]; None for empty text.

    Batch does not accept an address without a host, such as `mailto:`.

    Raises:
        InvalidValue: Batch would reject the URL.
    """
    if type(value) is not str:
        raise InvalidValue(Reason.INVALID_URL, f"A URL is text, not {kind_of(value)}.")
    address = value.strip()
    if not address:
        return None
    if len(address) > URL_LENGTH:
        raise too_long("URL", URL_LENGTH)
    if not (_URL(address) and _parses(address)):
        raise InvalidValue(Reason.INVALID_URL, "The text is not a URL with a scheme and a host.")
    return address


def looks_like_a_url(value: str) -> bool:
    """Return whether the text is an http(s) URL, of any length."""
    return value[:8].lower().startswith(_WEB) and _URL(value) is not None and _parses(value)


def _parses(address: str) -> bool:
    try:
        found = _AUTHORITY(urlsplit(address).netloc)
        if found and found["ipv6"]:
            IPv6Address(found["ipv6"])
        if found and found["ipv4"]:
            IPv4Address(found["ipv4"])
        return found is not None and int(found["port"] or 0) <= _LARGEST_PORT
    except ValueError:  # an invalid IP address, or a port with more digits than Python reads
        return False


def _beyond_64_bits() -> InvalidValue:
    return InvalidValue(Reason.INVALID_NUMBER, "The integer needs more than 64 bits.")


def typed(declared: Declared, convert: Convert) -> Convert:
    """Return a converter that first rejects values of an undeclared kind, if the SCHEMA declares any."""
    if not declared.kinds:
        return convert

    def checked(value: Any) -> Any:
        if not declared.admits(value):
            raise contradiction(declared.label, value)
        return convert(value)

    return checked


def contradiction(expected: str, value: Any) -> InvalidValue:
    """Return the error for a value of another kind than the SCHEMA declares."""
    if type(value) not in KINDS_BY_TYPE:
        return InvalidValue(Reason.UNSUPPORTED_VALUE, "The value is of a kind that JSON does not have.")
    return InvalidValue(
        Reason.SCHEMA_VIOLATION, f"The SCHEMA says {expected}; the value is {kind_of(value)}."
    )


def too_long(what: str, limit: int) -> InvalidValue:
    """Return the error for text that is longer than Batch accepts."""
    return InvalidValue(Reason.VALUE_TOO_LONG, f"The {what} is longer than {limit} characters.")


def number_in_text(value: Any) -> Any:
    """Return the number in a text, with all its digits; None for empty text.

    Raises:
        InvalidValue: the text is not a decimal number, or one that Batch cannot store.
    """
    if type(value) is not str:
        return number(value)
    digits = value.strip()
    if not digits:
        return None
    try:
        return number(int(digits) if digits.lstrip("+-").isdecimal() else Decimal(digits))
    except (ArithmeticError, ValueError):
        raise InvalidValue(Reason.INVALID_NUMBER, "The text is not a decimal number.") from None


def integer_in_text(value: Any) -> Any:
    """Return the whole number in a text (`7` or `7.0`); None for empty text.

    Raises:
        InvalidValue: the text is not a whole number, or one that Batch cannot store.
    """
    found = number_in_text(value)
    return None if found is None else integer(found)


def boolean_in_text(value: Any) -> bool | None:
    """Return the boolean that a text, 0 or 1 represents; None for empty text.

    Raises:
        InvalidValue: the value represents neither true nor false.
    """
    message = "The value stands for neither true nor false."
    return either(value, lambda word: _BOOLEANS.get(word.lower()), Reason.INVALID_BOOLEAN, message)


def either(value: Any, meaning: Callable[[str], bool | None], reason: Reason, message: str) -> bool | None:
    """Return the boolean that a word, 0 or 1 represents; None for empty text.

    Raises:
        InvalidValue: with this reason and message, if the value represents neither.
    """
    found = zero_or_one(value)
    if found is None and type(value) is str:
        word = value.strip()
        if not word:
            return None
        found = meaning(word)
    if found is None:
        raise InvalidValue(reason, message)
    return found


def strings(value: Any, declared: str = "array") -> list[str] | None:
    """Return an array of at most 25 strings [sdk]; numbers and booleans become text.

    Nulls and empty strings are dropped; an array without other items becomes None. `declared` is the type in
    the SCHEMA, which may also be `object`.

    Raises:
        InvalidValue: the value is not an array, or has arrays, objects, too many or too long items.
    """
    if type(value) is not list:
        if type(value) is dict:
            raise InvalidValue(Reason.OBJECT_NOT_ALLOWED, "An object where only values and arrays can be.")
        raise contradiction(declared, value)
    try:
        joined = "".join(value)
        is_sent_as_it_is = joined.isascii() and len(joined) <= STRING_LENGTH and all(value)
    except TypeError:  # some items are no text
        is_sent_as_it_is = False
    return limited(value if is_sent_as_it_is else texts(value), ARRAY_ITEMS)


def whole_or_change(value: Any, convert: Convert = strings) -> Any:
    """Return the converted array, or `{"$add": […], "$remove": […]}` without its empty parts.

    A change that adds and removes nothing becomes `SKIP`.

    Raises:
        InvalidValue: `convert` rejects an array, or an object that is not a change.
    """
    if type(value) is dict and value and _CHANGES.issuperset(value):
        parts = {part: convert(items) for part, items in value.items() if items is not None}
        return {part: items for part, items in parts.items() if items} or SKIP
    return convert(value)


strings_for_object = partial(strings, declared="object")
"""Returns an array as `strings` does, for a property that the SCHEMA declares as an object."""


def texts(items: list[Any]) -> list[str]:
    """Return the items as text, without nulls and empty strings.

    Raises:
        InvalidValue: an item is an array, an object, too long or not a finite number.
    """
    return [item for item in map(_item, items) if item]


def limited(items: list[Item], limit: int) -> list[Item] | None:
    """Return the items, or None if there are none.

    Raises:
        InvalidValue: there are more than `limit`.
    """
    if len(items) > limit:
        raise InvalidValue(Reason.TOO_MANY_ITEMS, f"The array has more than {limit} items.")
    return items or None


def _item(item: Any) -> str | None:
    if item is None or type(item) is str:
        return None if item is None else text(item)
    if type(item) is bool:
        return "true" if item else "false"
    if type(item) in {list, dict}:
        raise InvalidValue(Reason.INVALID_ARRAY, f"The array holds an {kind_of(item)}.")
    if type(item) not in {int, float, Decimal}:
        raise contradiction("number", item)
    if (type(item) is float and not isfinite(item)) or (type(item) is Decimal and not item.is_finite()):
        raise InvalidValue(Reason.INVALID_NUMBER, "A number of the array is not finite.")
    return text(_digits(item))


def _digits(item: Any) -> str:
    try:
        return f"{item:f}" if type(item) is Decimal and abs(item.adjusted()) < STRING_LENGTH else str(item)
    except ValueError:
        raise InvalidValue(Reason.VALUE_TOO_LONG, "A number of the array has too many digits.") from None
