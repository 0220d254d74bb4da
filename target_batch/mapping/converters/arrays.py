"""Arrays of text, whole or as a change (`$add`, `$remove`)."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

from target_batch.common.limits import ARRAY_ITEMS, STRING_LENGTH
from target_batch.common.reasons import Reason
from target_batch.mapping.converters import SKIP, InvalidValue
from target_batch.mapping.converters.values import contradiction, text
from target_batch.mapping.declared import kind_of

if TYPE_CHECKING:
    from target_batch.mapping.converters import Convert

CHANGES = frozenset({"$add", "$remove"})


def strings(value: Any) -> list[str] | None:
    """Return an array of at most 25 strings [sdk]; numbers and booleans become text.

    Nulls and empty strings are dropped; an array without other items becomes None.

    Raises:
        InvalidValue: the value is not an array, or has arrays, objects, too many or too long items.
    """
    if type(value) is not list:
        if type(value) is dict:
            raise InvalidValue(Reason.OBJECT_NOT_ALLOWED, "An object where only values and arrays can be.")
        raise contradiction("array", value)
    return limited(value if _all_short(value) else texts(value), ARRAY_ITEMS)


def whole_or_change(value: Any, convert: Convert = strings) -> Any:
    """Return the converted array, or `{"$add": […], "$remove": […]}` without its empty parts.

    A change that adds and removes nothing becomes `SKIP`.

    Raises:
        InvalidValue: `convert` rejects an array, or an object that is not a change.
    """
    if type(value) is dict and value and CHANGES.issuperset(value):
        parts = {part: convert(items) for part, items in value.items() if items is not None}
        return {part: items for part, items in parts.items() if items} or SKIP
    return convert(value)


def _all_short(items: list[Any]) -> bool:
    """Return whether all items are certainly text that `text` returns unchanged: ASCII, short in total."""
    try:
        joined = "".join(items)
    except TypeError:
        return False
    return joined.isascii() and len(joined) <= STRING_LENGTH and all(items)


def texts(items: list[Any]) -> list[str]:
    """Return the items as text, without nulls and empty strings.

    Raises:
        InvalidValue: an item is an array, an object, too long or not a finite number.
    """
    return [item for item in map(_item, items) if item]


def limited(items: list[str], limit: int) -> list[str] | None:
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
