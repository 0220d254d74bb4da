"""What became of one stream's records behind the real sink, where nothing is sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from target_batch.common.operations import ProfileUpdate
from target_batch.common.reasons import Issue, Reason
from target_batch.common.redaction import clean
from target_batch.mapping.names import base_name
from target_batch.mapping.times import own_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_batch.commands.samples import Schema
    from target_batch.common.operations import AudienceChange
    from target_batch.common.records import Ticket
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings
    from target_batch.mapping import Plan
    from target_batch.mapping.attribute_names import PlanRow
    from target_batch.sinks import StreamSink

EXAMPLE_LINES: Final = 5
SHOWN_OPERATIONS: Final = 3
"""Operations kept for the requests that are shown."""

EVENT_KINDS: Final = frozenset({"events", "segment"})


@dataclass
class Met:
    """How often a reason was met, where first, and for which properties."""

    count: int = 0
    lines: list[int] = field(default_factory=list)
    properties: dict[str, None] = field(default_factory=dict)

    def add(self, line: int, name: str | None = None) -> None:
        """Count one more."""
        self.count += 1
        if line not in self.lines[-1:] and len(self.lines) < EXAMPLE_LINES:
            self.lines.append(line)
        if name:
            self.properties[name] = None


@dataclass
class Counts:
    """The counts of one stream; read = sent + ignored + rejected."""

    read: int = 0
    sent: int = 0
    sent_in_part: int = 0
    ignored: int = 0
    rejected: int = 0
    events: int = 0
    late_events: int = 0
    most_attributes: int = 0
    per_id: Counter[str] = field(default_factory=Counter)
    """Custom ID → its events."""
    names: Counter[str] = field(default_factory=Counter)
    """Name of an event, or of an audience with what happens in it → how often."""


class Study:
    """One stream: its plan, or the problem that would stop the run, and what became of its records.

    It takes the place of delivery and of the rejects behind the real sink; the first `keep` operations stay.
    """

    def __init__(self, settings: Settings, keep: float = SHOWN_OPERATIONS) -> None:
        self._settings = settings
        self._keep = keep
        self.schema: Schema
        self.route: Route | None = None
        self.plan: Plan | None = None
        self.problem: str | None = None
        self.counts = Counts()
        self.reasons: dict[str, Met] = {}
        self.examples: dict[str, Any] = {}
        self.sent: dict[str, tuple[str, Any]] = {}
        self.operations: list[tuple[ProfileUpdate | AudienceChange, Ticket]] = []

    def under(self, schema: Schema, sink: StreamSink | None, problem: str | None) -> None:
        """Take note of a SCHEMA: the sink that the target made of it, or why it made none."""
        self.schema, self.problem = schema, problem
        self.route = sink.route if sink else None
        self.plan = sink.plan if sink else None

    @property
    def rows(self) -> Sequence[PlanRow]:
        """The plan in words, a line per property."""
        return self.plan.rows if self.plan else ()

    def note_examples(self, record: dict[str, Any]) -> None:
        """Keep the first value that each property has."""
        for path, value in paths(record, nested=bool(self.route and self.route.kind == "segment")):
            if value is not None and value != "" and path not in self.examples:
                self.examples[path] = value

    def ignored(self, code: str, line: int) -> None:
        """Count a record that asks for nothing."""
        self.counts.ignored += 1
        self._meet(code, line)

    def rejected(self, issues: Sequence[Issue], line: int) -> None:
        """Count a record that would be rejected."""
        self.counts.rejected += 1
        for issue in issues:
            self._meet(issue.reason.code, line, issue.property)
            if issue.reason in {Reason.EVENT_OUTSIDE_WINDOW, Reason.INVALID_EVENT_TIME}:
                self.counts.events += 1
                self.counts.late_events += issue.reason is Reason.EVENT_OUTSIDE_WINDOW

    def went_without(self, issues: Sequence[Issue], line: int) -> None:
        """Count what a record would go without."""
        self.counts.sent_in_part += 1
        for issue in issues:
            self._meet(issue.reason.code, line, issue.property)

    def put(self, operation: ProfileUpdate | AudienceChange, ticket: Ticket) -> None:
        """Take an operation that would be sent."""
        self.counts.sent += 1
        record = ticket.record
        sent = dict(operation.attributes)
        if isinstance(operation, ProfileUpdate):
            self._count_events(operation, record, sent)
        else:
            self.counts.names[f"{operation.audience}: {'add' if operation.add else 'remove'}"] += 1
        self.counts.most_attributes = max(self.counts.most_attributes, len(sent))
        self._pair(record, sent)
        if len(self.operations) < self._keep:
            self.operations.append((operation, ticket))

    def _meet(self, code: str, line: int, name: str | None = None) -> None:
        shown = clean(name, 80) if name else None
        self.reasons.setdefault(code, Met()).add(line, shown)

    def _count_events(self, update: ProfileUpdate, record: dict[str, Any], sent: dict[str, Any]) -> None:
        counts = self.counts
        for event in update.events:
            counts.events += 1
            counts.per_id[update.custom_id] += 1
            counts.names[event["name"]] += 1
            sent.update(event.get("attributes", {}))
            names = self.plan.time_names if self.plan else ()
            counts.late_events += "time" not in event and own_time(record, tuple(names))[1] is not None

    def _pair(self, record: dict[str, Any], sent: dict[str, Any]) -> None:
        """Keep, for each property, the first value that went, beside what it became."""
        left = [row for row in self.rows if row.target and row.property not in self.sent]
        if not left:
            return
        values = dict(paths(record, nested=bool(self.route and self.route.kind == "segment")))
        by_name = {base_name(key): (key, value) for key, value in sent.items() if value is not None}
        for row in left:
            names = map(base_name, str(row.target).split(", "))
            became = [by_name[name] for name in names if name in by_name]
            if became and values.get(row.property) is not None:
                self.examples[row.property] = values[row.property]
                went = [value for _, value in became]
                keys = ", ".join(key for key, _ in became)
                self.sent[row.property] = keys, went[0] if len(went) == 1 else went


def paths(record: dict[str, Any], *, nested: bool) -> list[tuple[str, Any]]:
    """Return what stands in a record, by the path that a plan names it with."""
    found = list(record.items())
    context = record.get("context")
    containers = {"traits": record.get("traits"), "properties": record.get("properties"), "context": context}
    if isinstance(context, dict) and not record.get("traits"):
        containers["traits"] = context.get("traits")
    for name, held in containers.items() if nested else ():
        if isinstance(held, dict):
            found += [(f"{name}.{inner}", value) for inner, value in held.items()]
    return found
