"""What the express way of a plan is compiled to: the structures it reads and writes, and its steps.

A record is read into one structure, the custom ID first, then what is sent, then what is not; the
other one has the columns that are sent, under Batch's names. So most values only move.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Optional, get_args, get_origin

import msgspec
from msgspec import UNSET

from target_batch.common.limits import (
    ARRAY_ITEMS,
    ARRAYS_PER_PROFILE,
    ATTRIBUTES_PER_ENTRY,
    STRING_LENGTH,
)
from target_batch.mapping.columns import nothing
from target_batch.mapping.converters.arrays import strings_or_change
from target_batch.mapping.converters.dates import utc
from target_batch.mapping.converters.phones import is_e164
from target_batch.mapping.converters.values import boolean, integer, number, text
from target_batch.mapping.exact import admits, alternatives, exact_type, is_plain
from target_batch.mapping.natives import usual_email
from target_batch.mapping.unrolled import Step, Unrolled

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from target_batch.mapping.columns import Columns
    from target_batch.mapping.identity import Identity
    from target_batch.mapping.refusals import Convert
    from target_batch.mapping.unrolled import Known, Update

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=STRING_LENGTH)]
_Texts = Annotated[list[_Text], msgspec.Meta(min_length=1, max_length=ARRAY_ITEMS)]
_Day = Annotated[str, msgspec.Meta(min_length=10, max_length=10)]

_PLAIN: dict[Convert, Any] = {text: _Text, integer: int, boolean: bool, strings_or_change: _Texts}
"""Converter → the values that it returns as they are."""

_KNOWN: dict[str, Known] = {"$email_address": usual_email, "$phone_number": is_e164}
"""Native → the pattern of text that its converter returns as it is."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the columns of a plan are read in one go."""

    record: type[msgspec.Struct]
    """What a record without surprises can be read into."""
    update: Update
    """What makes an update of such a record."""
    vouches: bool
    """Whether a record that fits is valid by its SCHEMA."""
    bounded: bool
    """Whether no record can hold more attributes than one entry takes."""
    types: Mapping[str, Any]
    """Property → the values that are no surprise."""

    def surprising(self, record: Mapping[str, Any]) -> list[str]:
        """Return the properties whose values are other than the structure says."""
        return [name for name, value in record.items() if not _passes(value, self.types.get(name, Any))]


def lay_out(
    columns: Columns, schema: Mapping[str, Any], identity: Identity, empty: str, loose: Collection[str]
) -> Layout | None:
    """Return the layout of the columns; the loose ones go through their converters.

    `empty` is a property whose value would be a surprise; an empty `schema` is one that nobody
    validates. None where there is no layout: a property's name, or a mix of types, is more than
    msgspec takes, or one is both read for itself and sent where the SCHEMA announces no column.
    """
    mapped = columns.scope.mapping
    if mapped.get(empty) or (mapped.get(identity.property) and identity.property not in columns):
        return None
    try:
        layout = _Draft(columns, schema, empty, loose).layout(identity)
        msgspec.json.Decoder(layout.record)  # looks at the types, which making them does not
    except (ValueError, TypeError):
        return None
    return layout


