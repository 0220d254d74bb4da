"""Plans for `audiences` streams: a row changes an audience, or a boolean attribute (`as_attribute`)."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from target_batch.common.errors import ConfigurationError
from target_batch.common.limits import AUDIENCE_NAME_LENGTH, MEMBER_ATTRIBUTES
from target_batch.common.operations import AudienceChange, ProfileUpdate
from target_batch.common.properties import find, shown, words
from target_batch.common.reasons import Issue, Reason
from target_batch.common.redaction import clean
from target_batch.mapping.application import drop_surplus, fill
from target_batch.mapping.columns import Columns, by_type, column
from target_batch.mapping.declared import kind_of, zero_or_one
from target_batch.mapping.names import Excluded, is_name, snake_case, transliterated
from target_batch.mapping.notes import column_notes, surplus_note
from target_batch.mapping.plan import Plan
from target_batch.mapping.record import read_custom_id
from target_batch.mapping.values import InvalidValue, boolean, encodable, strings, strings_for_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_batch.common.operations import Operation, Rejected
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings, StreamOptions

ACTION_PROPERTIES = ("action", "operation", "status")

_OF_A_KIND = frozenset({"type", "code", "name", "kind", "flag", "value"})
_ACTIONS = frozenset({"op", "operation", "action", "change", "dml", "event", "transition"})
_STATES = frozenset({"active", "inactive", "enabled", "removed", "deleted", "exited", "left", "unsubscribed"})
_INSIDE = _STATES | {"member", "audience", "cohort", "segment", "list", "in", "current"}
_ENDINGS = frozenset(
    {"removed", "removal", "deleted", "deletion", "left", "leave", "exited", "exit", "ended", "end"}
    | {"unsubscribed", "unsubscribe", "unsubscription"}
)
_MOMENTS = frozenset({"at", "on", "date", "time", "ts", "timestamp"})
_CONTAINERS = frozenset({"membership", "member", "audience", "cohort", "segment", "list"})


def _looks_like_an_action(name: str) -> bool:
    """Return whether a property's name suggests that it says who is in and who is out.

    Examples: `change_type`, `op`, `is_member`, `removed_at`, `membership_status`.
    """
    found = words(name)
    while len(found) > 1 and found[-1] in _OF_A_KIND:
        found.pop()
    first, last = (found[0], found[-1]) if found else ("", "")
    return (
        last in _ACTIONS
        or (len(found) == 1 and last in _STATES)
        or (first in {"is", "in", "has", "was"} and last in _INSIDE)
        or (first in _ENDINGS and last in _MOMENTS)
        or (first in _CONTAINERS and last in {"status", "state"})
    )


_ADD = (
    "add", "added", "enter", "entered", "in", "join", "joined", "active", "true", "1",
)  # fmt: skip
_REMOVE = (
    "remove", "removed", "exit", "exited", "out", "leave", "left", "delete", "deleted", "inactive",
    "false", "0",
)  # fmt: skip
_ADDS = dict.fromkeys(_ADD, True) | dict.fromkeys(_REMOVE, False)


def _is_add(value: Any, where: str) -> bool:
    """Return whether the action adds or removes, regardless of case.

    An unknown one is an error: a wrong guess would message people by mistake.
    """
    if type(value) is str:
        found, kind = _ADDS.get(value.strip().lower()), ""
    else:
        found, kind = zero_or_one(value), " null," if value is None else f" {kind_of(value)},"
    if found is None:
        message = f"The action is{kind} not a word for adding or removing."
        raise InvalidValue(Reason.UNKNOWN_ACTION, message, where)
    return found


def _attributes_refused(options: StreamOptions) -> Excluded | None:
    """Return why members cannot have attributes, or None if they can."""
    if options.as_attribute:
        note = "a cohort attribute (`as_attribute`) has no attributes of its own"
    elif options.destination == "app" and options.id_type != "install_ids":
        note = "app audiences hold attributes for `id_type: install_ids` only"
    else:
        return None
    return Excluded(note, Reason.DESTINATION_WITHOUT_ATTRIBUTES)


def _tags_refused(options: StreamOptions) -> str | None:
    """Return why members of this audience cannot have tags; None if they can, or if there is no audience."""
    if options.as_attribute:
        return None
    if options.destination == "project":
        return "project audiences hold no tags"
    return "app audiences hold tags for `id_type: install_ids` only" if _attributes_refused(options) else None


def _no_boolean(value: Any) -> Any:
    boolean(value)
    raise InvalidValue(Reason.BOOLEAN_NOT_ALLOWED, "A member's attribute cannot be a boolean.")


_member_column = partial(column, converters=by_type(strings, strings_for_object, _no_boolean))
"""Returns the column of a member's attribute; nulls are not sent."""

