"""The base of plans for `audiences` streams: the audience, the action and members' attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_batch.common.errors import ConfigurationError
from target_batch.common.properties import find, shown, words
from target_batch.common.reasons import Reason
from target_batch.common.redaction import clean
from target_batch.mapping.columns import Columns, by_type, step
from target_batch.mapping.converters import InvalidValue
from target_batch.mapping.converters.arrays import strings
from target_batch.mapping.converters.values import boolean, encodable
from target_batch.mapping.declared import kind_of, zero_or_one
from target_batch.mapping.identity import custom_id
from target_batch.mapping.names import Container, Excluded, attribute_namer
from target_batch.mapping.plan import Plan
from target_batch.mapping.schema_notes import notes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_batch.common.operations import Rejected
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings, StreamOptions
    from target_batch.mapping.columns import Column
    from target_batch.mapping.declared import Declared
    from target_batch.mapping.names import AssignedNames

ACTION_PROPERTIES = ("action", "operation", "status")

_OF_A_KIND = frozenset({"type", "code", "name", "kind", "flag", "value"})
_ACTIONS = frozenset({"op", "operation", "action", "change", "dml", "event", "transition"})
_STATES = frozenset(
    {"active", "inactive", "enabled", "removed", "deleted", "exited", "left"} | {"unsubscribed"}
)
_INSIDE = _STATES | {"member", "audience", "cohort", "segment", "list", "in", "current"}
_ENDINGS = frozenset(
    {"removed", "removal", "deleted", "deletion", "left", "leave", "exited", "exit", "ended", "end"}
    | {"unsubscribed", "unsubscribe", "unsubscription"}
)
_MOMENTS = frozenset({"at", "on", "date", "time", "ts", "timestamp"})
_CONTAINERS = frozenset({"membership", "member", "audience", "cohort", "segment", "list"})


def looks_like_an_action(name: str) -> bool:
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


_ADD = frozenset({
    "add", "added", "enter", "entered", "in", "join", "joined", "active", "true", "1",
})  # fmt: skip
_REMOVE = frozenset({
    "remove", "removed", "exit", "exited", "out", "leave", "left", "delete", "deleted", "inactive",
    "false", "0",
})  # fmt: skip


def is_add(value: Any, where: str) -> bool:
    """Return whether the action adds (true) or removes (false), regardless of case.

    Raises:
        InvalidValue: the action is unknown or missing; a wrong guess would message people by mistake.
    """
    flag = zero_or_one(value)
    if flag is not None:
        return flag
    if type(value) is str:
        word = value.strip().lower()
        if word in _ADD:
            return True
        if word in _REMOVE:
            return False
        raise InvalidValue(Reason.UNKNOWN_ACTION, "The action is not a word for adding or removing.", where)
    kind = "null" if value is None else kind_of(value)
    raise InvalidValue(
        Reason.UNKNOWN_ACTION, f"The action is {kind}, not a word for adding or removing.", where
    )


COHORTS_HOLD_NOTHING = Excluded(
    "a cohort attribute (`as_attribute`) has no attributes of its own", Reason.DESTINATION_WITHOUT_ATTRIBUTES
)
_ONLY_FOR_INSTALLS = Excluded(
    "app audiences hold attributes for `id_type: install_ids` only",
    Reason.DESTINATION_WITHOUT_ATTRIBUTES,
)


class MemberDialect:
    """The rules for attributes of audience members; nulls are not sent."""

    takes_objects = False

    def column(self, target: AssignedNames, declared: Declared) -> Column:
        """Return the column of a property."""
        return *step(target, declared, _CONVERTERS), {}


def attributes_refused(options: StreamOptions) -> Excluded | None:
    """Return why members of this audience cannot have attributes, or None if they can."""
    if options.destination == "app" and options.id_type != "install_ids":
        return _ONLY_FOR_INSTALLS
    return None


def tags_refused(options: StreamOptions) -> str | None:
    """Return why members of this audience cannot have tags, or None if they can."""
    if options.destination == "project":
        return "project audiences hold no tags"
    return "app audiences hold tags for `id_type: install_ids` only" if attributes_refused(options) else None


def _no_boolean(value: Any) -> Any:
    boolean(value)
    raise InvalidValue(Reason.BOOLEAN_NOT_ALLOWED, "A member's attribute cannot be a boolean.")


_CONVERTERS = by_type(strings, strings, _no_boolean)


EVERY_ROW_ADDS = (
    "No property holds an action (`action`, `operation`, `status`): every row adds its user. If rows also "
    "remove, set the stream's `action_property`."
)
ONLY_THE_KEY = (
    "a deleted row holds only its key, so it is not known {what}: the person stays where they are, and the "
    "row is rejected. PostgreSQL's log carries only the key by default: set REPLICA IDENTITY FULL on the "
    "table{or_else}."
)
UNKNOWN_AUDIENCE = ONLY_THE_KEY.format(
    what="which audience the person leaves", or_else=", or a fixed `audience` for the stream"
)
UNKNOWN_PERSON = ONLY_THE_KEY.format(what="who is meant", or_else=", or let `custom_id` name the table's key")
NAME_PROPERTIES = ("audience", "audience_name", "cohort", "cohort_name", "segment", "segment_name")


class MembershipPlan(Plan):
    """The base of both plans for `audiences` streams: which audience, and whether a row adds or removes."""

    ignores_deleted = False

    def __init__(
        self,
        route: Route,
        schema: Mapping[str, Any],
        settings: Settings,
        names: dict[str, str],
    ) -> None:
        super().__init__(route, schema, settings)
        options = route.options
        self._names = names
        self._noted: set[str] = set()
        self._where = "attribute" if options.as_attribute else options.destination
        self.name_property = options.audience_property or find(NAME_PROPERTIES, self.properties)
        if options.audience is not None:
            self.name_property = None
        action = options.action_property or find(ACTION_PROPERTIES, self.properties)
        self._action_is_known = action is not None
        self._action_properties = ACTION_PROPERTIES if action is None else (action,)
        self.columns = self._make_columns()
        self.notes = notes(self.columns)
        if self.properties and options.mode == "update" and not self._action_is_known:
            self._stop_if_an_action_is_overlooked()
            self.notes += (EVERY_ROW_ADDS,)

    @property
    def identity(self) -> tuple[str, ...]:
        """Also the audience and the action."""
        return (*super().identity, *self._deciding())

    @property
    def essential(self) -> frozenset[str]:
        """Also the audience and the action: a wrong guess would message people by mistake."""
        return super().essential | set(self._deciding())

    def _deciding(self) -> tuple[str, ...]:
        return (*self._action_properties, *([self.name_property] if self.name_property else []))

    def refusal(self) -> Excluded | None:
        """Return why only the membership can be sent, or None if attributes can be sent too."""
        raise NotImplementedError

    def clean(self, name: str) -> str:
        """Return the name of the audience at Batch.

        Raises:
            InvalidValue: the name cannot be made valid.
        """
        raise NotImplementedError

    def audience(self, record: Mapping[str, Any]) -> tuple[str, str]:
        """Return the audience's name at Batch and its original name.

        Raises:
            InvalidValue: the name is missing or invalid, or another audience has it already.
        """
        try:
            original = original_name(self._name_in(record))
            name = self.clean(original)
        except InvalidValue as invalid:
            raise InvalidValue(invalid.reason, invalid.message, self.name_property) from None
        if self._names.setdefault(self.known_as(name), original) != original:
            message = "Another audience has this name in Batch already."
            raise InvalidValue(Reason.AUDIENCE_NAME_COLLISION, message, self.name_property)
        return name, original

    def known_as(self, name: str) -> str:
        """Return the name prefixed by its kind of destination, within which it must be unique."""
        return f"{self._where} {name}"

    def adds(self, record: Mapping[str, Any]) -> bool:
        """Return whether the row adds its user; a row deleted at the source removes them.

        Raises:
            InvalidValue: the action is not understood.
        """
        if self.deletion.on(record):
            return False
        if self._action_is_known:
            return is_add(record.get(self._action_properties[0]), self._action_properties[0])
        name = find(self._action_properties, record)
        return True if name is None else is_add(record[name], name)

    def action_property(self, record: Mapping[str, Any]) -> str:
        """Return the property that says whether the row adds."""
        return find(self._action_properties, record) or self._action_properties[0]

    def _refused(self, record: dict[str, Any], invalid: InvalidValue) -> Rejected:
        """Reject the record; if a deleted row lacks its audience or custom ID, note once what that means."""
        note = _WITHOUT.get(invalid.reason)
        if note and note not in self._noted and self.deletion.on(record):
            self._noted.add(note)
            self.columns.new_notes.append(note)
        return super()._refused(record, invalid)

    def _name_in(self, record: Mapping[str, Any]) -> Any:
        if self.name_property is not None:
            return record.get(self.name_property)
        if self.route.options.audience is None and not self.properties:
            name = find(NAME_PROPERTIES, record)
            return self.route.stream if name is None else record[name]
        return self.route.options.audience or self.route.stream

    def _stop_if_an_action_is_overlooked(self) -> None:
        """Stop if every row would add although a property looks like an action.

        Raises:
            ConfigurationError: it names the property and what to set.
        """
        options = self.route.options
        named = (self.name_property, options.time, options.tags, options.display_name_property)
        decided = {*self.not_attributes, *options.attributes, *named}
        likely = [name for name in self.properties if name not in decided and looks_like_an_action(name)]
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
        container = Container(
            stream=self.route.stream,
            naming=attribute_namer(self.settings.attribute_naming),
            mapping=options.attributes,
            only_mapped=True,
            excluded=excluded,
            refusal=self.refusal(),
        )
        return Columns(container, MemberDialect(), self.properties, self.schema)


_WITHOUT = {Reason.MISSING_AUDIENCE: UNKNOWN_AUDIENCE, Reason.MISSING_CUSTOM_ID: UNKNOWN_PERSON}


def original_name(value: Any) -> str:
    """Return the name of an audience as the source spells it, without surrounding whitespace.

    Raises:
        InvalidValue: the name is missing, or neither text nor an integer.
    """
    if type(value) is int:
        value = custom_id(value)
    if value is None or (type(value) is str and not value.strip()):
        raise InvalidValue(Reason.MISSING_AUDIENCE, "The row names no audience.")
    if type(value) is not str:
        raise InvalidValue(
            Reason.INVALID_AUDIENCE_NAME, f"The audience's name is {kind_of(value)}, not text."
        )
    return encodable(value.strip())
