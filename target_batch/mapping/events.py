"""Plan for `events` streams: a flat record becomes one event in a profile update."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_batch.common.errors import ConfigurationError
from target_batch.common.limits import EVENT_ATTRIBUTES, EVENT_BYTES
from target_batch.common.operations import ProfileUpdate
from target_batch.common.properties import find, shown
from target_batch.common.reasons import Reason
from target_batch.common.redaction import clean
from target_batch.mapping.application import cut, fill
from target_batch.mapping.columns import Columns
from target_batch.mapping.converters import InvalidValue
from target_batch.mapping.declared import kind_of
from target_batch.mapping.names import Container, attribute_namer, event_namer, is_name
from target_batch.mapping.objects import RESERVED, EventDialect
from target_batch.mapping.plan import Plan
from target_batch.mapping.schema_notes import notes, surplus
from target_batch.mapping.times import FLAT_NAMES, event_time, own_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_batch.common.operations import Operation
    from target_batch.common.reasons import Issue
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings

DEFAULT_NAME_PROPERTIES = ("event", "event_name")

_encode = msgspec.json.Encoder(decimal_format="number").encode
_SURELY_SMALL = 3_500
"""Up to this many characters are always within the limit: JSON needs at most 6 bytes for each."""
_SMALL_INTEGER = 64


class EventPlan(Plan):
    """The plan of an `events` stream."""

    makes_events = True

    def __init__(self, route: Route, schema: Mapping[str, Any], settings: Settings) -> None:
        super().__init__(route, schema, settings)
        self._name_of = event_namer(settings.attribute_naming)
        self._late_as_now = settings.late_events == "now"
        self._fixed, self._name_property = self._find_name()
        excluded = self.not_attributes
        if self._name_property:
            excluded[self._name_property] = "the event's name"
        self._time_is_known = self.time_names is not FLAT_NAMES
        if self.properties and not (self._time_is_known or self._late_as_now):
            raise _without_time(route.stream, [name for name in self.properties if name not in excluded])
        if self._time_is_known:
            excluded[self.time_names[0]] = "the event's time"
        container = Container(
            stream=route.stream,
            naming=attribute_namer(settings.attribute_naming),
            mapping=route.options.attributes,
            only_mapped=route.options.only_mapped,
            excluded=excluded,
            reserved=RESERVED,
        )
        self.columns = Columns(
            container, EventDialect(route.stream, container.naming, self.schema), self.properties, self.schema
        )
        self.notes = (
            *notes(self.columns),
            *surplus(self.columns, EVENT_ATTRIBUTES, RESERVED),
            *self._own_notes(),
        )

    @property
    def essential(self) -> frozenset[str]:
        """Also the event's name and its time; without a time, Batch would date the event now."""
        return super().essential | {self._name_property, *self.time_names}

    def map(self, record: dict[str, Any], identity: str, now: float) -> Operation:
        """Return a profile update with the record's event."""
        name = self._fixed or self._named(record)
        time = event_time(record, self.time_names, now, late_as_now=self._late_as_now)
        if not self._time_is_known:
            used, _ = own_time(record, self.time_names)
            record = {key: value for key, value in record.items() if key != used}
        event, issues = build(self.columns, record, name, time)
        return ProfileUpdate(identity, {}, [event], tuple(issues))

    def _named(self, record: Mapping[str, Any]) -> str:
        name = self._name_property
        if not self.properties and name not in record:
            name = find(DEFAULT_NAME_PROPERTIES, record) or name
        return event_name(record.get(name), name, self._name_of)

    def _find_name(self) -> tuple[str, str]:
        """Return the fixed name and the property that holds the name; one of the two is empty."""
        options = self.route.options
        if options.event is not None:
            return self._checked("event", options.event), ""
        if options.event_property:
            return "", options.event_property
        if not self.properties:
            return "", DEFAULT_NAME_PROPERTIES[0]
        if name := find(DEFAULT_NAME_PROPERTIES, self.properties):
            return "", name
        return self._checked("event_property", self.route.stream), ""

    def _checked(self, option: str, text: str) -> str:
        name = self._name_of(text)
        if not is_name(name):
            raise ConfigurationError(
                f"Stream '{self.route.stream}': its name cannot be made a valid event name (1 to 30 of a-z, "
                f"0-9 and _). Set `streams.{self.route.stream}.{option}`."
            )
        return name

    def _own_notes(self) -> Iterator[str]:
        chosen = self.route.options.event or self.route.options.event_property
        if self._fixed and not chosen:
            yield (
                f"No property holds the event's name: every event is named `{self._fixed}` after "
                "the stream. Set `event` or `event_property` to change it."
            )
        if not self._time_is_known and self.properties:
            yield (
                "No property is known to hold the event's time: Batch dates every event by its arrival "
                "(`late_events` is `now`). Set the stream's `time` to send it."
            )


def _without_time(stream: str, candidates: list[str]) -> ConfigurationError:
    listed = ", ".join(map(shown, candidates[:40]))
    return ConfigurationError(
        f"Stream '{clean(stream, 60)}': no property is known to hold an event's time. Without it Batch would "
        "date every event now, and automations might message people for what happened long ago. Set "
        f"`streams.{clean(stream, 60)}.time` to one of: {listed}; or set `late_events: now` to accept that."
    )


def event_name(value: Any, where: str, naming: Callable[[str], str]) -> str:
    """Return the name of an event as Batch accepts it.

    Raises:
        InvalidValue: the name is missing, or cannot be made valid.
    """
    if value is None or value == "":
        raise InvalidValue(Reason.MISSING_EVENT_NAME, "The event has no name.", where)
    if type(value) is not str:
        message = f"The event's name is {kind_of(value)}, not text."
        raise InvalidValue(Reason.INVALID_EVENT_NAME, message, where)
    name = naming(value)
    if not is_name(name):
        raise InvalidValue(Reason.INVALID_EVENT_NAME, "The name cannot be made a valid event name.", where)
    return name


def build(
    columns: Columns, container: Mapping[str, Any], name: str, time: str | None
) -> tuple[dict[str, Any], list[Issue]]:
    """Return the event as Batch accepts it, and the issues of values that cannot be sent.

    Raises:
        InvalidValue: the event is larger than 25 kB [read].
    """
    attributes: dict[str, Any] = {}
    issues = fill(columns, container, attributes)
    if len(attributes) > EVENT_ATTRIBUTES:
        counted = [key for key in attributes if key not in RESERVED]
        issues += cut(columns, container, attributes, EVENT_ATTRIBUTES, among=counted)
    event: dict[str, Any] = {"name": name}
    if time is not None:
        event["time"] = time
    if attributes:
        event["attributes"] = attributes
    if _may_be_large(attributes) and len(_encode(event)) > EVENT_BYTES:
        raise InvalidValue(Reason.EVENT_TOO_LARGE, f"The event has more than {EVENT_BYTES} bytes.")
    return event, issues


def _may_be_large(attributes: dict[str, Any]) -> bool:
    characters = 0
    for value in attributes.values():
        kind = type(value)
        if kind is str:
            characters += len(value)
        elif kind is not bool and (kind is not int or value.bit_length() > _SMALL_INTEGER):
            return True
    return characters > _SURELY_SMALL