EVERY_ROW_ADDS = (
    "No property holds an action (`action`, `operation`, `status`): every row adds its user{unless_marked}. "
    "If {rows} also remove, set the stream's `action_property`."
)
ONLY_THE_KEY = (
    "a deleted row holds only its key, so it is not known {what}: the person stays where they are, and the "
    "row is rejected. PostgreSQL's log carries only the key by default: set REPLICA IDENTITY FULL on the "
    "table{or_else}."
)
_WITHOUT = {
    Reason.MISSING_AUDIENCE: ONLY_THE_KEY.format(
        what="which audience the person leaves", or_else=", or a fixed `audience` for the stream"
    ),
    Reason.MISSING_CUSTOM_ID: ONLY_THE_KEY.format(
        what="who is meant", or_else=", or let `custom_id` name the table's key"
    ),
}
"""What it means if a deleted row lacks its audience or its custom ID."""
NAME_PROPERTIES = ("audience", "audience_name", "cohort", "cohort_name", "segment", "segment_name")
_LOCAL_LENGTH = len("2012-08-12T22:30:05")
_OUTSIDE = re.compile(r"[^A-Za-z0-9_-]")


class AudiencePlan(Plan):
    """The plan of an `audiences` stream: which audience, in or out. Here, rows change audiences."""

    ignores_deleted = False

    def __init__(
        self, route: Route, schema: Mapping[str, Any], settings: Settings, names: dict[str, str]
    ) -> None:
        super().__init__(route, schema, settings)
        options = route.options
        self._names = names
        self._no_tags = _tags_refused(options)
        self._noted: set[str] = set()
        self._where = "attribute" if options.as_attribute else options.destination
        """The kind of destination, within which a name must be unique."""
        self.name_property: str | None = None
        if options.audience is None:
            self.name_property = options.audience_property or find(NAME_PROPERTIES, self.properties)
        action = options.action_property or find(ACTION_PROPERTIES, self.properties)
        self._action_is_known = action is not None
        self._action_properties = ACTION_PROPERTIES if action is None else (action,)
        self.deciding = self._action_properties
        if self.name_property is not None:
            self.deciding += (self.name_property,)
        self.columns = self._make_columns()
        self.notes = column_notes(self.columns)
        if self.properties and options.mode == "update" and not self._action_is_known:
            self._stop_if_an_action_is_overlooked()
            self.notes += (self._note_without_action(),)
        self.notes += surplus_note(self.columns, MEMBER_ATTRIBUTES)
        if options.tags and self._no_tags:
            self.notes += (f"Property `{options.tags}` gives no tags: {self._no_tags}.",)

    def clean(self, name: str) -> str:
        """Return the name transliterated to ASCII, with characters outside `[A-Za-z0-9_-]` replaced by `_`.

        Raises:
            InvalidValue: the result is longer than 255 characters [doc], or empty.
        """
        cleaned = _OUTSIDE.sub("_", transliterated(name))
        if not 0 < len(cleaned) <= AUDIENCE_NAME_LENGTH:
            limit = AUDIENCE_NAME_LENGTH
            message = f"Batch takes 1 to {limit} letters and digits; the name gives {len(cleaned)}."
            raise InvalidValue(Reason.INVALID_AUDIENCE_NAME, message)
        return cleaned

    def audience(self, record: Mapping[str, Any]) -> tuple[str, str]:
        """Return the audience's name at Batch and its original name.

        Raises:
            InvalidValue: the name is missing or invalid, or another audience has it already.
        """
        try:
            original = _original_name(self._name_in(record))
            name = self.clean(original)
        except InvalidValue as invalid:
            raise InvalidValue(invalid.reason, invalid.message, self.name_property) from None
        if self._names.setdefault(f"{self._where} {name}", original) != original:
            message = "Another audience has this name in Batch already."
            raise InvalidValue(Reason.AUDIENCE_NAME_COLLISION, message, self.name_property)
        return name, original

    def adds(self, record: Mapping[str, Any]) -> bool:
        """Return whether the row adds its user; a row deleted at the source removes them.

        Raises:
            InvalidValue: the action is not understood.
        """
        if self.deletion.on(record):
            return False
        name = self._action_properties[0] if self._action_is_known else find(ACTION_PROPERTIES, record)
        return True if name is None else _is_add(record.get(name), name)

    def _rejected(self, record: dict[str, Any], invalid: InvalidValue) -> Rejected:
        """Reject the record; if a deleted row lacks its audience or custom ID, note once what that means."""
        note = _WITHOUT.get(invalid.reason)
        if note and note not in self._noted and self.deletion.on(record):
            self._noted.add(note)
            self.columns.new_notes.append(note)
        return super()._rejected(record, invalid)

    def _name_in(self, record: Mapping[str, Any]) -> Any:
        name = self.name_property
        if name is None and self.route.options.audience is None and not self.properties:
            name = find(NAME_PROPERTIES, record)
        return (self.route.options.audience or self.route.stream) if name is None else record.get(name)

    def _note_without_action(self) -> str:
        """Return the note that every row adds its user, except those that a known mark says are deleted."""
        marks = " or ".join(shown(name) for name in sorted(self.deletion.announced))
        if not marks:
            return EVERY_ROW_ADDS.format(unless_marked="", rows="rows")
        return EVERY_ROW_ADDS.format(unless_marked=f", or removes them if {marks} is set", rows="other rows")

    def _stop_if_an_action_is_overlooked(self) -> None:
        """Raise an error if every row would add although a property looks like an action."""
        options = self.route.options
        named = (self.name_property, options.time, options.tags, options.display_name_property)
        decided = {*self.not_attributes, *options.attributes, *named}
        likely = [name for name in self.properties if name not in decided and _looks_like_an_action(name)]
        if not likely:
            return
        stream, listed = clean(self.route.stream, 60), ", ".join(map(shown, likely))
        raise ConfigurationError(
            f"Stream '{stream}': no property is known to hold the action, so every row would add its user to "
            f"the audience, but {listed} may say who is removed. Set `streams.{stream}.action_property` to "
            f"it, or `streams.{stream}.deleted_at` if it is the time of a removal. If it says something "
            f"else, leave it out with null in `streams.{stream}.attributes`."
        )

    def _make_columns(self) -> Columns:
        options = self.route.options
        excluded = self.not_attributes | dict.fromkeys(self._action_properties, "the action")
        excluded |= {
            str(options.tags): "the member's tags",
            str(options.display_name_property): "the audience's display name",
            str(self.name_property): "the audience's name",
        }
        container = replace(
            self.rules, only_mapped=True, excluded=excluded, refusal=_attributes_refused(options)
        )
        return Columns(container, _member_column, self.properties, self.schema)

    def map(self, record: dict[str, Any], custom_id: str, now: float) -> Operation:  # noqa: ARG002
        """Return the audience change that a row requests."""
        name, original = self.audience(record)
        add = self.adds(record)
        change = AudienceChange(name, self._display_name(record) or original, custom_id, add)
        if add:
            change.issues = (*self._attributes(record, change), *self._tags(record, change))
        return change

    def _attributes(self, record: Mapping[str, Any], change: AudienceChange) -> list[Issue]:
        issues = fill(self.columns, record, change.attributes)
        if len(change.attributes) > MEMBER_ATTRIBUTES:
            issues += drop_surplus(self.columns, record, change.attributes, MEMBER_ATTRIBUTES)
        if self.route.options.destination == "app":  # UTC to the second, without a zone [doc: a sample]
            for name, value in change.attributes.items():
                if name.startswith("date(") and isinstance(value, str):
                    change.attributes[name] = value[:_LOCAL_LENGTH]
        return issues

    def _tags(self, record: Mapping[str, Any], change: AudienceChange) -> list[Issue]:
        name = self.route.options.tags
        value = record.get(name) if name else None
        if value is None:
            return []
        if self._no_tags:
            message = f"Not sent: {self._no_tags}."
            return [Issue(Reason.DESTINATION_WITHOUT_ATTRIBUTES, name, "tags", message)]
        try:
            change.tags += strings(value) or ()
        except InvalidValue as invalid:
            return [Issue(invalid.reason, name, "tags", invalid.message)]
        return []

    def _display_name(self, record: Mapping[str, Any]) -> str | None:
        name = self.route.options.display_name_property
        try:
            return _original_name(record.get(name)) if name else None
        except InvalidValue:
            return None


