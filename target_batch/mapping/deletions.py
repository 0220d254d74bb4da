"""Whether a record is marked as deleted at its source."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from target_batch.common.words import letters, matching

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

DELETED_AT: Final = "_sdc_deleted_at"
MARKS: Final = (DELETED_AT, "_sdc_lsn_deleted_at", "_ab_cdc_deleted_at", "_fivetran_deleted")
"""The marks that Singer taps, Airbyte and Fivetran leave."""

_NOT_DELETED: Final = frozenset({"", "0", "f", "false", "n", "no"})
_LETTERS: Final = frozenset(map(letters, MARKS))


class DeletionMarks:
    """The properties that mark a record as deleted: the option `deleted_at`, and the usual ones."""

    def __init__(self, chosen: str | None, properties: Collection[str]) -> None:
        known = [*matching(MARKS, properties), *([chosen] if chosen else [])]
        self.announced: frozenset[str] = frozenset(known)
        """Those that the SCHEMA has."""
        self.names: tuple[str, ...] = tuple(dict.fromkeys((*known, *MARKS)))
        """All that are looked at in a record."""
        self._by_words = not properties

    def on(self, record: Mapping[str, Any]) -> bool:
        """Tell whether one of the marks is set: a time, or true; empty and false are not."""
        for name in self.names:
            value = record.get(name)
            if value is not None and _is_set(value):
                return True
        if self._by_words:  # without a SCHEMA, other spellings are known by each record only
            return any(letters(name) in _LETTERS and _is_set(record[name]) for name in record)
        return False


def _is_set(value: Any) -> bool:
    if type(value) is str:
        return value.strip().lower() not in _NOT_DELETED
    return value is not None and not (type(value) in {bool, int, float, Decimal} and not value)
