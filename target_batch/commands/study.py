"""Running a sample through the real target, its stream maps and its sinks, without sending anything."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from target_batch.commands.samples import SampleRow, Schema
from target_batch.common.errors import ConfigurationError, InputError
from target_batch.common.operations import ProfileUpdate, Tally
from target_batch.common.properties import value_at
from target_batch.common.reasons import Issue, Reason
from target_batch.common.redaction import clean
from target_batch.mapping.names import base_name
from target_batch.mapping.record import own_time
from target_batch.singer.messages import Message, record_in
from target_batch.sinks import IgnoringSink, StreamSink
from target_batch.target import TargetBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_batch.common.operations import AudienceChange, Ticket
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings
    from target_batch.delivery.erasures import Erasure
    from target_batch.mapping import Plan
    from target_batch.mapping.names import PlanRow
    from target_batch.run import Run

EXAMPLE_LINES: Final = 5
CONTAINERS: Final = {
    "context.traits": "traits",
    "traits": "traits",
    "properties": "properties",
    "context": "context",
}
"""Object in a Segment message → prefix of its values in the paths of the plan."""

SHOWN_OPERATIONS: Final = 3
"""Operations kept per stream, to show them as requests."""


@dataclass
class ReasonCount:
    """How often a reason occurred, on which lines first, and for which properties."""

    count: int = 0
    lines: list[int] = field(default_factory=list)
    properties: dict[str, None] = field(default_factory=dict)


@dataclass
class Counts:
    """The counts of one stream; read = sent + erased + ignored + rejected."""

    read: int = 0
    sent: int = 0
    sent_in_part: int = 0
    erased: int = 0
    ignored: int = 0
    rejected: int = 0
    events: int = 0
    late_events: int = 0
    most_attributes: int = 0
    per_id: Counter[str] = field(default_factory=Counter)
    """Custom ID → number of its events."""
    names: Counter[str] = field(default_factory=Counter)
    """Name of an event, or name of an audience and what happens (`add`, `remove`) → how often."""


@dataclass
class Study:
    """One stream: its plan or the problem that would stop the run, and the fates of its records.

    It replaces delivery behind the real sink, and keeps the first `keep` operations.
    """

    schema: Schema
    keep: float
    route: Route | None = None
    plan: Plan | None = None
    problem: str | None = None
    counts: Counts = field(default_factory=Counts)
    reasons: dict[str, ReasonCount] = field(default_factory=dict)
    examples: dict[str, Any] = field(default_factory=dict)
    sent: dict[str, tuple[str, Any]] = field(default_factory=dict)
    operations: list[tuple[ProfileUpdate | AudienceChange, Ticket]] = field(default_factory=list)
    erasures: dict[str, list[int]] = field(default_factory=dict)
    """Custom ID of each person who would be erased → line numbers of the records that ask for it."""
    line_in_part: int = 0
    """Line of the last record that would be sent in part; its issues may come in two calls."""

    @property
    def rows(self) -> Sequence[PlanRow]:
        """The rows of the plan, one per property."""
        return self.plan.rows if self.plan else ()

    def note_examples(self, record: dict[str, Any]) -> None:
        """Keep the first value of each property as an example."""
        for path, value in self._values(record).items():
            if value is not None and value != "" and path not in self.examples:
                self.examples[path] = value

    def count_reason(self, code: str, line: int, name: str | None = None) -> None:
        """Count a reason on a line of the input, and the property it concerns."""
        found = self.reasons.setdefault(code, ReasonCount())
        found.count += 1
        if line not in found.lines[-1:] and len(found.lines) < EXAMPLE_LINES:
            found.lines.append(line)
        if name:
            found.properties[clean(name, 80)] = None

    def put(self, operation: ProfileUpdate | AudienceChange, ticket: Ticket) -> None:
        """Count an operation that would be sent, and keep it if it is among the first."""
        self.counts.sent += 1
        record = ticket.record
        sent = dict(operation.attributes)
        if isinstance(operation, ProfileUpdate):
            names = tuple(self.plan.time_names) if self.plan else ()
            for event in operation.events:
                self.counts.events += 1
                self.counts.per_id[operation.custom_id] += 1
                self.counts.names[event["name"]] += 1
                self.counts.late_events += "time" not in event and own_time(record, names)[1] is not None
                sent.update(event.get("attributes", {}))
        else:
            self.counts.names[f"{operation.audience}: {'add' if operation.add else 'remove'}"] += 1
        self.counts.most_attributes = max(self.counts.most_attributes, len(sent))
        self._pair(record, sent)
        if len(self.operations) < self.keep:
            self.operations.append((operation, ticket))

    def _pair(self, record: dict[str, Any], sent: dict[str, Any]) -> None:
        """Keep the first value of each property that would be sent, and the value it would be sent as."""
        left = [row for row in self.rows if row.target and row.property not in self.sent]
        if not left:
            return
        values = self._values(record)
        by_name = {base_name(key): (key, value) for key, value in sent.items() if value is not None}
        for row in left:
            names = map(base_name, str(row.target).split(", "))
            became = [by_name[name] for name in names if name in by_name]
            if became and values.get(row.property) is not None:
                self.examples[row.property] = values[row.property]
                went = [value for _, value in became]
                keys = ", ".join(key for key, _ in became)
                self.sent[row.property] = keys, went[0] if len(went) == 1 else went

    def _values(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return the values of a record by the paths of the plan; `traits` override `context.traits`."""
        found = dict(record)
        is_segment = self.route is not None and self.route.kind == "segment"
        for path, prefix in CONTAINERS.items() if is_segment else ():
            held = value_at(record, path)
            if isinstance(held, dict):
                found.update((f"{prefix}.{name}", value) for name, value in held.items())
        return found


