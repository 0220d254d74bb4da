"""Plan for `events` streams, and the attribute rules for events: objects up to three levels deep."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from target_batch.common.errors import ConfigurationError
from target_batch.common.limits import (
    ARRAY_ITEMS,
    EVENT_ATTRIBUTES,
    EVENT_BYTES,
    EVENT_DEPTH,
    LABEL_LENGTH,
    TAG_LENGTH,
    TAGS_PER_EVENT,
)
from target_batch.common.operations import ProfileUpdate
from target_batch.common.properties import find, shown
from target_batch.common.reasons import Issue, Reason
from target_batch.common.redaction import clean
from target_batch.mapping import natives
from target_batch.mapping.application import drop_surplus, fill
from target_batch.mapping.columns import Columns, by_type, column
from target_batch.mapping.declared import kind_of
from target_batch.mapping.names import Container, is_name
from target_batch.mapping.notes import column_notes, surplus_note
from target_batch.mapping.plan import Plan
from target_batch.mapping.record import FLAT_NAMES, event_time, own_time
from target_batch.mapping.values import (
    InvalidValue,
    PartlyInvalid,
    contradiction,
    encodable,
    is_short,
    is_short_line,
    limited,
    one_line,
    strings,
    texts,
    too_long,
    typed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_batch.common.operations import Operation
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings
    from target_batch.mapping.columns import Column
    from target_batch.mapping.declared import Declared, Schema
    from target_batch.mapping.names import AssignedNames
    from target_batch.mapping.values import Convert

DEFAULT_NAME_PROPERTIES = ("event", "event_name")

_encode = msgspec.json.Encoder(decimal_format="number").encode
_SURELY_SMALL = 3_500
"""Up to this many characters are always within the limit: JSON needs at most 6 bytes for each."""
_SMALL_INTEGER = 64
_STRUCTURES = (frozenset({"array"}), frozenset({"object"}))


class EventDialect:
    """The rules for attributes of events; nulls are not sent. Objects follow only the plan's naming."""

    def __init__(self, rules: Container, schema: Schema | None = None, depth: int = 1) -> None:
        # Also a list of notes of its own, which nobody takes: the paths of objects are not known here.
        self._rules = Container(rules.stream, rules.naming)
        self._schema = schema
        self._depth = depth

    def __call__(self, target: AssignedNames, declared: Declared) -> Column:
        """Return the column of a property."""
        name = target.names[0]
        if name in natives.OF_EVENTS:
            return name, None, _label if name == "$label" else _tags, {}
        key, fits, convert, on_null = column(target, declared, self._converters(declared.properties))
        if declared.kinds in _STRUCTURES:
            convert = typed(declared, convert)
        return key, is_short_line if fits is is_short else fits, _in_one_line(convert), on_null

    def _converters(self, properties: Mapping[str, Any]) -> Mapping[type, Convert]:
        is_too_deep = self._depth > EVENT_DEPTH
        declared_inside = self._inside(properties) if properties and not is_too_deep else None

        def nested(value: Any) -> Any:
            is_array = type(value) is list
            if is_too_deep:
                what = "array of objects" if is_array else "object"
                raise InvalidValue(Reason.TOO_DEEP, f"An {what} more than {EVENT_DEPTH} levels deep.")
            return (_many if is_array else _one)(declared_inside or self._undeclared, value)

        def array(value: list[Any]) -> Any:
            return nested(value) if any(type(item) is dict for item in value) else strings(value)

        return by_type(array, nested)

    def _inside(self, properties: Mapping[str, Any] | None) -> Columns:
        dialect = EventDialect(self._rules, self._schema, self._depth + 1)
        return Columns(self._rules, dialect, properties, self._schema)

    @cached_property
    def _undeclared(self) -> Columns:
        """The columns of all undeclared objects one level down."""
        return self._inside(None)


def _one(columns: Columns, value: dict[str, Any]) -> dict[str, Any] | None:
    """Return an object's attributes, or None if there are none."""
    attributes: dict[str, Any] = {}
    issues = fill(columns, value, attributes)
    if len(attributes) > EVENT_ATTRIBUTES:
        issues += drop_surplus(columns, value, attributes, EVENT_ATTRIBUTES)
    if issues:
        raise PartlyInvalid(attributes or None, issues)
    return attributes or None


