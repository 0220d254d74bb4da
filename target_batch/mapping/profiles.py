"""Plan for `profiles` streams, and the attribute rules for flat records and Segment traits."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from target_batch.common.limits import ARRAYS_PER_PROFILE, ATTRIBUTES_PER_ENTRY
from target_batch.common.operations import NO_EVENTS, ProfileUpdate
from target_batch.common.reasons import Issue, Reason
from target_batch.mapping import natives
from target_batch.mapping.application import drop_surplus, fill
from target_batch.mapping.columns import Columns, admits_text, by_type, checked, column
from target_batch.mapping.notes import column_notes, surplus_note
from target_batch.mapping.plan import Plan
from target_batch.mapping.values import strings_for_object, typed, whole_or_change

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_batch.common.operations import Operation
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings
    from target_batch.mapping.columns import Column
    from target_batch.mapping.declared import Declared
    from target_batch.mapping.names import AssignedNames

CONVERTERS = by_type(whole_or_change, partial(whole_or_change, convert=strings_for_object))


class ProfileDialect:
    """The rules for attributes of profiles."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, target: AssignedNames, declared: Declared) -> Column:
        """Return the column of a property."""
        name = target.names[0]
        if name not in natives.NAMES:
            key, fits, convert, _ = column(target, declared, CONVERTERS)
            return key, fits, convert, self._on_null(key or name)
        convert = natives.native_converter(target.names, self._settings, locale=target.locale)
        if name in natives.CONSENTS:
            return name, None, typed(declared, convert), {}
        key = "" if target.locale else name
        fits = natives.FITS.get(key) if admits_text(declared) else None
        return key, fits, checked(declared, convert), self._on_null(*target.names)

    def _on_null(self, *keys: str) -> dict[str, None]:
        return dict.fromkeys(keys) if self._settings.nulls == "delete" else {}


def within_limits(columns: Columns, record: Mapping[str, Any], attributes: dict[str, Any]) -> list[Issue]:
    """Remove attributes beyond the limits of one entry: 15 arrays [sdk], 50 attributes [read]."""
    issues: list[Issue] = []
    kinds = [*map(type, attributes.values())]
    if kinds.count(list) + kinds.count(dict) > ARRAYS_PER_PROFILE:
        arrays = [key for key, value in attributes.items() if type(value) in {list, dict} and key[0] != "$"]
        issues += drop_surplus(
            columns, record, attributes, ARRAYS_PER_PROFILE, Reason.TOO_MANY_ARRAYS, arrays
        )
    return issues + drop_surplus(columns, record, attributes, ATTRIBUTES_PER_ENTRY)


class ProfilePlan(Plan):
    """The plan of a `profiles` stream."""

    def __init__(self, route: Route, schema: Mapping[str, Any], settings: Settings) -> None:
        super().__init__(route, schema, settings)
        container = replace(
            self.rules,
            excluded=self.not_attributes,
            natives=natives.BY_PROPERTY,
            reserved=natives.NAMES,
            exact=self.names_as_segment,
        )
        self.columns = Columns(container, ProfileDialect(settings), self.properties, self.schema)
        self.notes = (*column_notes(self.columns), *surplus_note(self.columns, ATTRIBUTES_PER_ENTRY))

    def map(self, record: dict[str, Any], custom_id: str, now: float) -> Operation:  # noqa: ARG002
        """Return the profile update of a record."""
        attributes: dict[str, Any] = {}
        issues = fill(self.columns, record, attributes)
        if len(attributes) > ARRAYS_PER_PROFILE:
            issues += within_limits(self.columns, record, attributes)
        return ProfileUpdate(custom_id, attributes, NO_EVENTS, tuple(issues) if issues else ())
