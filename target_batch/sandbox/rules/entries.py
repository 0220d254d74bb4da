"""Validation of one entry of a profile call."""

from dataclasses import dataclass, field
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from target_batch.sandbox.readings import Readings
from target_batch.sandbox.rules.attributes import attribute_rule
from target_batch.sandbox.rules.events import event_violation
from target_batch.sandbox.rules.ids import id_violation
from target_batch.sandbox.rules.limits import ATTRIBUTES_PER_ENTRY, EVENTS_PER_ENTRY
from target_batch.sandbox.rules.shapes import Entry, Event
from target_batch.sandbox.rules.times import is_outside_window

Category = Literal["profile", "attribute", "event"]
"""Kind of item refused by a partial error; Batch's own terms are not documented."""


class PartialError(Struct, omit_defaults=True):
    """A partial error, in Batch's format.

    Attributes:
        category: Kind of item that is refused.
        bulk_index: Index of the entry in the call, from 0.
        reason: The rule that is broken.
        attribute: The attribute's key as sent, or the event's name; absent for a whole entry.
    """

    category: Category
    bulk_index: int
    reason: str
    attribute: str | UnsetType = UNSET


@dataclass
class Verdict:
    """The result of validating one entry.

    Attributes:
        attributes: Accepted attributes, by key as sent.
        events: Accepted events.
        late: Events refused because they are outside the last 24 hours.
        errors: Errors for all refused items.
    """

    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    late: list[Event] = field(default_factory=list)
    errors: list[PartialError] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether the entry is refused as a whole."""
        return any(error.category == "profile" for error in self.errors)


def refuse(index: int, reason: str) -> Verdict:
    """Refuse a whole entry."""
    return Verdict(errors=[PartialError("profile", index, reason)])


def judge(entry: Entry, index: int, now: float, readings: Readings) -> Verdict:
    """Validate one entry.

    Args:
        entry: The decoded entry.
        index: Its index in the call, from 0.
        now: Unix time of arrival, in seconds.
        readings: Behaviour where the documentation is silent.
    """
    if reason := entry_violation(entry):
        return refuse(index, reason)
    verdict = Verdict()
    if isinstance(entry.attributes, dict):
        _judge_attributes(entry.attributes, index, verdict, readings)
    if isinstance(entry.events, list):
        for event in entry.events:
            _judge_event(event, index, now, verdict, readings)
    return verdict


def entry_violation(entry: Entry) -> str | None:
    """Return why an entry is refused as a whole, or None."""
    if isinstance(entry.identifiers.custom_id, str) and (reason := id_violation(entry.identifiers.custom_id)):
        return reason
    if isinstance(entry.attributes, dict) and len(entry.attributes) > ATTRIBUTES_PER_ENTRY:
        return f"an entry has at most {ATTRIBUTES_PER_ENTRY} attributes"
    if isinstance(entry.events, list) and len(entry.events) > EVENTS_PER_ENTRY:
        return f"an entry has at most {EVENTS_PER_ENTRY} events"
    return None


def _judge_attributes(attributes: dict[str, Any], index: int, verdict: Verdict, readings: Readings) -> None:
    rules = [attribute_rule(key) for key in attributes]
    repeated = _repeated([rule.name for rule in rules])
    if repeated and readings["repeated_name"] == "last_wins":
        repeated = set()
    for rule, (key, value) in zip(rules, attributes.items(), strict=True):
        reason = rule.violation(value)
        if rule.name in repeated:
            reason = "the attribute is given twice"
        if reason:
            verdict.errors.append(PartialError("attribute", index, reason, key))
        else:
            verdict.attributes[key] = value


def _repeated(names: list[str]) -> set[str]:
    if len(set(names)) == len(names):
        return set()
    return {name for name in names if names.count(name) > 1}


def _judge_event(event: Event, index: int, now: float, verdict: Verdict, readings: Readings) -> None:
    reason, named = None, event.name
    if violation := event_violation(event):
        if readings["refused_event"] == "property":
            named = violation.where or named
        where = f" - at {violation.where}" if violation.where else ""
        reason = violation.reason + where
    elif not isinstance(event.time, str):
        if readings["event_without_time"] == "refused":
            reason = "an event has a time"
    elif is_outside_window(event.time, now):
        verdict.late.append(event)
        reason = "the time of an event lies within the last 24 hours"
    if reason:
        verdict.errors.append(PartialError("event", index, reason, named))
    else:
        verdict.events.append(event)
