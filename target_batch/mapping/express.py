"""The express way for records without surprises: their plain values are checked in C, all at once.

msgspec holds the record against a structure compiled from the plan. What passes is copied as it
stands and only what Batch wants in another form is touched one by one. The first surprise sends
the whole record the careful way (`filling.fill`), which alone refuses anything; both ways give the
same attributes.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Optional

import msgspec

from target_batch.mapping.arrays import strings_or_change
from target_batch.mapping.columns import nothing
from target_batch.mapping.dates import spelled_canonically, utc
from target_batch.mapping.limits import ARRAY_ITEMS, STRING_LENGTH
from target_batch.mapping.refusals import SKIP, Partly, Unfit
from target_batch.mapping.values import boolean, integer, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_batch.mapping.columns import Columns
    from target_batch.mapping.refusals import Convert

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=STRING_LENGTH)]
_Texts = Annotated[list[_Text], msgspec.Meta(min_length=1, max_length=ARRAY_ITEMS)]

_PLAIN: dict[Convert, Any] = {
    text: _Text,
    integer: int,
    boolean: bool,
    strings_or_change: _Texts,
}
"""Converters that return these values as they are."""

_MOST_SURPRISES = 40
"""After so many loosened columns or structures the careful way is taken at once."""


class Express:
    """The express way of one plan; it learns which columns surprise and stops checking them."""

    __slots__ = (
        "_columns", "_dropped", "_keeps_nulls", "_loose", "_steps", "_structure", "_surprises",
        "_types",
    )  # fmt: skip

    def __init__(self, columns: Columns, *, keeps_nulls: bool) -> None:
        self._columns = columns
        self._keeps_nulls = keeps_nulls
        self._loose: set[str] = set()
        self._surprises = 0
        self._compile()

    def attributes(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """Return the attributes of a record, None where it must go the careful way."""
        if self._structure is None:
            return None
        try:
            msgspec.convert(record, self._structure)
            found = record.copy()
            for name in self._dropped:
                if name in found:
                    del found[name]
            for name, key, convert, on_null in self._steps:
                if name in found:
                    value = found.pop(name)
                    fit = None if value is None else convert(value)
                    if fit is None:
                        found.update(on_null)
                    elif not key:
                        found.update(fit)
                    elif fit is not SKIP:
                        found[key] = fit
        except (msgspec.ValidationError, Unfit, Partly, UnicodeEncodeError):
            return None
        if not self._keeps_nulls and None in found.values():
            return {key: value for key, value in found.items() if value is not None}
        return found

    def learn(self, record: Mapping[str, Any], *, faultless: bool) -> None:
        """Look at a record that went the careful way: what of it would surprise again?"""
        if self._structure is None or not faultless:
            return
        self._surprises += 1
        if self._surprises > _MOST_SURPRISES or self._columns.contested:
            self._structure = None
            return
        self._loose.update(
            name for name, value in record.items() if not _passes(value, self._types.get(name))
        )
        self._compile()

    def _compile(self) -> None:
        self._types: dict[str, Any] = {}
        self._dropped: list[str] = []
        self._steps: list[tuple[str, str, Convert, dict[str, None]]] = []
        for name, (key, _, convert, on_null) in self._columns.items():
            plain = None if name in self._loose else _PLAIN.get(convert)
            self._types[name] = Any if plain is None else Optional[plain]
            if convert is nothing:
                self._dropped.append(name)
            elif convert is utc and name not in self._loose:
                self._types[name] = Optional[datetime]
                self._steps.append((name, key, spelled_canonically, on_null))
            elif plain is None:
                self._steps.append((name, key, convert, on_null))
            elif key != name:
                self._steps.append((name, key, _same, on_null))
        self._structure = None if self._overlaps() else _structure(self._types)

    def _overlaps(self) -> bool:
        """Tell whether one step would write where another still has to read."""
        read = {name for name, *_ in self._steps}
        return any(
            wanted != name and wanted in read
            for name, key, *_ in self._steps
            for wanted in ((key,) if key else self._columns.targets(name))
        )


def _structure(types: Mapping[str, Any]) -> type[msgspec.Struct]:
    names = {f"f{place}": name for place, name in enumerate(types)}
    fields = [(field, types[name], msgspec.UNSET) for field, name in names.items()]
    return msgspec.defstruct(
        "Record", fields, rename=names, forbid_unknown_fields=True, gc=False
    )


def _passes(value: Any, expected: Any) -> bool:
    try:
        msgspec.convert(value, expected)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return False
    return True


def _same(value: Any) -> Any:
    return value
