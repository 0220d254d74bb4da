"""Plan for `segment` streams: attributes from identify and group, events from track, page and screen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from target_batch.common.limits import ARRAYS_PER_PROFILE, LEARNED_NAMES
from target_batch.common.operations import Ignored, ProfileUpdate, Rejected, names_of
from target_batch.common.reasons import Issue, Reason
from target_batch.mapping import natives
from target_batch.mapping.application import fill
from target_batch.mapping.columns import Columns
from target_batch.mapping.declared import kind_of
from target_batch.mapping.events import EventDialect, build, event_name
from target_batch.mapping.names import Container, base_name, is_bookkeeping, snake_case
from target_batch.mapping.plan import Plan
from target_batch.mapping.profiles import ProfileDialect, within_limits
from target_batch.mapping.record import DELETED, SEGMENT_NAMES, event_time
from target_batch.mapping.values import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_batch.common.operations import Operation
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings
    from target_batch.mapping.names import PlanRow

TYPES = frozenset({"identify", "track", "page", "screen", "group"})
VIEWED = {"page": "page_viewed", "screen": "screen_viewed"}

ENVELOPE = frozenset({
    "type", "userId", "anonymousId", "previousId", "groupId", "messageId", "event", "name",
    "category", "traits", "properties", "context", "integrations", "options", "channel", "version",
    "writeKey", "projectId", "_metadata", "timestamp", "originalTimestamp", "sentAt", "receivedAt",
})  # fmt: skip
"""The top-level fields of a message in the Segment spec."""

_TRAITS = ("context.traits.", "traits.")
_PROPERTIES = ("properties.",)
_EVERYWHERE = (*_TRAITS, *_PROPERTIES, "context.")
NOT_SELECTED = Ignored(Reason.SEGMENT_TYPE_NOT_SELECTED.code)


class SegmentMessage:
    """One message being mapped; remembers the original path of each value."""

    def __init__(self, record: dict[str, Any]) -> None:
        self._record = record
        self._elsewhere: dict[str, str] = {}
        self._issues: list[Issue] = []

    def traits(self) -> dict[str, Any]:
        """Return the traits of the message, completed by the traits in its `context`."""
        traits = _object(self._record, "traits")
        inner = _object(_object(self._record, "context"), "traits", "context.")
        if not inner:
            return traits
        self._elsewhere.update(
            (f"traits.{name}", f"context.traits.{name}") for name in inner if name not in traits
        )
        return {**inner, **traits}

    def device(self) -> dict[str, Any]:
        """Return the locale and time zone in `context`, unless null or blank."""
        context = _object(self._record, "context")
        found = {name: context.get(name) for name in ("locale", "timezone")}
        return {name: value for name, value in found.items() if value is not None and str(value).strip()}

    def with_own(self, container: dict[str, Any], path: str, names: Iterable[str]) -> dict[str, Any]:
        """Return the container with fields of the message added; the container's own values win."""
        merged = dict(container)
        for name in names:
            value = self._record.get(name)
            if value is None:
                continue
            if name not in container:
                merged[name] = value
                self._elsewhere[f"{path}.{name}"] = name
            elif value != container[name]:
                message = f"`{path}.{name}` differs, and is the one that is sent."
                self._issues.append(Issue(Reason.NAME_COLLISION, name, None, message))
        return merged

    def located(self, issues: Iterable[Issue]) -> tuple[Issue, ...]:
        """Return the issues with the original paths of their values in the message."""
        return (*self._issues, *map(self._located, issues))

    def _located(self, issue: Issue) -> Issue:
        path = issue.property or ""
        for seen, real in self._elsewhere.items():
            if path == seen or path.startswith(f"{seen}."):
                return replace(issue, property=real + path[len(seen) :])
        return issue


