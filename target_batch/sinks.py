"""A stream's sink: record → operation → delivery, by the plan compiled from the stream's SCHEMA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.sinks import Sink

from target_batch.common.operations import AudienceChange, Ignored, ProfileUpdate, Rejected
from target_batch.common.reasons import Fault, Reason
from target_batch.common.records import Origin, Ticket
from target_batch.common.redaction import clean
from target_batch.config.routing import route
from target_batch.delivery.muted_attributes import Blame
from target_batch.mapping import SURPRISES, compile_plan
from target_batch.report.rejects import MARK
from target_batch.singer.messages import line_reader, record_in, record_line, without_utf8
from target_batch.singer.validation import Validator, without

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_batch.common.operations import Operation
    from target_batch.mapping.structure import Layout
    from target_batch.mapping.unrolled import Update
    from target_batch.run import Run
    from target_batch.singer.messages import Reading


NO_UTF8 = "The text holds half a surrogate pair, which has no UTF-8 form."


class StreamSink(Sink):
    """Turns the records of one stream, under one SCHEMA, into operations."""

    def __init__(
        self, target: Any, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._run: Run = target.run
        settings = self._run.settings
        self._tally = self._run.fates.tally(stream_name)
        self._route = route(stream_name, schema, key_properties or (), settings)
        self._blamed = Blame(settings.max_attribute_rejects)
        self._passes_by: Callable[[dict[str, Any]], Reason | None] | None = None
        if self._route.kind == "ignore":
            self._passes_by = lambda _: Reason.STREAM_IGNORED
        elif MARK in (schema.get("properties") or {}):
            self._passes_by = _not_replayable
        self._now = self._run.clock.time
        self._layout: Layout | None = None
        self._express: tuple[Reading, Update] | None = None
        if self._route.kind != "ignore":
            self._lane = self._run.lane(self._route)
            self._checker = Validator(stream_name, schema) if settings.validate_records else None
            self._compile()

    def _compile(self) -> None:
        self._plan = compile_plan(
            self._route,
            self.original_schema,
            self._run.settings,
            audience_names=self._run.audience_names,
        )
        for note in self._plan.notes:
            self._run.tell(self.stream_name, note)
        self._origin = Origin(
            stream=self.stream_name,
            schema=self.original_schema,
            key_properties=tuple(self.key_properties),
            identity=self._plan.identity,
            properties_of=self._plan.properties_of,
            decode=record_in,
            tally=self._tally,
            blame=self._blame,
            remembered=self._run.settings.skip_unchanged and self._route.kind == "profiles",
        )
        self._look_for_the_express_way()

    def take(self, line: bytes, number: int) -> bool:
        """Take in a line at once, without decoding it first, if its record has no surprises.

        Raises:
            StopRun: what came before could not be delivered.
        """
        express = self._express
        if express is None:
            return False
        read, updated = express
        try:
            update = updated(read(line).record)
        except SURPRISES:
            return False
        self._tally.read += 1
        self._lane.put(update, Ticket(self._origin, number, line))
        return True

    def _look_for_the_express_way(self) -> None:
        """Make what `take` reads lines with, whenever the plan has learned something."""
        layout = None if self._passes_by or self._blamed.paths else self._plan.layout
        if layout is not self._layout:
            self._layout = layout
            self._express = (line_reader(self.stream_name, layout.record), layout.update) if layout else None

    def accept(self, record: dict[str, Any], line: int, source: bytes) -> None:
        """Take one record in; `source` is what the record can be decoded from again.

        Raises:
            StopRun: what came before could not be delivered.
        """
        self._tally.read += 1
        if self._passes_by is not None and (reason := self._passes_by(record)) is not None:
            self._run.fates.ignored(self.stream_name, reason.code)
            return
        ticket = Ticket(self._origin, line, source)
        if self._checker is not None and not self._checker.is_valid(record):
            self._accept_without(self._checker.faults(record), record, ticket)
        elif self._blamed.paths:
            self._accept_without((), record, ticket)
        else:
            self._settle(self._plan(record, self._now()), (), ticket)
        if self._plan.columns.news:
            for note in self._plan.take_news():
                self._run.tell(self.stream_name, note)
        if self._plan.layout is not self._layout:
            self._look_for_the_express_way()

    def accept_odd(self, record: dict[str, Any], line: int, source: bytes) -> None:
        """Take in a record of a line that was not strict JSON: its text may have no UTF-8 form."""
        faults = tuple(Fault(Reason.INVALID_TEXT, name, message=NO_UTF8) for name in without_utf8(record))
        if faults and self._passes_by is None:
            self._tally.read += 1
            self._accept_without(faults, record, Ticket(self._origin, line, source))
        else:
            self.accept(record, line, source)

    def _accept_without(self, broken: tuple[Fault, ...], record: dict[str, Any], ticket: Ticket) -> None:
        """Take in a record without what is wrong with it or is left out, if it can do without."""
        record, left_out = self._blamed.spare(record)
        broken = tuple(fault for fault in broken if not self._blamed.concerns(fault))
        for fault in broken:
            if fault.property is None or self._is_essential(fault.property):
                self._run.fates.rejected(ticket, broken)
                return
            record = without(record, fault.property)
        self._settle(self._plan(record, self._now()), broken, ticket, left_out)

    def _settle(
        self, operation: Operation, broken: tuple[Fault, ...], ticket: Ticket, left_out: int = 0
    ) -> None:
        if type(operation) is ProfileUpdate and not (broken or operation.faults or left_out):
            self._lane.put(operation, ticket)
            return
        if isinstance(operation, Ignored):
            self._run.fates.ignored(self.stream_name, operation.reason)
            return
        faults = (*broken, *operation.faults)
        if isinstance(operation, Rejected):
            self._run.fates.rejected(ticket, faults)
            return
        if faults:
            repeatable = isinstance(operation, AudienceChange) or not operation.events
            self._run.fates.went_without(ticket, faults, replay=repeatable)
        if left_out:
            self._tally.reasons[Reason.COLUMN_LEFT_OUT.code] += left_out
        self._lane.put(operation, ticket)

    def _blame(self, faults: Sequence[Fault]) -> None:
        """Leave an attribute out once it was refused too often for one reason."""
        for name, reason in self._blamed.count(faults):
            if not self._is_essential(name) and name not in self._blamed.paths:
                self._blamed.paths += self._plan.alike(name)
                self._look_for_the_express_way()
                most = self._run.settings.max_attribute_rejects
                self._run.tell(
                    self.stream_name,
                    f"property '{clean(name)}' was refused {most} times for {reason} and is left out "
                    "from now on; the end of the run tells how often. `max_attribute_rejects: 0` never "
                    "leaves one out.",
                )

    def _is_essential(self, path: str) -> bool:
        return path in self._plan.essential or path.split(".", 1)[0] in self._plan.essential

    def refuse_unmapped(self, record: dict[str, Any], line: int, error: str) -> None:
        """Reject a record that the user's stream map cannot be computed for."""
        self._tally.read += 1
        fault = Fault(Reason.STREAM_MAP_FAILED, message=f"the stream map ended with {clean(error, 60)}")
        ticket = Ticket(self._origin, line, record_line(record))
        self._run.fates.rejected(ticket, (fault,), replay=False)

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Refuse the SDK's way in: records come through `accept`, with their line and bytes."""
        raise NotImplementedError

    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing: delivery drains on its own."""

    @property
    def is_full(self) -> bool:
        """Never: delivery bounds what waits, across all streams."""
        return False

    def get_validator(self) -> None:
        """Return none: records are validated in `accept`, where a fault costs only itself."""

    def clean_up(self) -> None:
        """Do nothing: the run's totals replace the SDK's per-stream metrics."""


def _not_replayable(record: dict[str, Any]) -> Reason | None:
    marks = record.get(MARK)
    if isinstance(marks, list):
        for mark in marks:
            if isinstance(mark, dict) and mark.get("replay") is False:
                return Reason.NOT_REPLAYABLE
    return None
