"""What Segment messages hold around their traits and properties, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from target_batch.mapping.attribute_names import PlanRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_batch.commands.study import Study

CONTAINERS: Final = frozenset({"traits", "properties", "context", "context.traits"})
ROLES: Final = {
    "type": "the message's type",
    "event": "the event's name",
    "context.locale": "the language and region, in messages that identify",
    "context.timezone": "the time zone, in messages that identify",
}
TIME: Final = "the message's time: the first of them that it has"
PAGE_NAMES: Final = ("name", "category")
PAGE: Final = "of a page or screen: goes like its properties"
NOT_SENT: Final = "neither a trait nor a property: not sent"


def around(study: Study) -> Iterator[PlanRow]:
    """Give a line for each field of the sample's messages that the plan does not name."""
    if study.route is None or study.route.kind != "segment" or study.plan is None:
        return
    named = {row.property for row in study.rows} | CONTAINERS
    roles = {name: PAGE for name in PAGE_NAMES if f"properties.{name}" in named}
    roles |= ROLES | dict.fromkeys(study.plan.time_names, TIME) | {study.route.custom_id: "the custom ID"}
    for path in study.examples:
        if path not in named and not path.startswith(("traits.", "properties.")):
            yield PlanRow(path, None, "any", None, roles.get(path, NOT_SENT))
