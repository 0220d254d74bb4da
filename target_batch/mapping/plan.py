"""The base of all plans: checks before the mapping, rules for names, the identity of events, and warnings."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from target_batch.common.operations import Rejected, spellings_of
from target_batch.common.reasons import Issue
from target_batch.mapping import natives
from target_batch.mapping.declared import Schema
from target_batch.mapping.names import Container, is_bookkeeping, segment_event_name, segment_name, snake_case
from target_batch.mapping.record import DELETED, DeletionMarks, Identity, Replay, own_time, time_names
from target_batch.mapping.values import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_batch.common.operations import Operation, ProfileUpdate
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings
    from target_batch.mapping.columns import Columns
    from target_batch.mapping.names import PlanRow

_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode


class Plan:
    """The mapping of a stream's records under one SCHEMA; called with each record.

    `custom_id` locates the custom ID, `rules` are what all kinds have in common in naming properties,
    `notes` are the warnings for the SCHEMA message, and `rows` describe the plan, one line per property.
    """

    ignores_deleted = True
    """Whether records deleted at the source are ignored."""

    makes_events = False
    """Whether a record may become an event, which must not be sent twice."""

    deciding: tuple[str, ...] = ()
    """Properties, besides the custom ID, that decide what a record means."""

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
        self.late_as_now = settings.late_events == "now"
        self.names_as_segment = settings.attribute_naming == "segment"
        self.event_naming = segment_event_name if self.names_as_segment else snake_case
        self.rules = Container(
            stream=route.stream,
            naming=segment_name if self.names_as_segment else snake_case,
            mapping=route.options.attributes,
            only_mapped=route.options.only_mapped,
            muted=frozenset(natives.CONSENTS if settings.consent == "ignore" else ()),
        )
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
            return self._rejected(record, invalid)

    def map(self, record: dict[str, Any], custom_id: str, now: float) -> Operation:
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
    def identifying_paths(self) -> tuple[str, ...]:
        """The paths without which a record would refer to another person or mean something else."""
        return (self.route.custom_id, *self.deciding, *self.deletion.names)

    @property
    def essential(self) -> frozenset[str]:
        """The top-level properties without which a record cannot be sent, or not correctly."""
        return frozenset({self.custom_id.property, *self.deciding, *self.deletion.names})

    @property
    def rows(self) -> tuple[PlanRow, ...]:
        """The plan in words, one line per property of the SCHEMA."""
        return tuple(self.columns.rows)

    def take_new_notes(self) -> tuple[str, ...]:
        """Return the notes since the last call, such as on properties missing from the SCHEMA."""
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

    def custom_id_of(self, record: dict[str, Any]) -> str | None:
        """Return the custom ID of a record as sent to Batch, or None if it has no valid one."""
        try:
            return self.custom_id.of(record)
        except InvalidValue:
            return None

    def event_identity(self, update: ProfileUpdate, record: Mapping[str, Any], keys: Iterable[str]) -> bytes:
        """Return 16 bytes that are the same each time the same event is read.

        They are a hash of the stream, the custom ID, the event's name and own time, and the record's `keys`
        except the custom ID; without keys, or if one is null, of the whole record. The name and the time are
        included so that no event is lost if the key is not unique.
        """
        values: list[Any] = [record.get(key) for key in keys if key != self.custom_id.property]
        if not values or None in values:
            values = [{name: value for name, value in record.items() if not is_bookkeeping(name)}]
        name = update.events[0]["name"]
        _, time = own_time(record, self.time_names)
        identity = _encode([self.route.stream, update.custom_id, name, time, values])
        return blake2b(identity, digest_size=16).digest()

    def _rejected(self, record: dict[str, Any], invalid: InvalidValue) -> Rejected:  # noqa: ARG002
        """Return the rejection of a record that cannot be sent at all."""
        return Rejected(
            (Issue(invalid.reason, invalid.where or self.route.custom_id, None, invalid.message),)
        )
