"""One user in or out of one cohort → a boolean attribute of the profile (`as_attribute`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_batch.common.operations import ProfileUpdate
from target_batch.common.reasons import Reason
from target_batch.mapping.conversion import InvalidValue
from target_batch.mapping.members import COHORTS_HOLD_NOTHING
from target_batch.mapping.memberships import MembershipPlan
from target_batch.mapping.names import is_name, snake_case

if TYPE_CHECKING:
    from target_batch.common.operations import Operation
    from target_batch.mapping.assignments import Excluded


class CohortPlan(MembershipPlan):
    """The plan of an `audiences` stream whose cohorts are attributes: true inside, false outside."""

    def refusal(self) -> Excluded | None:
        """Return why nothing but the cohort is sent."""
        return COHORTS_HOLD_NOTHING

    def clean(self, name: str) -> str:
        """Return the snake_case form of the cohort's name, as Engage spells it.

        Raises:
            InvalidValue: no attribute's name can be made of it.
        """
        attribute = snake_case(name)
        if not is_name(attribute):
            raise InvalidValue(
                Reason.INVALID_AUDIENCE_NAME, "No attribute's name comes of the cohort's name."
            )
        return attribute

    def map(self, record: dict[str, Any], identity: str, now: float) -> Operation:  # noqa: ARG002
        """Return the profile update that a row asks for."""
        attribute, _ = self.audience(record)
        return ProfileUpdate(identity, {attribute: self.adds(record)}, [])

    def only_attribute(self, record: dict[str, Any]) -> str | None:
        """Return the attribute of the row's cohort."""
        try:
            return self.audience(record)[0]
        except InvalidValue:
            return None
