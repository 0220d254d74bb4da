"""A fixture that compiles the plan of a stream from a kind, some properties and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_batch.common.properties import find
from target_batch.common.redaction import Secret
from target_batch.config.routing import route
from target_batch.config.settings import Settings, StreamOptions
from target_batch.mapping import compile_plan
from target_batch.mapping.record import FLAT_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.mapping import Plan


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
        settings.setdefault("late_events", "now")  # otherwise a SCHEMA without a time is refused
    chosen = Settings(
        rest_api_key=Secret("key"),
        project_key="project",
        streams={"people": StreamOptions(kind=kind, **(options or {}))},
        **settings,
    )
    schema = {"type": "object", "properties": properties}
    found = route("people", schema, ["id"], chosen)
    return compile_plan(found, schema, chosen, audience_names=audience_names)


@pytest.fixture(scope="session")
def plan_of() -> Callable[..., Plan]:
    """The function that compiles a plan from a kind, properties and settings."""
    return make_plan
