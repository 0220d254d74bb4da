"""From a Singer record to what it asks of Batch: pure functions, compiled once per SCHEMA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_batch.mapping.audiences import AudiencePlan, CohortPlan
from target_batch.mapping.events import EventPlan
from target_batch.mapping.names import PlanRow
from target_batch.mapping.plan import Plan
from target_batch.mapping.profiles import ProfilePlan
from target_batch.mapping.schema_notes import foreign_references, idle_options
from target_batch.mapping.segment import SegmentPlan

if TYPE_CHECKING:
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings

__all__ = ["Plan", "PlanRow", "compile_plan"]


def compile_plan(
    route: Route,
    schema: dict[str, Any],
    settings: Settings,
    *,
    audience_names: dict[str, str] | None = None,
) -> Plan:
    """Compile what becomes of a stream's records; once per SCHEMA.

    Args:
        route: what the stream is.
        schema: the JSON schema of its records.
        settings: the target's configuration.
        audience_names: sort of place and cleaned name → original, the memory by which two audiences
            never become one; shared, it outlasts a SCHEMA. It grows by one entry per audience.

    Raises:
        ConfigurationError: the stream's options name something that Batch does not take.
    """
    plan = _plan(route, schema, settings, {} if audience_names is None else audience_names)
    plan.notes = (*idle_options(plan), *plan.notes, *foreign_references(plan))
    return plan


def _plan(route: Route, schema: dict[str, Any], settings: Settings, names: dict[str, str]) -> Plan:
    if route.kind == "audiences":
        kind = CohortPlan if route.options.as_attribute else AudiencePlan
        return kind(route, schema, settings, names)
    plans: dict[str, type[Plan]] = {
        "profiles": ProfilePlan,
        "events": EventPlan,
        "segment": SegmentPlan,
    }
    return plans[route.kind](route, schema, settings)