class SegmentPlan(Plan):
    """The plan of a `segment` stream; traits and properties have no schema and are converted by value."""

    makes_events = True
    deciding = ("type",)

    def __init__(self, route: Route, schema: Mapping[str, Any], settings: Settings) -> None:
        super().__init__(route, schema, settings)
        chosen = settings.replay.types if settings.replay else None
        self._types = frozenset(route.options.types).intersection(chosen or TYPES)
        if route.options.time is None:
            self.time_names = SEGMENT_NAMES
        self._make_columns()
        self._known = set(ENVELOPE) | {self.custom_id.property, *self.time_names, *self.deletion.names}
        self.notes = tuple(_not_sent(name) for name in self.properties if not self._is_known(name))

    def _make_columns(self) -> None:
        """Make the columns of each part of a message; group traits never feed the user's natives."""
        dialect = ProfileDialect(self.settings)
        by_default = natives.SEGMENT_PEER if self.names_as_segment else natives.BY_PROPERTY
        traits = self._rules_for(_TRAITS, natives.NAMES)
        traits = replace(traits, natives=by_default, exact=self.names_as_segment)
        self.columns = Columns(traits, dialect)
        self._group = Columns(self._rules_for(_TRAITS, frozenset()), dialect)
        properties = replace(self._rules_for(_PROPERTIES, natives.OF_EVENTS), takes_objects=True)
        self._events = Columns(properties, EventDialect(self.rules))
        context = Container(
            stream=self.route.stream,
            naming=snake_case,
            mapping=_prefixed(self.route.options.attributes, ("context.",)),
            natives=natives.BY_PROPERTY,
            reserved=natives.NAMES,
            path="context.",
            new_notes=self.rules.new_notes,
        )
        self._context = Columns(context, dialect)

    def _rules_for(self, prefixes: tuple[str, ...], reserved: frozenset[str]) -> Container:
        """Return the rules for traits or properties.

        Of the stream's `attributes`, their own paths concern them, and bare names with a target allowed here.
        """
        elsewhere = (natives.NAMES | natives.OF_EVENTS) - reserved
        attributes = self.route.options.attributes
        bare = {
            name: target
            for name, target in attributes.items()
            if not name.startswith(_EVERYWHERE) and target not in elsewhere
        }
        return replace(
            self.rules,
            mapping=bare | _prefixed(attributes, prefixes),
            excluded=dict.fromkeys(_prefixed({self.route.custom_id: None}, prefixes), "the custom ID"),
            reserved=reserved,
            path=prefixes[-1],
        )

    def __call__(self, record: dict[str, Any], now: float) -> Operation:
        """Return the operation for a message; `now` is in seconds since 1970."""
        if self.deletion.on(record):
            return DELETED
        kind = record.get("type")
        kind = kind.strip().lower() if type(kind) is str else None
        if kind == "alias":
            merges = InvalidValue(Reason.ALIAS_NOT_SUPPORTED, "`alias` merges two IDs.", "type")
            return self._rejected(record, merges)
        if kind not in TYPES:
            message = "The type is not part of the Segment spec."
            return self._rejected(record, InvalidValue(Reason.UNKNOWN_SEGMENT_TYPE, message, "type"))
        if kind not in self._types:
            return NOT_SELECTED
        if not self._known.issuperset(record):
            self._note_unknown(record)
        return super().__call__(record, now)

    @property
    def essential(self) -> frozenset[str]:
        """Also the fields that decide what the message becomes."""
        return super().essential | {"event", "name", *self.time_names}

    def map(self, record: dict[str, Any], custom_id: str, now: float) -> Operation:
        """Return the profile update for a message of a selected type."""
        kind = record["type"].strip().lower()
        if kind in {"identify", "group"}:
            return self._profile_update(record, kind, custom_id)
        return self._event_update(record, kind, custom_id, now)

    def properties_of(self, attribute: str) -> tuple[str, ...]:
        """Return the paths of the message that may feed a Batch attribute."""
        traits = dict.fromkeys((*self.columns.feeders(attribute), *self._group.feeders(attribute)))
        both = [path for trait in traits for path in (trait, f"context.{trait}")]
        return (*both, *self._context.feeders(attribute), *self._events.feeders(attribute))

    @property
    def rows(self) -> tuple[PlanRow, ...]:
        """The plan in words, for the traits and properties seen so far."""
        parts = (self.columns, self._context, self._group, self._events)
        return tuple(row for columns in parts for row in columns.rows)

    def _profile_update(self, record: dict[str, Any], kind: str, custom_id: str) -> ProfileUpdate:
        message = SegmentMessage(record)
        columns, traits = self.columns, message.traits()
        if kind == "group":
            columns, traits = self._group, message.with_own(traits, "traits", ("groupId",))
        attributes: dict[str, Any] = {}
        issues = fill(columns, traits, attributes)
        if kind == "identify":
            device: dict[str, Any] = {}
            issues += fill(self._context, message.device(), device)
            held = names_of(attributes)
            attributes.update({key: value for key, value in device.items() if base_name(key) not in held})
        if len(attributes) > ARRAYS_PER_PROFILE:
            issues += within_limits(columns, traits, attributes)
        return ProfileUpdate(custom_id, attributes, [], message.located(issues))

    def _event_update(self, record: dict[str, Any], kind: str, custom_id: str, now: float) -> ProfileUpdate:
        message = SegmentMessage(record)
        properties = _object(record, "properties")
        if kind in VIEWED:
            name = VIEWED[kind]
            properties = message.with_own(properties, "properties", ("name", "category"))
        else:
            name = event_name(record.get("event"), "event", self.event_naming)
        time = event_time(record, self.time_names, now, late_as_now=self.late_as_now)
        event, issues = build(self._events, properties, name, time)
        return ProfileUpdate(custom_id, {}, [event], message.located(issues))

    def _rejected(self, record: dict[str, Any], invalid: InvalidValue) -> Rejected:
        if invalid.reason is Reason.MISSING_CUSTOM_ID and record.get("anonymousId") is not None:
            invalid = InvalidValue(Reason.ANONYMOUS_MESSAGE, "The message has only an `anonymousId`.")
        return super()._rejected(record, invalid)

    def _note_unknown(self, record: dict[str, Any]) -> None:
        for name in record:
            if not self._is_known(name) and len(self._known) < LEARNED_NAMES:
                self._known.add(name)
                self.columns.new_notes.append(_not_sent(name))

    def _is_known(self, name: str) -> bool:
        return name in self._known or is_bookkeeping(name)


def _not_sent(name: str) -> str:
    return f"Property `{name}` is not part of the Segment spec and is not sent."


def _prefixed(attributes: Mapping[str, str | None], prefixes: tuple[str, ...]) -> dict[str, str | None]:
    """Return the names under the prefixes, without them; those under a later prefix win."""
    return {
        name[len(prefix) :]: target
        for prefix in prefixes
        for name, target in attributes.items()
        if name.startswith(prefix)
    }


def _object(container: dict[str, Any], name: str, path: str = "") -> dict[str, Any]:
    """Return an object of the message, empty if it is missing.

    Raises:
        InvalidValue: the value is not an object.
    """
    value = container.get(name)
    if value is None:
        return {}
    if type(value) is not dict:
        message = f"`{path}{name}` is {kind_of(value)}, not an object."
        raise InvalidValue(Reason.INVALID_SEGMENT_MESSAGE, message, path + name)
    return value
