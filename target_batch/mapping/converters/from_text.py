"""Numbers and booleans that a tap sends as text, such as the columns of a CSV file."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from target_batch.common.reasons import Reason
from target_batch.mapping.conversion import InvalidValue
from target_batch.mapping.converters.values import integer, number
from target_batch.mapping.declared import zero_or_one

TRUE: Final = frozenset({"true", "t", "yes", "y", "on", "1"})
FALSE: Final = frozenset({"false", "f", "no", "n", "off", "0"})


def number_in_text(value: Any) -> Any:
    """Return the number that a text holds, with every digit; an empty text is None.

    Raises:
        InvalidValue: the text is not a decimal number, or Batch cannot hold it.
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
    """Return the whole number that a text holds (`7` and `7.0`); an empty text is None.

    Raises:
        InvalidValue: the text is not a whole number, or Batch cannot hold it.
    """
    found = number_in_text(value)
    return None if found is None else integer(found)


def boolean_in_text(value: Any) -> bool | None:
    """Return the boolean that a text, or 0 or 1, stands for; an empty text is None.

    Raises:
        InvalidValue: it stands for neither true nor false.
    """
    flag = zero_or_one(value)
    if flag is not None:
        return flag
    if type(value) is str:
        word = value.strip().lower()
        if not word:
            return None
        if word in TRUE or word in FALSE:
            return word in TRUE
    raise InvalidValue(Reason.INVALID_BOOLEAN, "The value stands for neither true nor false.")
