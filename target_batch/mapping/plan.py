"""The base of all plans: the custom ID, deletion marks, checks before the mapping, and warnings."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from target_batch.common.operations import Ignored, Rejected, spellings_of
from target_batch.common.properties import letters, matching
from target_batch.common.reasons import Issue, Reason
from target_batch.mapping.converters import InvalidValue
from target_batch.mapping.declared import Schema
from target_batch.mapping.identity import Identity
from target_batch.mapping.times import Replay, time_names

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from target_batch.common.operations import Operation
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings
    from target_batch.mapping.columns import Columns
    from target_batch.mapping.names import PlanRow

DELETED_AT: Final = "_sdc_deleted_at"
MARKS: Final = (DELETED_AT, "_sdc_lsn_deleted_at", "_ab_cdc_deleted_at", "_fivetran_deleted")
"""The deletion marks of Singer taps, Airbyte and Fivetran."""

_NOT_DELETED: Final = frozenset({"", "0", "f", "false", "n", "no"})
_LETTERS: Final = frozenset(map(letters, MARKS))


class DeletionMarks:
    """The properties that mark a record as deleted: the option `deleted_at` and the common ones."""

    def __init__(self, chosen: str | None, properties: Collection[str]) -> None:
        known = [*matching(MARKS, properties), *([chosen] if chosen else [])]
        self.announced: frozenset[str] = frozenset(known)
        """The marks in the SCHEMA, and the option."""
        self.names: tuple[str, ...] = tuple(dict.fromkeys((*known, *MARKS)))
        """All marks checked in a record."""
        self._by_words = not properties

    def on(self, record: Mapping[str, Any]) -> bool:
        """Return whether one of the marks is set, to a time or true; empty and false do not count."""
        if not record.keys().isdisjoint(self.names) and any(_is_set(record.get(name)) for name in self.names):
            return True
        if self._by_words:  # without a SCHEMA, other spellings are found only in the record
            return any(letters(name) in _LETTERS and _is_set(record[name]) for name in record)
        return False


def _is_set(value: Any) -> bool:
    if type(value) is str:
        return value.strip().lower() not in _NOT_DELETED
    return value is not None and not (type(value) in {bool, int, float, Decimal} and not value)


DELETED = Ignored(Reason.DELETED_AT_SOURCE.code)


class Plan:
    """The mapping of a stream's records under one SCHEMA; called with each record.

    `custom_id` locates the custom ID, `notes` are the warnings for the SCHEMA message, and
    `rows` describe the plan, one line per property.
    """

    ignores_deleted = True
    """Whether records deleted at the source are ignored."""

    makes_events = False
    """Whether a record may become an event, which must not be sent twice."""

    columns: Columns
    """The columns of the properties that become attributes."""

    def __init__(self, route: Route, schema: Mapping[str, Any], settings: Settings) -> None:
        self.schema = Schema(schema, typed=settings.validate_records)
        self.properties: Mapping[str, Any] = self.schema.properties
        self.route = route
        self.settings = settings
        self.custom_id = Identity(route.custom_id, self.properties)
        self.deletion = DeletionMarks(route.options.deleted_at, self.properties)
        self.time_names = time_names(route.options.time, self.properties)
        self._replay = Replay(settings.replay) if settings.replay else None
        self.notes: tuple[str, ...] = ()

    def __call__(self, record: dict[str, Any], now: float) -> Operation:
        """Return the operation for a record; `now` is in seconds since 1970.

        An invalid record does not raise: it is returned as `Rejected`. The record is never changed,
        but the operation may share its arrays.
        """
        if self.ignores_deleted and self.deletion.on(record):
            return DELETED
        if self._replay is not None:
            verdict = self._replay.verdict(record, self.time_names)
            if verdict is not None:
                return verdict
        try:
            return self.map(record, self.custom_id.of(record), now)
        except InvalidValue as invalid:
            return self._refused(record, invalid)

    def map(self, record: dict[str, Any], identity: str, now: float) -> Operation:
        """Return the operation for a record with a valid custom ID.

        Raises:
            InvalidValue: the record cannot be sent at all.
        """
        raise NotImplementedError

    @property
    def not_attributes(self) -> dict[str, str]:
        """Property → its role, for properties that are not attributes in any kind of stream."""
        marks = dict.fromkeys(self.deletion.announced, "the mark of a deleted record")
        return {**marks, self.custom_id.property: "the custom ID"}

    @property
    def identity(self) -> tuple[str, ...]:
        """The paths without which a record would refer to another person or mean something else."""
        return (self.route.custom_id,)

    @property
    def essential(self) -> frozenset[str]:
        """The top-level properties without which a record cannot be sent, or not correctly."""
        return frozenset({self.custom_id.property, *self.deletion.names})

    @property
    def rows(self) -> tuple[PlanRow, ...]:
        """The plan in words, one line per property of the SCHEMA."""
        return tuple(self.columns.rows)

    def take_new_notes(self) -> tuple[str, ...]:
        """Return the notes since the last call, such as on properties missing from the SCHEMA."""
        if not self.columns.new_notes:
            return ()
        new_notes = tuple(self.columns.new_notes)
        self.columns.new_notes.clear()
        return new_notes

    def properties_of(self, attribute: str) -> tuple[str, ...]:
        """Return the source properties that feed a Batch attribute, named as in an API response."""
        return self.columns.feeders(attribute)

    def sets(self, record: dict[str, Any]) -> frozenset[str]:
        """Return the attributes that a record sets, with and without `date()` or `url()` around the name."""
        attributes: dict[str, Any] = getattr(self(record, 0.0), "attributes", {})
        return spellings_of(attributes)

    def only_attribute(self, record: dict[str, Any]) -> str | None:  # noqa: ARG002
        """Return the attribute that a record sets, if the record does nothing else."""
        return None

    def identity_of(self, record: dict[str, Any]) -> str | None:
        """Return the custom ID of a record as sent to Batch, or None if it has no valid one."""
        try:
            return self.custom_id.of(record)
        except InvalidValue:
            return None

    def _refused(self, record: dict[str, Any], invalid: InvalidValue) -> Rejected:  # noqa: ARG002
        """Return the rejection of a record that cannot be sent at all."""
        return Rejected(
            (Issue(invalid.reason, invalid.where or self.route.custom_id, None, invalid.message),)
        )
