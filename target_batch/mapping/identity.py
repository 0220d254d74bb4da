"""The custom ID of a record, and the identity of an event across runs."""

from __future__ import annotations

from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_batch.common.limits import CUSTOM_ID_LENGTH
from target_batch.common.properties import split, value_at
from target_batch.common.reasons import Reason
from target_batch.mapping.converters import InvalidValue
from target_batch.mapping.converters.values import has_line_break
from target_batch.mapping.declared import is_whole, kind_of
from target_batch.mapping.times import own_time

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from target_batch.common.operations import ProfileUpdate

REFUSED_IDS = frozenset({
    "undefined", "null", "nil", "(null)", "[object object]", "true", "false", "nan", "infinity",
    "-infinity", "none",
})  # fmt: skip
"""Words, in any case, that indicate a lost value.

Batch's SDKs reject all of them but `none` [sdk]. Python programs write `None` for a missing ID: accepted as
an ID, it would merge everyone without one into a single profile.
"""

_LONGEST_REFUSED = max(map(len, REFUSED_IDS))
_EXACT_IN_A_FLOAT = 2**53


def custom_id(value: Any) -> str:
    """Return the Custom User ID: text without surrounding whitespace, whole numbers as digits.

    At most 512 characters [read]; case and inner whitespace are kept.

    Raises:
        InvalidValue: the custom ID is missing, or Batch would reject it.
    """
    if type(value) is int:
        return str(value) if -_EXACT_IN_A_FLOAT < value < _EXACT_IN_A_FLOAT else _digits(value)
    if type(value) is not str:
        return _digits(_whole(value))
    name = value.strip()
    if not name:
        raise InvalidValue(Reason.MISSING_CUSTOM_ID, "The custom ID is empty.")
    if len(name) <= _LONGEST_REFUSED:
        if name.lower() in REFUSED_IDS:
            raise _invalid("The custom ID is a word that stands for a lost value.")
    elif len(name) > CUSTOM_ID_LENGTH:
        raise _invalid(f"The custom ID is longer than {CUSTOM_ID_LENGTH} characters.")
    if not name.isprintable():
        _refuse_unprintable(name)
    return name


class Identity:
    """The location of the custom ID in a stream's records: a property, or a path inside an object."""

    def __init__(self, path: str, properties: Collection[str]) -> None:
        self.property, self._rest = split(path, properties)

    def of(self, record: Mapping[str, Any]) -> str:
        """Return the custom ID of a record.

        Raises:
            InvalidValue: the custom ID is missing, or Batch would reject it.
        """
        value = record.get(self.property)
        return custom_id(value if self._rest is None else value_at(value, self._rest))


def _whole(value: Any) -> int:
    if value is None:
        raise InvalidValue(Reason.MISSING_CUSTOM_ID, "The custom ID is missing.")
    if type(value) is Decimal and is_whole(value) and value.adjusted() < CUSTOM_ID_LENGTH:
        return int(value)
    if type(value) is float and value.is_integer() and abs(value) < _EXACT_IN_A_FLOAT:
        return int(value)
    raise _invalid(f"The custom ID is {kind_of(value)}, neither text nor a whole number.")


def _digits(value: int) -> str:
    if value.bit_length() > CUSTOM_ID_LENGTH * 3:
        raise _invalid(f"The custom ID is longer than {CUSTOM_ID_LENGTH} characters.")
    return str(value)


def _refuse_unprintable(name: str) -> None:
    if has_line_break(name):
        raise _invalid("The custom ID has a line break.")
    if "\0" in name:
        raise _invalid("The custom ID has a NUL character, which no PostgreSQL ledger can hold.")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise _invalid("The custom ID has no UTF-8 form.") from None


def _invalid(message: str) -> InvalidValue:
    return InvalidValue(Reason.INVALID_CUSTOM_ID, message)


OF_THE_PIPELINE: Final = ("_sdc_", "_batch_reject")
"""Prefixes of properties that a tap or this target adds; their values change each time a record is read."""

_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode


def event_identity(
    stream: str,
    keys: Sequence[str],
    time_names: tuple[str, ...],
    update: ProfileUpdate,
    record: Mapping[str, Any],
) -> bytes:
    """Return 16 bytes that are the same each time the same event is read.

    They are a hash of the stream, the custom ID, the event's name and own time, and the record's `keys` (the
    stream's key properties except the custom ID); without keys, or if one is null, of the whole record. The
    name and the time are included so that no event is lost if the key is not unique.
    """
    values = [record.get(key) for key in keys]
    if not values or None in values:
        rest = {name: value for name, value in record.items() if not name.startswith(OF_THE_PIPELINE)}
        values = [rest]
    name = update.events[0]["name"]
    _, time = own_time(record, time_names)
    return blake2b(_encode([stream, update.custom_id, name, time, values]), digest_size=16).digest()
