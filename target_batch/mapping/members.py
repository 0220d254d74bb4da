"""Attributes of audience members: scalars without booleans, and arrays of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_batch.common.reasons import Reason
from target_batch.mapping.assignments import Excluded
from target_batch.mapping.conversion import InvalidValue
from target_batch.mapping.converters.arrays import strings
from target_batch.mapping.converters.values import boolean
from target_batch.mapping.kinds import by_type, step

if TYPE_CHECKING:
    from target_batch.config.settings import StreamOptions
    from target_batch.mapping.assignments import AssignedNames
    from target_batch.mapping.columns import Column
    from target_batch.mapping.declared import Declared

COHORTS_HOLD_NOTHING = Excluded(
    "a cohort attribute (`as_attribute`) holds nothing beside", Reason.DESTINATION_WITHOUT_ATTRIBUTES
)
_ONLY_FOR_INSTALLS = Excluded(
    "app audiences hold attributes for `id_type: install_ids` only",
    Reason.DESTINATION_WITHOUT_ATTRIBUTES,
)


class MemberDialect:
    """How properties become attributes of a member; a null leaves them out."""

    takes_objects = False

    def column(self, target: AssignedNames, declared: Declared) -> Column:
        """Return the ready step of a property."""
        return *step(target, declared, _CONVERTERS), {}


def attributes_refused(options: StreamOptions) -> Excluded | None:
    """Return why members of this audience hold no attributes, None where they do."""
    if options.destination == "app" and options.id_type != "install_ids":
        return _ONLY_FOR_INSTALLS
    return None


def tags_refused(options: StreamOptions) -> str | None:
    """Return why members of this audience hold no tags, None where they do."""
    if options.destination == "project":
        return "project audiences hold no tags"
    return "app audiences hold tags for `id_type: install_ids` only" if attributes_refused(options) else None


def _no_boolean(value: Any) -> Any:
    boolean(value)
    raise InvalidValue(Reason.BOOLEAN_NOT_ALLOWED, "A member's attribute cannot be a boolean.")


_CONVERTERS = by_type(strings, strings, _no_boolean)
