"""The mapping from Singer records to Batch operations: pure functions, compiled once per SCHEMA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_batch.mapping.audiences import AudiencePlan, CohortPlan
from target_batch.mapping.events import EventPlan
from target_batch.mapping.names import PlanRow
from target_batch.mapping.notes import idle_options, unknown_types
from target_batch.mapping.plan import Plan
from target_batch.mapping.profiles import ProfilePlan
from target_batch.mapping.segment import SegmentPlan

if TYPE_CHECKING:
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings

__all__ = ["Plan", "PlanRow", "compile_plan"]

_PLANS: dict[str, type[Plan]] = {"profiles": ProfilePlan, "events": EventPlan, "segment": SegmentPlan}


def compile_plan(
    route: Route,
    schema: dict[str, Any],
    settings: Settings,
    *,
    audience_names: dict[str, str] | None = None,
) -> Plan:
    """Return the plan that maps a stream's records, compiled once per SCHEMA.

    Args:
        route: the stream's kind, options and custom ID.
        schema: the JSON schema of its records.
        settings: the target's configuration.
        audience_names: destination and cleaned name → original name, so that two audiences are never
            merged into one. Shared by all plans of a run; grows by one entry per audience.

    Raises:
        ConfigurationError: the stream's options name something that Batch does not accept, or leave out
            something that cannot be guessed safely.
    """
    if route.kind == "audiences":
        kind = CohortPlan if route.options.as_attribute else AudiencePlan
        plan: Plan = kind(route, schema, settings, {} if audience_names is None else audience_names)
    else:
        plan = _PLANS[route.kind](route, schema, settings)
    plan.notes = (*idle_options(plan), *plan.notes, *unknown_types(plan))
    return plan
