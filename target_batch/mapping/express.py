"""The express way for records without surprises: their plain values are checked in C, all at once.

msgspec holds the record against a structure compiled from the plan. What passes is copied as it
stands, and only what Batch wants in another form is touched one by one. The first surprise sends
the whole record the careful way (`filling.fill`), which alone refuses anything; both ways give the
same attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_batch.mapping.dates import LONGEST_CANONICAL, in_utc, utc
from target_batch.mapping.refusals import SKIP, Partly, Unfit
from target_batch.mapping.structure import Layout, lay_out

if TYPE_CHECKING:
    from target_batch.mapping.columns import Columns

_MOST_SURPRISES = 40
"""After so many records that surprised in a new way the careful way is taken at once."""

_ABSENT = object()


class Express:
    """The express way of one plan; it learns which columns surprise and stops checking them."""

    __slots__ = ("_columns", "_keeps_nulls", "_layout", "_loose", "_surprises")

    def __init__(self, columns: Columns, *, keeps_nulls: bool) -> None:
        self._columns = columns
        self._keeps_nulls = keeps_nulls
        self._loose: set[str] = set()
        self._surprises = 0
        self._layout: Layout | None = lay_out(columns, self._loose)

    def attributes(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """Return the attributes of a record, None where it must go the careful way."""
        layout = self._layout
        if layout is None:
            return None
        try:
            msgspec.convert(record, layout.structure)
            found = record.copy()
            for name in layout.dropped:
                found.pop(name, None)
            _date(layout, found)
            _respell(layout, found)
            if layout.in_place:
                _correct(layout, found)
        except (msgspec.ValidationError, Unfit, Partly, UnicodeEncodeError):
            return None
        if not self._keeps_nulls and None in found.values():
            return {key: value for key, value in found.items() if value is not None}
        return found

    def learn(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """Look at a record that went the careful way without a fault: what would surprise again?

        Return its attributes in the order of this way, so that equal records give equal bytes;
        None where there is no such way for it.
        """
        if self._layout is None:
            return None
        self._surprises += 1
        if self._surprises > _MOST_SURPRISES or self._columns.contested:
            self._layout = None
            return None
        self._loose.update(self._layout.surprising(record))
        self._layout = lay_out(self._columns, self._loose)
        return self.attributes(record)


def _date(layout: Layout, found: dict[str, Any]) -> None:
    """Put the dates under Batch's key, in its spelling."""
    take = found.pop
    for name, key, checked, on_null in layout.dates:
        value = take(name, _ABSENT)
        usual = checked and type(value) is str and value[-1] == "Z" and value[10] == "T"
        if usual and len(value) <= LONGEST_CANONICAL:
            found[key] = value
        elif value is not _ABSENT:
            fit = None if value is None else (in_utc if checked else utc)(value)
            if fit is None:
                found.update(on_null)
            else:
                found[key] = fit


def _respell(layout: Layout, found: dict[str, Any]) -> None:
    """Put what Batch wants under another key there, in the form it wants."""
    take = found.pop
    for name, key, known, convert, on_null in layout.steps:
        value = take(name, _ABSENT)
        if known and type(value) is str and known(value):
            found[key] = value
        elif value is not _ABSENT:
            fit = None if value is None else convert(value)
            if fit is None:
                found.update(on_null)
            elif not key:
                found.update(fit)
            elif fit is not SKIP:
                found[key] = fit


def _correct(layout: Layout, found: dict[str, Any]) -> None:
    """Convert the values that keep their place among those that need nothing."""
    for name, convert, on_null in layout.in_place:
        value = found.get(name)
        if value is not None:
            fit = convert(value)
            if fit is SKIP or (fit is None and not on_null):
                del found[name]
            else:
                found[name] = fit