class Studies(dict[str, Study]):
    """The studies by stream; a stream's first use creates its study, which keeps `keep` operations."""

    def __init__(self, keep: float) -> None:
        super().__init__()
        self._keep = keep

    def __missing__(self, stream: str) -> Study:
        self[stream] = Study(Schema(stream, {}), self._keep)
        return self[stream]


class RehearsedFates:
    """Takes the place of a run's fates: the studies count what would happen on `line` of the input."""

    def __init__(self, studies: Studies) -> None:
        self._studies = studies
        self.line = 0

    def tally(self, _stream: str) -> Tally:
        """Return counts for the sink to update, which are not used: the studies have their own."""
        return Tally()

    def ignored(self, stream: str, reason: str) -> None:
        """Count an ignored record. A stream that the stream maps remove has no study."""
        if study := self._studies.get(stream):
            study.counts.ignored += 1
            study.count_reason(reason, self.line)

    def rejected(self, ticket: Ticket, issues: Sequence[Issue], **_: Any) -> None:
        """Count a record that would be rejected."""
        study = self._studies[ticket.origin.stream]
        study.counts.rejected += 1
        for issue in issues:
            study.count_reason(issue.reason.code, ticket.line, issue.property)
            if issue.reason in {Reason.EVENT_OUTSIDE_WINDOW, Reason.INVALID_EVENT_TIME}:
                study.counts.events += 1
                study.counts.late_events += issue.reason is Reason.EVENT_OUTSIDE_WINDOW

    def went_without(self, ticket: Ticket, issues: Sequence[Issue], **_: Any) -> None:
        """Count a record that would be sent without some of its attributes."""
        study = self._studies[ticket.origin.stream]
        study.counts.sent_in_part += ticket.line != study.line_in_part
        study.line_in_part = ticket.line
        for issue in issues:
            study.count_reason(issue.reason.code, ticket.line, issue.property)

    def tripped(self) -> None:
        """Return None: rejects do not stop a rehearsal."""