def _many(columns: Columns, items: list[Any]) -> list[dict[str, Any]] | None:
    """Return at most 25 objects without nulls and empty ones, or None if nothing is left."""
    objects = [item for item in items if item is not None]
    if not all(type(item) is dict for item in objects):
        raise InvalidValue(Reason.INVALID_ARRAY, "The array mixes objects and other values.")
    issues: list[Issue] = []
    found: list[dict[str, Any]] = []
    for item in limited(objects, ARRAY_ITEMS) or ():
        try:
            kept = _one(columns, item)
        except PartlyInvalid as partly:
            issues += partly.issues
            kept = partly.value
        if kept:
            found.append(kept)
    if issues:
        raise PartlyInvalid(found or None, issues)
    return found or None


def _label(value: Any) -> str | None:
    """Return an event's `$label`: text of at most 200 characters [sdk]; None if empty."""
    if type(value) is not str:
        raise contradiction("string", value)
    if len(value) > LABEL_LENGTH:
        raise too_long("label", LABEL_LENGTH)
    return encodable(one_line(value)) or None


def _tags(value: Any) -> list[str] | None:
    """Return an event's `$tags`: at most 10 strings of at most 64 characters [sdk]."""
    if type(value) is not list:
        raise contradiction("array", value)
    found = texts(value)
    if any(len(tag) > TAG_LENGTH for tag in found):
        raise too_long("tag", TAG_LENGTH)
    found = [one_line(tag) for tag in found]
    return limited(found, TAGS_PER_EVENT)


def _in_one_line(convert: Convert) -> Convert:
    """Return a converter that also rejects text invalid in events: with line breaks or only whitespace."""

    def converted(value: Any) -> Any:
        fit = convert(value)
        for found in fit.values() if type(fit) is dict and type(value) is not dict else (fit,):
            for text in found if type(found) is list else (found,):
                if type(text) is str:
                    one_line(text)
        return fit

    return converted


class EventPlan(Plan):
    """The plan of an `events` stream."""

    makes_events = True

    def __init__(self, route: Route, schema: Mapping[str, Any], settings: Settings) -> None:
        super().__init__(route, schema, settings)
        self._fixed, self._name_property = self._find_name()
        excluded = self.not_attributes
        if self._name_property:
            excluded[self._name_property] = "the event's name"
        self._time_is_known = self.time_names is not FLAT_NAMES
        if self.properties and not (self._time_is_known or self.late_as_now):
            raise _without_time(route.stream, [name for name in self.properties if name not in excluded])
        if self._time_is_known:
            excluded[self.time_names[0]] = "the event's time"
        container = replace(self.rules, excluded=excluded, reserved=natives.OF_EVENTS, takes_objects=True)
        self.columns = Columns(container, EventDialect(self.rules, self.schema), self.properties, self.schema)
        self.notes = (
            *column_notes(self.columns),
            *surplus_note(self.columns, EVENT_ATTRIBUTES),
            *self._own_notes(),
        )

    @property
    def essential(self) -> frozenset[str]:
        """Also the event's name and its time; without a time, Batch would date the event now."""
        return super().essential | {self._name_property, *self.time_names}

    def map(self, record: dict[str, Any], custom_id: str, now: float) -> Operation:
        """Return a profile update with the record's event."""
        name = self._fixed or self._named(record)
        time = event_time(record, self.time_names, now, late_as_now=self.late_as_now)
        if not self._time_is_known:
            used, _ = own_time(record, self.time_names)
            record = {key: value for key, value in record.items() if key != used}
        event, issues = build(self.columns, record, name, time)
        return ProfileUpdate(custom_id, {}, [event], tuple(issues))

    def _named(self, record: Mapping[str, Any]) -> str:
        name = self._name_property
        if not self.properties and name not in record:
            name = find(DEFAULT_NAME_PROPERTIES, record) or name
        return event_name(record.get(name), name, self.event_naming)

    def _find_name(self) -> tuple[str, str]:
        """Return the fixed name and the property that holds the name; one of the two is empty."""
        options = self.route.options
        if options.event is not None:
            return self._checked("event", options.event), ""
        name = options.event_property or find(DEFAULT_NAME_PROPERTIES, self.properties)
        if name or not self.properties:
            return "", name or DEFAULT_NAME_PROPERTIES[0]
        return self._checked("event_property", self.route.stream), ""

    def _checked(self, option: str, text: str) -> str:
        name = self.event_naming(text)
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
        counted = [key for key in attributes if key not in natives.OF_EVENTS]
        issues += drop_surplus(columns, container, attributes, EVENT_ATTRIBUTES, among=counted)
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
