"""What the target would make of one stream, found out record by record without sending anything."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from target_batch.common.errors import StopRun
from target_batch.common.operations import AudienceChange, Ignored, ProfileUpdate, Rejected, by_name
from target_batch.common.reasons import Fault, Reason
from target_batch.common.redaction import clean
from target_batch.config.routing import route
from target_batch.mapping import compile_plan
from target_batch.mapping.names import base_name
from target_batch.mapping.times import own_time
from target_batch.singer.validation import Validator, without

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_batch.commands.samples import Row, Schema
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings
    from target_batch.mapping import Plan
    from target_batch.mapping.claims import PlanRow

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
    """One stream: its route and plan, or the problem that would stop the run, and what its records gave."""

    def __init__(self, settings: Settings, now: float) -> None:
        self._settings = settings
        self._now = now
        self._names: dict[str, str] = {}
        self._checker: Validator | None = None
        self.schema: Schema
        self.route: Route | None = None
        self.plan: Plan | None = None
        self.problem: str | None = None
        self.counts = Counts()
        self.reasons: dict[str, Met] = {}
        self.examples: dict[str, Any] = {}
        self.sent: dict[str, tuple[str, Any]] = {}
        self.operations: list[tuple[ProfileUpdate | AudienceChange, Row]] = []

    def under(self, schema: Schema) -> None:
        """Take a SCHEMA: find the route and compile the plan, as the target does."""
        self.schema = schema
        self.route = self.plan = self.problem = None
        try:
            self.route = route(schema.stream, schema.schema, schema.key_properties, self._settings)
            if self.route.kind != "ignore":
                self.plan = compile_plan(
                    self.route, schema.schema, self._settings, audience_names=self._names
                )
                self._checker = (
                    Validator(schema.stream, schema.schema) if self._settings.validate_records else None
                )
        except StopRun as problem:
            self.problem = str(problem)

    @property
    def rows(self) -> Sequence[PlanRow]:
        """The plan in words, a line per property."""
        return self.plan.rows if self.plan else ()

    def take(self, row: Row) -> None:
        """Find out what becomes of a record; the order of steps is the sink's."""
        self.counts.read += 1
        if self.plan is None:
            if self.problem is None:
                self._ignore(Reason.STREAM_IGNORED.code, row)
            return
        self._note_examples(row.record)
        record, broken = row.record, self._violations(row.record)
        for fault in broken:
            if fault.property is None or self._is_essential(fault.property):
                self._reject(broken, row)
                return
            record = without(record, fault.property)
        operation = self.plan(record, self._now)
        if isinstance(operation, Ignored):
            self._ignore(operation.reason, row)
        elif isinstance(operation, Rejected):
            self._reject((*broken, *operation.faults), row)
        else:
            self._send(operation, (*broken, *operation.faults), record, row)

    def refuse_unmapped(self, row: Row) -> None:
        """Count a record that the stream map cannot be computed for."""
        self.counts.read += 1
        self._reject((Fault(Reason.STREAM_MAP_FAILED),), row)

    def filter(self, row: Row) -> None:
        """Count a record that the stream map filters out."""
        self.counts.read += 1
        self._ignore(Reason.FILTERED_BY_STREAM_MAP.code, row)

    def _violations(self, record: dict[str, Any]) -> tuple[Fault, ...]:
        if self._checker is None or self._checker.is_valid(record):
            return ()
        return self._checker.faults(record)

    def _is_essential(self, path: str) -> bool:
        essential = self.plan.essential if self.plan else frozenset()
        return path in essential or path.split(".", 1)[0] in essential

    def _ignore(self, code: str, row: Row) -> None:
        self.counts.ignored += 1
        self._meet(code, row)

    def _reject(self, faults: Sequence[Fault], row: Row) -> None:
        self.counts.rejected += 1
        for fault in faults:
            self._meet(fault.reason.code, row, fault.property)
            if fault.reason in {Reason.EVENT_OUTSIDE_WINDOW, Reason.INVALID_EVENT_TIME}:
                self.counts.events += 1
                self.counts.late_events += fault.reason is Reason.EVENT_OUTSIDE_WINDOW

    def _meet(self, code: str, row: Row, name: str | None = None) -> None:
        shown = clean(name, 80) if name else None
        self.reasons.setdefault(code, Met()).add(row.line, shown)

    def _send(
        self,
        operation: ProfileUpdate | AudienceChange,
        faults: tuple[Fault, ...],
        record: dict[str, Any],
        row: Row,
    ) -> None:
        self.counts.sent += 1
        self.counts.sent_in_part += bool(faults)
        for fault in faults:
            self._meet(fault.reason.code, row, fault.property)
        sent = dict(by_name(operation.attributes))
        if isinstance(operation, ProfileUpdate):
            self._count_events(operation, record, sent)
        else:
            self.counts.names[f"{operation.audience}: {'add' if operation.add else 'remove'}"] += 1
        self.counts.most_attributes = max(self.counts.most_attributes, len(sent))
        self._pair(record, sent)
        if len(self.operations) < SHOWN_OPERATIONS:
            self.operations.append((operation, row))

    def _count_events(self, update: ProfileUpdate, record: dict[str, Any], sent: dict[str, Any]) -> None:
        counts = self.counts
        for event in update.events:
            counts.events += 1
            counts.per_id[update.custom_id] += 1
            counts.names[event["name"]] += 1
            sent.update(event.get("attributes", {}))
            names = self.plan.time_names if self.plan else ()
            counts.late_events += "time" not in event and own_time(record, tuple(names))[1] is not None

    def _note_examples(self, record: dict[str, Any]) -> None:
        for path, value in paths(record, nested=bool(self.route and self.route.kind == "segment")):
            if value is not None and value != "" and path not in self.examples:
                self.examples[path] = value

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
