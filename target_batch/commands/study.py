"""Running a sample through the real target, its stream maps and its sinks, without sending anything."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from target_batch.commands.samples import SampleRow, Schema
from target_batch.common.clock import Clock
from target_batch.common.errors import ConfigurationError, InputError
from target_batch.common.operations import ProfileUpdate, Tally
from target_batch.common.paths import value_at
from target_batch.common.reasons import Issue, Reason
from target_batch.common.redaction import clean
from target_batch.mapping.names import base_name
from target_batch.mapping.record import own_time
from target_batch.singer.messages import Message, record_in
from target_batch.sinks import IgnoringSink
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
    from target_batch.sinks import StreamSink

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
class Met:
    """How often a reason occurred, on which lines first, and for which properties."""

    count: int = 0
    lines: list[int] = field(default_factory=list)
    properties: dict[str, None] = field(default_factory=dict)

    def add(self, line: int, name: str | None = None) -> None:
        """Count one occurrence."""
        self.count += 1
        if line not in self.lines[-1:] and len(self.lines) < EXAMPLE_LINES:
            self.lines.append(line)
        if name:
            self.properties[name] = None


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


class Study:
    """One stream: its plan or the problem that would stop the run, and the fates of its records.

    It replaces delivery and rejects behind the real sink, and keeps the first `keep` operations.
    """

    def __init__(self, keep: float = SHOWN_OPERATIONS) -> None:
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
        self._in_part = 0
        """Line of the last record that would be sent in part; its issues may come in two calls."""
        self.erasures: dict[str, list[int]] = {}
        """Custom ID of each person who would be erased → line numbers of the records that ask for it."""

    def under(self, schema: Schema, sink: StreamSink | None, problem: str | None) -> None:
        """Set the SCHEMA, with the sink that the target made for it or the problem that prevented that."""
        self.schema, self.problem = schema, problem
        self.route = sink.route if sink else None
        self.plan = sink.plan if sink else None

    @property
    def rows(self) -> Sequence[PlanRow]:
        """The rows of the plan, one per property."""
        return self.plan.rows if self.plan else ()

    def note_examples(self, record: dict[str, Any]) -> None:
        """Keep the first value of each property as an example."""
        for path, value in self._values(record).items():
            if value is not None and value != "" and path not in self.examples:
                self.examples[path] = value

    def ignored(self, code: str, line: int) -> None:
        """Count an ignored record."""
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
        """Count a record that would be sent without some of its attributes."""
        self.counts.sent_in_part += line != self._in_part
        self._in_part = line
        for issue in issues:
            self._meet(issue.reason.code, line, issue.property)

    def put(self, operation: ProfileUpdate | AudienceChange, ticket: Ticket) -> None:
        """Count an operation that would be sent, and keep it if it is among the first."""
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

    def erase(self, custom_id: str, line: int) -> None:
        """Count a record that would erase a person at the end of the input."""
        self.counts.erased += 1
        self.erasures.setdefault(custom_id, []).append(line)

    def returned(self, custom_id: str) -> None:
        """Cancel the erasures of a person who is present again: the last record decides."""
        for line in self.erasures.pop(custom_id, ()):
            self.counts.erased -= 1
            self.ignored(Reason.DELETED_AT_SOURCE.code, line)

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


class Moment(Clock):
    """A clock that stands still at the time for which the sample is evaluated."""

    def __init__(self, now: float) -> None:
        self._now = now

    def time(self) -> float:
        """Return that time in seconds since 1970."""
        return self._now


class Rehearsal:
    """Replaces a run: the studies of the streams receive what would be delivered or rejected."""

    def __init__(self, settings: Settings, now: float, keep: float) -> None:
        self.settings = settings
        self._keep = keep
        self.clock = Moment(now)
        self.fates = self
        self.audience_names: dict[str, str] = {}
        self.studies: dict[str, Study] = {}
        self.line = 0

    def study(self, stream: str) -> Study:
        """Return the study of a stream; the first call creates it."""
        return self.studies.setdefault(stream, Study(self._keep))

    def delivery(self, route: Route) -> Study:
        """Return the study of a stream as its delivery."""
        return self.study(route.stream)

    def erasures(self, stream: str) -> Rehearsal:
        """Return the rehearsal itself as the buffer of erasures."""
        del stream
        return self

    def put(self, operation: Erasure, ticket: Ticket) -> None:
        """Count a record that would erase a person."""
        self.study(ticket.origin.stream).erase(operation.custom_id, ticket.line)

    def returned(self, stream: str, custom_id: str) -> None:
        """Cancel the erasures of a person who is present again."""
        self.study(stream).returned(custom_id)

    def tell(self, stream: str, note: str, level: int = 0) -> None:
        """Do nothing: the plan holds all notes about a stream."""

    def begin(self) -> None:
        """Do nothing: a rehearsal is not logged."""

    def tick(self) -> None:
        """Do nothing: there are no responses to process."""

    def drain(self) -> None:
        """Do nothing: nothing is buffered."""

    def tally(self, stream: str) -> Tally:
        """Return counts for the sink to update, which are not used: the studies have their own."""
        del stream
        return Tally()

    def ignored(self, stream: str, reason: str) -> None:
        """Count an ignored record."""
        self.study(stream).ignored(reason, self.line)

    def rejected(self, ticket: Ticket, issues: Sequence[Issue], *, replay: bool = True) -> None:
        """Count a record that would be rejected."""
        del replay
        self.study(ticket.origin.stream).rejected(issues, ticket.line)

    def tripped(self) -> None:
        """Do nothing: a rehearsal never stops because of rejects."""

    def went_without(self, ticket: Ticket, issues: Sequence[Issue], *, replay: bool = True) -> None:
        """Count a record that would be sent without some of its attributes."""
        del replay
        self.study(ticket.origin.stream).went_without(issues, ticket.line)


class RehearsalTarget(TargetBatch):
    """The target with a rehearsal instead of a run."""

    now = 0.0
    keep: float = SHOWN_OPERATIONS
    run: Rehearsal  # type: ignore[assignment]

    def make_run(self, settings: Settings) -> Run:
        """Return the rehearsal."""
        return Rehearsal(settings, self.now, self.keep)  # type: ignore[return-value]

    def show(self, found: Schema | SampleRow) -> None:
        """Process a SCHEMA or a record of the sample as if it were a message."""
        self.message_reader.line_number = self.run.line = getattr(found, "line", 0)
        if isinstance(found, Schema):
            self._show_schema(found)
            return
        if found.stream not in self.mapper.stream_maps and not self._has_problem(found.stream):
            raise InputError(f"Line {found.line} is a RECORD before its SCHEMA. Correct the tap.")
        for stream in self._streams_of(found.stream):
            study = self.run.study(stream)
            study.counts.read += 1
            if not self._has_problem(stream):
                study.note_examples(record_in(found.row.line) if found.row.odd else found.row.record)
        if not self._has_problem(found.stream):
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
            sink = cast("StreamSink | None", self._sinks_active.get(stream))
            schema = found
            if sink is not None:
                keys = tuple(sink.key_properties)
                schema = Schema(stream, sink.original_schema, keys, found.inferred)
            maps = not problem and not isinstance(sink, IgnoringSink)
            self.run.study(stream).under(schema, sink if maps else None, problem)

    def _streams_of(self, stream: str) -> list[str]:
        """Return the streams into which the stream maps turn a stream."""
        maps = self.mapper.stream_maps.get(stream, ())
        made = [one.stream_alias for one in maps if type(one).__name__ != "RemoveRecordTransform"]
        return made or ([stream] if not maps else [])

    def _has_problem(self, stream: str) -> bool:
        studies = (self.run.studies.get(one) for one in self._streams_of(stream))
        return any(study is not None and study.problem for study in studies)


def survey(config: dict[str, Any], now: float, keep: float = SHOWN_OPERATIONS) -> RehearsalTarget:
    """Return a target for a sample, which keeps the first `keep` operations of each stream.

    The ages of events are evaluated at `now`, in seconds since 1970.

    Raises:
        ConfigurationError: the target would refuse the configuration.
    """
    RehearsalTarget.now, RehearsalTarget.keep = now, keep
    return RehearsalTarget(config=config)