class _Draft:
    """The layout while it is being made."""

    def __init__(
        self, columns: Columns, schema: Mapping[str, Any], empty: str, loose: Collection[str]
    ) -> None:
        self._columns = columns
        self._properties: Mapping[str, Any] = schema.get("properties") or {}
        self._required = frozenset(schema.get("required") or ())
        self._empty = empty
        self._loose = loose
        self._vouches = is_plain(schema)
        self._keys: list[str] = []
        self._more: list[str] = []
        self._steps = Unrolled()

    def layout(self, identity: Identity) -> Layout:
        """Return the layout, all columns placed."""
        holder = identity.property
        sent = [name for name in self._columns if self._columns.targets(name)]
        sent.sort(key=lambda name: name != holder)
        before = holder not in sent
        types = {holder: self._unsent(holder, is_kept=True)} if before else {}
        types |= {name: self._place(name, field) for field, name in enumerate(sent, start=before)}
        types |= {name: self._unsent(name) for name in (*self._columns, self._empty) if name not in types}
        return Layout(
            record=_structure("Record", types, types, self._required),
            update=self._steps.function(identity.quick, _structure("Attributes", (*self._keys, *self._more))),
            vouches=self._vouches and self._required <= self._properties.keys(),
            bounded=self._is_bounded(sent),
            types=types,
        )

    def _said(self, name: str) -> Any:
        """Return the values that the SCHEMA allows a property, as a type."""
        exact = exact_type(self._properties.get(name, {}))
        self._vouches &= exact is not NotImplemented
        return exact

    def _unsent(self, name: str, *, is_kept: bool = False) -> Any:
        """Return the type of a property that becomes no attribute."""
        said = self._said(name)
        if not is_kept and (name == self._empty or self._columns[name][2] is not nothing):
            self._vouches &= admits(said, NoneType)
            return None
        if name in self._loose or said is NotImplemented or (is_kept and admits(said, float)):
            self._vouches &= said is Any
            return Any
        return said

    def _place(self, name: str, field: int) -> Any:
        """Give a column its step, and return the type of its values."""
        key, _, convert, on_null = self._columns[name]
        said = self._said(name)
        nullable = admits(said, NoneType)
        if said is Any and self._columns.is_text(name):
            said = str | None
        step = Step(convert, None if on_null else UNSET, not nullable)
        names = self._columns.targets(name)
        self._keys.append(key or names[0])
        if name not in self._loose and (quick := self._quick(name, said, field, step)) is not None:
            return Optional[quick] if nullable else quick  # noqa: UP045 - read on Python 3.10 too
        if not key:
            self._steps.spread(field, step, names, is_text=said in {str, str | None})
            self._more += names[1:]
        elif key in _KNOWN and said is not NotImplemented and self._columns.may_be_text(name):
            self._steps.check(field, _KNOWN[key], step)
        elif convert is number:
            self._steps.check_number(field, step)
        else:
            self._steps.convert(field, step)
        by_hand = admits(said, float) or (name in self._loose and admits(said, int))
        return Any if said is NotImplemented or by_hand else said

    def _quick(self, name: str, said: Any, field: int, step: Step) -> Any:
        """Return the type of the values that move as they are, None if that cannot be told."""
        drops_null = step.null is UNSET
        if step.convert is utc and admits(said, str):
            if self._columns.is_day(name):
                self._steps.move_day(field, drops_null=drops_null)
                return _Day
            self._steps.move_moment(field, drops_null=drops_null)
            return datetime
        plain = _PLAIN.get(step.convert)
        if plain is None or (plain is _Texts and not _holds_text(said)):
            return None
        self._steps.move(field, drops_null=drops_null)
        return plain

    def _is_bounded(self, sent: Collection[str]) -> bool:
        arrays = sum(self._columns.may_be_array(name) for name in sent)
        attributes = len(self._keys) + len(self._more)
        return attributes <= ATTRIBUTES_PER_ENTRY and min(arrays, attributes) <= ARRAYS_PER_PROFILE


def _holds_text(said: Any) -> bool:
    arrays = [kind for kind in alternatives(said) if get_origin(kind) is list]
    return said is Any or any(admits(get_args(array)[0], str) for array in arrays)


def _structure(
    title: str, names: Iterable[str], types: Mapping[str, Any] | None = None, required: Collection[str] = ()
) -> type[msgspec.Struct]:
    """Return a structure with a field for each name, in their order."""
    renamed = {f"f{place}": name for place, name in enumerate(names)}
    fields = [
        (field, types[name] if types else Any, msgspec.NODEFAULT if name in required else UNSET)
        for field, name in renamed.items()
    ]
    return msgspec.defstruct(
        title, fields, rename=renamed, forbid_unknown_fields=True, kw_only=bool(required), gc=False
    )


def _passes(value: Any, expected: Any) -> bool:
    try:
        msgspec.convert(value, expected)
    except (ValueError, msgspec.ValidationError, RecursionError):  # no UTF-8 form, a signalling NaN
        return False
    return True
