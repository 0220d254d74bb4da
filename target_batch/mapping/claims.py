"""Who feeds which Batch name, shared out once per schema, and the lines of a printed plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from target_batch.common.reasons import Reason
from target_batch.mapping.targets import LeftOut, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_batch.mapping.declared import Declared
    from target_batch.mapping.targets import Scope


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One line of a printed plan: what becomes of one property.

    `target` is Batch's key (`date(signup)`, `$language, $region`), None where the property feeds
    nothing; `reason` is set where its values are refused for it.
    """

    property: str
    target: str | None
    type: str
    reason: Reason | None = None
    note: str = ""


def share_out(scope: Scope, properties: Iterable[str]) -> tuple[dict[str, Target | LeftOut], dict[str, str]]:
    """Decide for every property what it feeds; return the decisions and each name's owner.

    A locale may feed what is left of its two names; a property for which nothing is left is left
    out, with the reason.
    """
    decisions = {name: scope.decide(name) for name in properties}
    targets = [decision for decision in decisions.values() if isinstance(decision, Target)]
    owners: dict[str, str] = {}
    for target in sorted(targets, key=scope.order):
        free = tuple(name for name in target.names if name not in owners)
        decisions[target.property] = replace(target, names=free) if free else lost(target, owners)
        owners.update(dict.fromkeys(free, target.property))
    return decisions, owners


def lost(target: Target, owners: Mapping[str, str]) -> LeftOut:
    """Return the decision about a property whose names are all taken."""
    name = target.names[0]
    return LeftOut(f"`{owners[name]}` feeds `{name}` already", Reason.NAME_COLLISION)


def row(name: str, decision: Target | LeftOut, declared: Declared, key: str) -> PlanRow:
    """Return the line of a printed plan about one property."""
    if isinstance(decision, LeftOut):
        return PlanRow(name, None, declared.label, decision.reason, decision.note)
    note = ""
    if declared.mixed and key == decision.names[0]:
        note = "text of a format or any text by its SCHEMA: sent as it is"
    return PlanRow(name, key or ", ".join(decision.names), declared.label, note=note)
