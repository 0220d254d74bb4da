"""Who feeds which Batch name, shared out once per schema, and the lines of a printed plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from target_batch.common.reasons import Reason
from target_batch.mapping.assignments import AssignedNames, Excluded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_batch.mapping.assignments import Container
    from target_batch.mapping.declared import Declared


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


class Assignments(NamedTuple):
    """What the properties of a schema feed, and which of them take turns."""

    decisions: dict[str, AssignedNames | Excluded]
    owners: dict[str, str]
    """Batch's name → the property that has it, or goes first."""

    sharing: tuple[str, ...]
    """Properties that feed one native; record by record, the first of them that has a value is sent."""


def assign(container: Container, properties: Iterable[str]) -> Assignments:
    """Decide for every property what it feeds.

    Several properties may feed one native, such as `language` and `locale`. Any other name belongs to one
    property; the others that want it are left out.
    """
    decisions = {name: container.decide(name) for name in properties}
    targets = [decision for decision in decisions.values() if isinstance(decision, AssignedNames)]
    owners: dict[str, str] = {}
    sharing: dict[str, None] = {}
    for target in sorted(targets, key=container.order):
        for name in target.names:
            first = owners.setdefault(name, target.property)
            if first == target.property:
                continue
            if name.startswith("$"):
                sharing |= {first: None, target.property: None}
            else:
                decisions[target.property] = lost(target, owners)
    return Assignments(decisions, owners, tuple(sharing))


def lost(target: AssignedNames, owners: Mapping[str, str]) -> Excluded:
    """Return the decision about a property whose names are all taken."""
    name = target.names[0]
    return Excluded(f"`{owners[name]}` feeds `{name}` already", Reason.NAME_COLLISION)


def row(
    name: str, decision: AssignedNames | Excluded, declared: Declared, key: str, note: str = ""
) -> PlanRow:
    """Return the line of a printed plan about one property."""
    if isinstance(decision, Excluded):
        return PlanRow(name, None, declared.label, decision.reason, decision.note)
    return PlanRow(name, key or ", ".join(decision.names), declared.label, note=note)