class RehearsedErasures:
    """Takes the place of a run's erasures, which happen at the end of the input."""

    def __init__(self, studies: Studies) -> None:
        self._studies = studies

    def put(self, operation: Erasure, ticket: Ticket) -> None:
        """Count a record that would erase a person."""
        study = self._studies[ticket.origin.stream]
        study.counts.erased += 1
        study.erasures.setdefault(operation.custom_id, []).append(ticket.line)

    def returned(self, stream: str, custom_id: str) -> None:
        """Cancel the erasures of a person who is present again: the last record decides."""
        study = self._studies[stream]
        for line in study.erasures.pop(custom_id, ()):
            study.counts.erased -= 1
            study.counts.ignored += 1
            study.count_reason(Reason.DELETED_AT_SOURCE.code, line)


class StoppedClock:
    """A clock that always shows the time for which the sample is evaluated."""

    def __init__(self, now: float) -> None:
        self._now = now

    def time(self) -> float:
        """Return the time in seconds since 1970."""
        return self._now


class Rehearsal:
    """Takes the place of a run: a study of each stream receives what would be sent."""

    def __init__(self, settings: Settings, now: float, keep: float) -> None:
        self.settings = settings
        self.clock = StoppedClock(now)
        self.studies = Studies(keep)
        self.fates = RehearsedFates(self.studies)
        self.audience_names: dict[str, str] = {}
        self.sources: dict[str, str] = {}

    def delivery(self, route: Route) -> Study:
        """Return the study of a stream as its delivery."""
        return self.studies[route.stream]

    def erasures(self, _stream: str) -> RehearsedErasures:
        """Return what counts the erasures of all streams."""
        return RehearsedErasures(self.studies)

    def nothing(self, *_: Any) -> None:
        """Do nothing: the plans hold the notes, and no answer is awaited."""

    tell = begin = tick = drain = nothing


class RehearsalTarget(TargetBatch):
    """The target with a rehearsal instead of a run, which keeps the first `keep` operations of each stream.

    The ages of events are evaluated at `now`, in seconds since 1970.

    Raises:
        ConfigurationError: the target would refuse the configuration.
    """

    run: Rehearsal  # type: ignore[assignment]

    def __init__(self, config: dict[str, Any], now: float, keep: float = SHOWN_OPERATIONS) -> None:
        self._now = now
        self._keep = keep
        super().__init__(config=config)

    def make_run(self, settings: Settings) -> Run:
        """Return the rehearsal."""
        return Rehearsal(settings, self._now, self._keep)  # type: ignore[return-value]

    def show(self, found: Schema | SampleRow) -> None:
        """Process a SCHEMA or a record of the sample as if it were a message."""
        self.message_reader.line_number = self.run.fates.line = getattr(found, "line", 0)
        if isinstance(found, Schema):
            self._show_schema(found)
            return
        studies = [self.run.studies[stream] for stream in self._streams_of(found.stream)]
        has_problem = any(study.problem for study in studies)
        if found.stream not in self.mapper.stream_maps and not has_problem:
            raise InputError(f"Line {found.line} is a RECORD before its SCHEMA. Correct the tap.")
        for study in studies:
            study.counts.read += 1
            if not has_problem:
                study.note_examples(record_in(found.row.line) if found.row.odd else found.row.record)
        if not has_problem:
            self._take(found.stream, found.row)

    def _show_schema(self, found: Schema) -> None:
        message = Message(
            "SCHEMA", found.stream, schema=found.schema, key_properties=list(found.key_properties)
        )
        problem = None
        try:
            self._process_schema_message(message)
        except ConfigurationError as error:
            problem = str(error)
        for stream in self._streams_of(found.stream):
            study = self.run.studies[stream]
            study.schema, study.problem, study.route, study.plan = found, problem, None, None
            sink = self._sinks_active.get(stream)
            if sink is not None:
                keys = tuple(sink.key_properties)
                study.schema = Schema(stream, sink.original_schema, keys, found.inferred)
            if isinstance(sink, StreamSink) and not isinstance(sink, IgnoringSink) and not problem:
                study.route, study.plan = sink.route, sink.plan

    def _streams_of(self, stream: str) -> list[str]:
        """Return the streams into which the stream maps turn a stream."""
        maps = self.mapper.stream_maps.get(stream, ())
        made = [one.stream_alias for one in maps if type(one).__name__ != "RemoveRecordTransform"]
        return made or ([stream] if not maps else [])