class CohortPlan(AudiencePlan):
    """The plan of an `audiences` stream whose cohorts are attributes: true for members, otherwise false."""

    def clean(self, name: str) -> str:
        """Return the snake_case form of the cohort's name, as Engage spells it.

        Raises:
            InvalidValue: the name cannot be turned into an attribute name.
        """
        attribute = snake_case(name)
        if not is_name(attribute):
            raise InvalidValue(
                Reason.INVALID_AUDIENCE_NAME, "The cohort's name cannot be made a valid attribute name."
            )
        return attribute

    def map(self, record: dict[str, Any], custom_id: str, now: float) -> Operation:  # noqa: ARG002
        """Return the profile update that a row requests."""
        attribute, _ = self.audience(record)
        return ProfileUpdate(custom_id, {attribute: self.adds(record)}, [])

    def only_attribute(self, record: dict[str, Any]) -> str | None:
        """Return the attribute of the row's cohort, or None if the cohort is invalid."""
        try:
            return self.audience(record)[0]
        except InvalidValue:
            return None


def _original_name(value: Any) -> str:
    """Return an audience's name as the source spells it, text or an integer, without whitespace around it."""
    if type(value) is int:
        value = read_custom_id(value)
    if value is None or (type(value) is str and not value.strip()):
        raise InvalidValue(Reason.MISSING_AUDIENCE, "The row names no audience.")
    if type(value) is not str:
        raise InvalidValue(
            Reason.INVALID_AUDIENCE_NAME, f"The audience's name is {kind_of(value)}, not text."
        )
    return encodable(value.strip())
