"""The express way for records without surprises: msgspec reads them, straight into typed fields.

What C code can check while it reads, it checks: types, lengths, calendar dates. Most values then
only move under Batch's name; what Batch wants in another form is touched one by one. The first
surprise sends the whole record the careful way (`filling.fill`), which alone refuses anything; both
ways give the same attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_batch.mapping.refusals import Partly, Unfit
from target_batch.mapping.structure import lay_out

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_batch.common.operations import ProfileUpdate
    from target_batch.mapping.columns import Columns
    from target_batch.mapping.identity import Identity

SURPRISES: Final = (msgspec.DecodeError, Unfit, Partly, UnicodeError, RecursionError, ArithmeticError)
"""What says that a record has to go the careful way."""

_MOST_SURPRISES = 40
"""After so many records that surprised in a new way the careful way is taken at once."""


class Express:
    """The express way of one plan; it learns which columns surprise and looks at those with care."""

    def __init__(self, columns: Columns, schema: Mapping[str, Any], identity: Identity, empty: str) -> None:
        self._columns = columns
        self._given = schema, identity, empty
        self._loose: set[str] = set()
        self._surprises = 0
        self.layout = lay_out(columns, *self._given, self._loose)

    def attempt(self, record: dict[str, Any]) -> ProfileUpdate | None:
        """Return what a decoded record asks of Batch, None where it must go the careful way."""
        if self.layout is None:
            return None
        try:
            return self.layout.update(msgspec.convert(record, self.layout.record))
        except SURPRISES:
            return None

    def learn(self, record: dict[str, Any]) -> ProfileUpdate | None:
        """Look at a record that went the careful way without a fault: what would surprise again?

        Return what the express way makes of it now, so that equal records give equal bytes; None
        where there is no such way for it.
        """
        if self.layout is None:
            return None
        self._surprises += 1
        if self._surprises > _MOST_SURPRISES or self._columns.contested:
            self.layout = None
            return None
        self._loose.update(self.layout.surprising(record))
        self.layout = lay_out(self._columns, *self._given, self._loose)
        return self.attempt(record)
