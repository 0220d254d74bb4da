"""Plans for `audiences` streams: a row changes an audience, or a boolean attribute (`as_attribute`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from target_batch.common.limits import AUDIENCE_NAME_LENGTH, MEMBER_ATTRIBUTES
from target_batch.common.operations import AudienceChange, ProfileUpdate
from target_batch.common.reasons import Issue, Reason
from target_batch.mapping.application import cut, fill
from target_batch.mapping.converters import InvalidValue
from target_batch.mapping.converters.arrays import strings
from target_batch.mapping.memberships import (
    COHORTS_HOLD_NOTHING,
    MembershipPlan,
    attributes_refused,
    original_name,
    tags_refused,
)
from target_batch.mapping.names import is_name, snake_case, transliterated
from target_batch.mapping.schema_notes import surplus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_batch.common.operations import Operation
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings
    from target_batch.mapping.names import Excluded

_LOCAL_LENGTH = len("2012-08-12T22:30:05")
_OUTSIDE = re.compile(r"[^A-Za-z0-9_-]")


class AudiencePlan(MembershipPlan):
    """The plan of an `audiences` stream whose rows change audiences."""

    def __init__(
        self,
        route: Route,
        schema: Mapping[str, Any],
        settings: Settings,
        names: dict[str, str],
    ) -> None:
        super().__init__(route, schema, settings, names)
        self._no_tags = tags_refused(route.options)
        self.notes = (*self.notes, *surplus(self.columns, MEMBER_ATTRIBUTES))
        if route.options.tags and self._no_tags:
            note = f"Property `{route.options.tags}` gives no tags: {self._no_tags}."
            self.notes = (*self.notes, note)

    def refusal(self) -> Excluded | None:
        """Return why members cannot have attributes, or None if they can."""
        return attributes_refused(self.route.options)

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

    def map(self, record: dict[str, Any], identity: str, now: float) -> Operation:  # noqa: ARG002
        """Return the audience change that a row requests."""
        name, original = self.audience(record)
        add = self.adds(record)
        change = AudienceChange(name, self._display_name(record) or original, identity, add)
        if add:
            change.issues = (*self._attributes(record, change), *self._tags(record, change))
        return change

    def _attributes(self, record: Mapping[str, Any], change: AudienceChange) -> list[Issue]:
        issues = fill(self.columns, record, change.attributes)
        if len(change.attributes) > MEMBER_ATTRIBUTES:
            issues += cut(self.columns, record, change.attributes, MEMBER_ATTRIBUTES)
        if self.route.options.destination == "app":
            _drop_zones(change.attributes)
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
            return original_name(record.get(name)) if name else None
        except InvalidValue:
            return None


def _drop_zones(attributes: dict[str, Any]) -> None:
    """Rewrite dates as app audiences accept them: UTC to the second, without a zone [doc: a sample]."""
    for name, value in attributes.items():
        if name.startswith("date(") and isinstance(value, str):
            attributes[name] = value[:_LOCAL_LENGTH]


class CohortPlan(MembershipPlan):
    """The plan of an `audiences` stream whose cohorts are attributes: true for members, otherwise false."""

    def refusal(self) -> Excluded | None:
        """Return why only the cohort attribute is sent."""
        return COHORTS_HOLD_NOTHING

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

    def map(self, record: dict[str, Any], identity: str, now: float) -> Operation:  # noqa: ARG002
        """Return the profile update that a row requests."""
        attribute, _ = self.audience(record)
        return ProfileUpdate(identity, {attribute: self.adds(record)}, [])

    def only_attribute(self, record: dict[str, Any]) -> str | None:
        """Return the attribute of the row's cohort, or None if the cohort is invalid."""
        try:
            return self.audience(record)[0]
        except InvalidValue:
            return None
