"""How the mapping's tests make a plan: a kind, some properties, the settings that matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from target_batch.common.operations import ProfileUpdate
from target_batch.common.redaction import Secret
from target_batch.common.words import find
from target_batch.config.routing import route
from target_batch.config.settings import Settings, StreamOptions
from target_batch.mapping import compile_plan
from target_batch.mapping.record import FLAT_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.common.operations import Operation
    from target_batch.mapping import Plan


class NamedPlan:
    """A plan whose updates hold their attributes by name, whichever way a record took."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __call__(self, record: dict[str, Any], now: float) -> Operation:
        """Map a record."""
        operation = self.plan(record, now)
        if isinstance(operation, ProfileUpdate):
            return msgspec.structs.replace(operation, attributes=operation.attributes)
        return operation

    def __getattr__(self, name: str) -> Any:
        """Return what the plan has by that name."""
        return getattr(self.plan, name)


def make_plan(
    kind: Any,
    properties: dict[str, Any],
    *,
    options: dict[str, Any] | None = None,
    audience_names: dict[str, str] | None = None,
    **settings: Any,
) -> Plan:
    """Compile the plan of a stream called `people` whose custom ID is `id`."""
    if kind == "events" and not find(FLAT_NAMES, properties) and "time" not in (options or {}):
        settings.setdefault("late_events", "now")  # else a SCHEMA without a time is refused
    chosen = Settings(
        rest_api_key=Secret("key"),
        project_key="project",
        streams={"people": StreamOptions(kind=kind, **(options or {}))},
        **settings,
    )
    schema = {"type": "object", "properties": properties}
    found = route("people", schema, ["id"], chosen)
    plan = compile_plan(found, schema, chosen, audience_names=audience_names)
    return cast("Plan", NamedPlan(plan))


@pytest.fixture(scope="session")
def plan_of() -> Callable[..., Plan]:
    """Return what compiles a plan: kind, properties, then settings by name."""
    return make_plan
