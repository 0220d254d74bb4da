"""What every plan has: the custom ID, marks of deletion, the guards before the mapping, warnings."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from target_batch.common.operations import Ignored, Rejected, spellings_of
from target_batch.common.reasons import Issue, Reason
from target_batch.common.words import letters, matching
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
        if not record.keys().isdisjoint(self.names) and any(_is_set(record.get(name)) for name in self.names):
            return True
        if self._by_words:  # without a SCHEMA, other spellings are known by each record only
            return any(letters(name) in _LETTERS and _is_set(record[name]) for name in record)
        return False


def _is_set(value: Any) -> bool:
    if type(value) is str:
        return value.strip().lower() not in _NOT_DELETED
    return value is not None and not (type(value) in {bool, int, float, Decimal} and not value)


DELETED = Ignored(Reason.DELETED_AT_SOURCE.code)


class Plan:
    """What becomes of the records of one stream under one SCHEMA; called with each of them.

    `custom_id` is where the custom ID stands, `notes` the warnings at the SCHEMA message,
    `rows` the plan in words, a line per property.
    """

    ignores_deleted = True
    """Whether a record that is deleted at the source asks for nothing."""

    makes_events = False
    """Whether an event may come of a record, which must not be sent twice."""

    columns: Columns
    """The steps of the properties that become attributes."""

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
        """Return what the record asks of Batch; `now` in seconds since 1970.

        The record is never changed, and never raises; what the operation holds may share the
        record's own arrays.
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
        """Return what a record of a known custom ID asks of Batch.

        Raises:
            InvalidValue: it cannot be sent at all.
        """
        raise NotImplementedError

    @property
    def not_attributes(self) -> dict[str, str]:
        """Property → what it is instead of an attribute, in every kind of stream."""
        marks = dict.fromkeys(self.deletion.announced, "the mark of a deleted record")
        return {**marks, self.custom_id.property: "the custom ID"}

    @property
    def identity(self) -> tuple[str, ...]:
        """The paths without which a record would mean another person, or another kind of thing."""
        return (self.route.custom_id,)

    @property
    def essential(self) -> frozenset[str]:
        """The top-level properties without which a record cannot be sent, or not truly."""
        return frozenset({self.custom_id.property, *self.deletion.names})

    @property
    def rows(self) -> tuple[PlanRow, ...]:
        """The plan in words, a line per property of the SCHEMA."""
        return tuple(self.columns.rows)

    def take_new_notes(self) -> tuple[str, ...]:
        """Return what arose since the last call, such as properties that the SCHEMA lacks."""
        if not self.columns.new_notes:
            return ()
        new_notes = tuple(self.columns.new_notes)
        self.columns.new_notes.clear()
        return new_notes

    def properties_of(self, attribute: str) -> tuple[str, ...]:
        """Return the source properties that feed a Batch attribute, as an API answer names it."""
        return self.columns.feeders(attribute)

    def sets(self, record: dict[str, Any]) -> frozenset[str]:
        """Return the names of the attributes that a record sets, with their type and without it."""
        attributes: dict[str, Any] = getattr(self(record, 0.0), "attributes", {})
        return spellings_of(attributes)

    def only_attribute(self, record: dict[str, Any]) -> str | None:  # noqa: ARG002
        """Return the attribute that a record sets, where that is all it asks for."""
        return None

    def identity_of(self, record: dict[str, Any]) -> str | None:
        """Return the custom ID of a record as Batch would get it, None if it has no usable one."""
        try:
            return self.custom_id.of(record)
        except InvalidValue:
            return None

    def _refused(self, record: dict[str, Any], invalid: InvalidValue) -> Rejected:  # noqa: ARG002
        """Return the fate of a record that cannot be sent at all."""
        return Rejected(
            (Issue(invalid.reason, invalid.where or self.route.custom_id, None, invalid.message),)
        )
