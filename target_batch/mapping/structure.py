"""What the express way of a plan is compiled to: a structure for msgspec, and the steps after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Optional

import msgspec

from target_batch.mapping.arrays import strings_or_change
from target_batch.mapping.columns import nothing
from target_batch.mapping.dates import utc
from target_batch.mapping.limits import ARRAY_ITEMS, STRING_LENGTH
from target_batch.mapping.natives import usual_email
from target_batch.mapping.phones import is_e164
from target_batch.mapping.values import boolean, integer, text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from typing import TypeAlias

    from target_batch.mapping.columns import Columns
    from target_batch.mapping.refusals import Convert

    Known: TypeAlias = Callable[[str], object]

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=STRING_LENGTH)]
_Texts = Annotated[list[_Text], msgspec.Meta(min_length=1, max_length=ARRAY_ITEMS)]

_PLAIN: dict[Convert, Any] = {
    text: Optional[_Text],  # noqa: UP045 - read by msgspec, which knows Python 3.10
    integer: int | None,
    boolean: bool | None,
    strings_or_change: Optional[_Texts],  # noqa: UP045 - same
}
"""Converter → the values that it returns as they are."""

_KNOWN: dict[str, Known] = {"$email_address": usual_email, "$phone_number": is_e164}
"""Native → the pattern of text that its converter returns as it is."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the columns of a plan are read in one go."""

    types: Mapping[str, Any]
    structure: type[msgspec.Struct]
    """Holds nothing; a record that converts to it has no surprise msgspec can see."""
    dropped: tuple[str, ...]
    """Properties that feed no attribute."""
    dates: tuple[tuple[str, str, bool, dict[str, None]], ...]
    """Property, key, whether msgspec has read it as a date, what a null writes."""
    steps: tuple[tuple[str, str, Known | None, Convert, dict[str, None]], ...]
    """What gets another key."""
    in_place: tuple[tuple[str, Convert, dict[str, None]], ...]
    """What keeps its name and is not sure to keep its value."""

    def surprising(self, record: Mapping[str, Any]) -> Iterator[str]:
        """Return the properties whose values are other than the structure says."""
        return (name for name, value in record.items() if not _passes(value, self.types.get(name, Any)))


def lay_out(columns: Columns, loose: Collection[str]) -> Layout | None:
    """Return the layout of the columns; the loose ones go through their converters.

    None where there is none: one step would write what another still has to read, or a property's
    name is more than msgspec takes.
    """
    types: dict[str, Any] = dict.fromkeys(columns, Any)
    dropped, moved = [], []
    dates, steps, in_place = [], [], []
    for name, (key, _, convert, on_null) in columns.items():
        plain = None if name in loose else _PLAIN.get(convert)
        if plain is not None:
            types[name] = plain
        if convert is nothing:
            dropped.append(name)
        elif convert is utc:
            types[name] = Any if name in loose else datetime | None
            moved.append(name)
            dates.append((name, key, name not in loose, on_null))
        elif key != name or not key:
            moved.append(name)
            known = _KNOWN.get(key) if columns.may_be_text(name) else None
            steps.append((name, key, known, _same if plain else convert, on_null))
        elif plain is None:
            in_place.append((name, convert, on_null))
    if _overlap(columns, moved):
        return None
    try:
        structure = _structure(types)
    except ValueError:
        return None
    return Layout(types, structure, tuple(dropped), tuple(dates), tuple(steps), tuple(in_place))


def _overlap(columns: Columns, moved: Collection[str]) -> bool:
    written = {key for name in moved for key in (*columns.targets(name), columns[name][0]) if key != name}
    return not written.isdisjoint(moved)


def _structure(types: Mapping[str, Any]) -> type[msgspec.Struct]:
    names = {f"f{place}": name for place, name in enumerate(types)}
    fields = [(field, types[name], msgspec.UNSET) for field, name in names.items()]
    return msgspec.defstruct("Record", fields, rename=names, forbid_unknown_fields=True, gc=False)


def _passes(value: Any, expected: Any) -> bool:
    try:
        msgspec.convert(value, expected)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return False
    return True


def _same(value: Any) -> Any:
    return value
