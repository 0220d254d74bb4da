"""A sample through the real target, its stream maps and its sinks, into one study per stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from target_batch.commands.samples import SampleRow, Schema
from target_batch.commands.study import SHOWN_OPERATIONS, Study
from target_batch.common.clock import Clock
from target_batch.common.errors import ConfigurationError, InputError
from target_batch.common.reasons import Reason
from target_batch.common.records import Tally
from target_batch.singer.messages import Message
from target_batch.sinks import IgnoringSink
from target_batch.target import TargetBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_batch.common.reasons import Issue
    from target_batch.common.records import Ticket
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings
    from target_batch.delivery.erasures import Erasure
    from target_batch.run import Run
    from target_batch.sinks import StreamSink


class Moment(Clock):
    """A clock that stands still, at the time as of which the sample is judged."""

    def __init__(self, now: float) -> None:
        self._now = now

    def time(self) -> float:
        """Return that time, in seconds since 1970."""
        return self._now


class Rehearsal:
    """Takes the place of a run: what would be delivered or rejected goes to the studies of the streams."""

    def __init__(self, settings: Settings, now: float, keep: float) -> None:
        self.settings = settings
        self._keep = keep
        self.clock = Moment(now)
        self.fates = self
        self.audience_names: dict[str, str] = {}
        self.studies: dict[str, Study] = {}
        self.line = 0

    def study(self, stream: str) -> Study:
        """Return the study of a stream."""
        return self.studies.setdefault(stream, Study(self.settings, self._keep))

    def delivery(self, route: Route) -> Study:
        """Return what takes the operations of a stream."""
        return self.study(route.stream)

    def erasures(self, stream: str) -> Rehearsal:
        """Return what takes the people of a stream who are to be erased."""
        del stream
        return self

    def put(self, operation: Erasure, ticket: Ticket) -> None:
        """Count a person who would be erased among the records that ask for no update."""
        del operation
        self.study(ticket.origin.stream).ignored(Reason.DELETED_AT_SOURCE.code, ticket.line)

    def returned(self, stream: str, custom_id: str) -> None:
        """Do nothing: nobody is erased here."""

    def tell(self, stream: str, note: str, level: int = 0) -> None:
        """Pass over a note about a stream: the plan has them all."""

    def begin(self) -> None:
        """Write nothing into the run log."""

    def tick(self) -> None:
        """Do nothing: there are no answers to settle."""

    def drain(self) -> None:
        """Do nothing: nothing waits."""

    def tally(self, stream: str) -> Tally:
        """Return counts that the sink keeps; the studies count on their own."""
        del stream
        return Tally()

    def ignored(self, stream: str, reason: str) -> None:
        """Count a record that asks for nothing."""
        self.study(stream).ignored(reason, self.line)

    def rejected(self, ticket: Ticket, issues: Sequence[Issue], *, replay: bool = True) -> None:
        """Count a record that would be rejected."""
        del replay
        self.study(ticket.origin.stream).rejected(issues, ticket.line)

    def tripped(self) -> None:
        """Never stop: the studies show what is rejected."""

    def went_without(self, ticket: Ticket, issues: Sequence[Issue], *, replay: bool = True) -> None:
        """Count what a record would go without."""
        del replay
        self.study(ticket.origin.stream).went_without(issues, ticket.line)


class RehearsalTarget(TargetBatch):
    """The target, with a rehearsal in the place of its run."""

    now = 0.0
    keep: float = SHOWN_OPERATIONS
    run: Rehearsal  # type: ignore[assignment]

    def make_run(self, settings: Settings) -> Run:
        """Return the rehearsal."""
        return Rehearsal(settings, self.now, self.keep)  # type: ignore[return-value]

    def show(self, found: Schema | SampleRow) -> None:
        """Take a SCHEMA or a record of the sample, as if it were a message."""
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
                study.note_examples(found.record)
        if not self._has_problem(found.stream):
            self._take(found.stream, found.record, found.source, odd=False)

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
        """Return the streams that the stream maps make of one."""
        maps = self.mapper.stream_maps.get(stream, ())
        made = [one.stream_alias for one in maps if type(one).__name__ != "RemoveRecordTransform"]
        return made or ([stream] if not maps else [])

    def _has_problem(self, stream: str) -> bool:
        studies = (self.run.studies.get(one) for one in self._streams_of(stream))
        return any(study is not None and study.problem for study in studies)


def survey(config: dict[str, Any], now: float, keep: float = SHOWN_OPERATIONS) -> RehearsalTarget:
    """Return what takes a sample, and keeps the first `keep` operations of each stream.

    `now` in seconds since 1970 is the time as of which events are judged.

    Raises:
        ConfigurationError: the target would refuse the configuration.
    """
    RehearsalTarget.now, RehearsalTarget.keep = now, keep
    return RehearsalTarget(config=config)
