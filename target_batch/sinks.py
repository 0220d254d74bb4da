"""Sinks: one stream under one SCHEMA, record → operation → delivery.

A record enters through `accept` and is mapped by the plan compiled from the SCHEMA. The result is an
operation for delivery, or a fate: ignored or rejected.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from singer_sdk.sinks import Sink

from target_batch.common.errors import ConfigurationError
from target_batch.common.operations import (
    AudienceChange,
    Ignored,
    Origin,
    ProfileUpdate,
    Rejected,
    Ticket,
)
from target_batch.common.properties import split
from target_batch.common.reasons import Issue, Reason
from target_batch.common.redaction import clean
from target_batch.delivery.erasures import Erasure
from target_batch.mapping import compile_plan
from target_batch.mapping.notes import ABOUT_PROPERTY
from target_batch.mapping.record import DELETED
from target_batch.report.rejects import MARK
from target_batch.singer.messages import record_in, record_line, without_utf8

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_batch.common.operations import Operation
    from target_batch.config.routing import Route
    from target_batch.delivery.erasures import Erasures
    from target_batch.run import Run

NO_ID = "The record was deleted at its source, but without a custom ID the person cannot be erased."
NO_UTF8 = "The text holds half a surrogate pair, which has no UTF-8 form."


class StreamSink(Sink):
    """The base of the sinks: the plan of a stream under one SCHEMA, and the path of its records.

    Of the SDK's hooks it uses the constructor, which compiles the plan, and the bookkeeping of sinks by
    stream and SCHEMA; `setup` has nothing to do. Not used are `process_record` and `process_batch` (a record
    needs its line and its bytes, so it enters through `accept`; delivery forms batches, across streams),
    `is_full` (delivery limits what is waiting) and `clean_up` (the run's totals replace the SDK's metrics).
    `get_validator` returns None: the converters check types, and a wrong value affects only itself.
    """

    def __init__(
        self, target: Any, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        for_sdk = {**schema, "properties": {**schema["properties"]}}  # it removes `_sdc_*` from what it gets
        super().__init__(target, stream_name, for_sdk, key_properties)
        self._run: Run = target.run
        self._fates = self._run.fates
        self._is_rejects_file = MARK in (schema.get("properties") or {})
        settings = self._run.settings
        self.route: Route = target.routes[stream_name]  # decided in `TargetBatch.get_sink`
        self._check_whole()
        self.plan = compile_plan(self.route, schema, settings, audience_names=self._run.audience_names)
        for note in self.plan.notes:
            self._run.tell(stream_name, note, level_of(note))
        self._now = self._run.clock.time
        self._to_operation = self.plan.__call__  # a method is called in fewer steps than an object
        self._delivery = self._run.delivery(self.route)
        self._knows_events = settings.skip_unchanged and self.plan.makes_events
        erases = self.route.kind == "profiles" and self.route.options.on_delete == "erase"
        self._erasures = self._run.erasures(stream_name) if erases else None
        self._tally = self._fates.tally(stream_name)
        self._origin = Origin(
            stream=stream_name,
            schema=schema,
            key_properties=tuple(self.key_properties),
            identity=self.plan.identifying_paths,
            properties_of=self.plan.properties_of,
            decode=record_in,
            tally=self._tally,
            sets=self.plan.sets,
            only_attribute=self.plan.only_attribute,
        )

    def _check_whole(self) -> None:
        """Refuse what is certainly only a part of a mirrored stream: everybody else would be removed.

        Raises:
            ConfigurationError: a mirror would get a rejects file, or the window of a historical replay.
        """
        if self.route.kind != "audiences" or self.route.options.mode != "mirror":
            return
        stream = clean(self.stream_name, 60)
        remedy = f"Run the tap again; or set `streams.{stream}.mode` to `update`, to add only these"
        if self._is_rejects_file:
            part = "a rejects file"
        elif self._run.settings.replay:
            part, remedy = "the setting `replay`", "Remove the setting, or leave the stream out"
        else:
            return
        raise ConfigurationError(
            f"Stream '{stream}' is mirrored, and {part} gives only a part of its rows: every other member "
            f"would be removed, so nothing of it is loaded. {remedy}."
        )

    def accept(self, record: dict[str, Any], line: int, source: bytes, lost: tuple[Issue, ...] = ()) -> None:
        """Process one record; `source` holds the bytes from which it can be decoded again.

        `lost` are the issues of properties that had to be removed from the record.

        Raises:
            StopRun: earlier records could not be delivered.
        """
        self._tally.read += 1
        if self._is_rejects_file and _is_not_replayable(record):
            self._fates.ignored(self.stream_name, Reason.NOT_REPLAYABLE.code)
            return
        now, to_operation = self._now, self._to_operation
        operation: Operation | Erasure = to_operation(record, now())
        ticket = Ticket(self._origin, line, source)
        if self._erasures is not None:
            operation = self._erased(operation, record, self._erasures)
        if type(operation) is ProfileUpdate or type(operation) is AudienceChange:
            if operation.issues or self._knows_events or lost:
                self._note(operation, record, ticket, lost)
            self._delivery.put(operation, ticket)
        elif isinstance(operation, Ignored):
            self._fates.ignored(self.stream_name, operation.reason)
        elif isinstance(operation, Rejected):
            self._reject(ticket, (*lost, *operation.issues))
        else:
            assert self._erasures is not None  # noqa: S101 - nothing else makes an Erasure
            self._erasures.put(operation, ticket)
        if self.plan.columns.new_notes:
            for note in self.plan.take_new_notes():
                self._run.tell(self.stream_name, note, level_of(note))

    def _reject(self, ticket: Ticket, issues: tuple[Issue, ...], *, replay: bool = True) -> None:
        self._fates.rejected(ticket, issues, replay=replay)
        if (error := self._fates.tripped()) is not None:
            raise error

    def _note(self, operation: Any, record: dict[str, Any], ticket: Ticket, lost: tuple[Issue, ...]) -> None:
        """Count what is left out of an operation, and give an event its identity in the ledger."""
        if issues := (*lost, *operation.issues):
            self._fates.went_without(ticket, issues, replay=self.is_repeatable(operation))
        if self._knows_events and getattr(operation, "events", None):
            operation.event_identity = self.plan.event_identity(operation, record, self.key_properties)

    def _erased(
        self, operation: Operation | Erasure, record: dict[str, Any], erasures: Erasures
    ) -> Operation | Erasure:
        """Turn a deletion into an erasure, or reject it without a custom ID; note people who return."""
        if isinstance(operation, ProfileUpdate):
            erasures.returned(self.stream_name, operation.custom_id)
        elif operation is DELETED:
            custom_id = self.plan.custom_id_of(record)
            if custom_id is not None:
                return Erasure(custom_id)
            issue = Issue(Reason.MISSING_CUSTOM_ID, self.route.custom_id, message=NO_ID)
            return Rejected((issue,))
        return operation

    def accept_odd(self, record: dict[str, Any], line: int, source: bytes) -> None:
        """Process a record of a line that was not strict JSON: its text may have no UTF-8 form."""
        issues = tuple(Issue(Reason.INVALID_TEXT, name, message=NO_UTF8) for name in without_utf8(record))
        if not issues:
            self.accept(record, line, source)
            return
        essential = self.plan.essential
        if any(split(str(issue.property), essential)[0] in essential for issue in issues):
            self._tally.read += 1
            self._reject(Ticket(self._origin, line, source), issues)
            return
        broken = {issue.property for issue in issues}
        rest = {name: value for name, value in record.items() if name not in broken}
        self.accept(rest, line, source, lost=issues)

    def reject_unmapped(self, record: dict[str, Any], line: int, error: str) -> None:
        """Reject a record for which the user's stream map failed."""
        self._tally.read += 1
        issue = Issue(Reason.STREAM_MAP_FAILED, message=f"the stream map ended with {clean(error, 60)}")
        self._reject(Ticket(self._origin, line, record_line(record)), (issue,), replay=False)

    def is_repeatable(self, operation: ProfileUpdate | AudienceChange) -> bool:
        """Return whether what was left out of an operation may be sent later, after what is sent now."""
        raise NotImplementedError

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Not used: records enter through `accept`, with their line and bytes."""
        raise NotImplementedError

    def process_batch(self, context: dict[str, Any]) -> None:
        """Not used: delivery forms its own batches."""

    @property
    def is_full(self) -> bool:
        """Always False: delivery limits what is waiting, across all streams."""
        return False

    def get_validator(self) -> None:
        """Return None: the converters of the plan check types."""

    def clean_up(self) -> None:
        """Do nothing: the run's totals replace the SDK's per-stream metrics."""


class ProfileSink(StreamSink):
    """A stream of profile updates: kinds `profiles`, `events`, `segment`, and cohorts as attributes."""

    def is_repeatable(self, operation: ProfileUpdate | AudienceChange) -> bool:
        """Return whether the operation has no event: an event that is sent again happens twice."""
        return not getattr(operation, "events", None)


class AudienceSink(StreamSink):
    """A stream whose records become audience changes: kind `audiences`."""

    def is_repeatable(self, operation: ProfileUpdate | AudienceChange) -> bool:  # noqa: ARG002
        """Return False: by then the member may have been removed, and would be added again."""
        return False


class IgnoringSink(StreamSink):
    """A stream of kind `ignore`: its records are only counted."""

    def __init__(
        self, target: Any, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        Sink.__init__(self, target, stream_name, schema, key_properties)
        self._fates = target.run.fates
        self._tally = self._fates.tally(stream_name)

    def accept(self, *_: Any, **__: Any) -> None:
        """Count one record."""
        self._tally.read += 1
        self._fates.ignored(self.stream_name, Reason.STREAM_IGNORED.code)

    accept_odd = accept

    def reject_unmapped(self, record: dict[str, Any], line: int, error: str) -> None:  # noqa: ARG002
        """Count one record."""
        self.accept(record, line, b"")


def sink_class(route: Route) -> type[StreamSink]:
    """Return the class of the sink for a stream; a cohort that becomes an attribute updates profiles."""
    if route.kind == "ignore":
        return IgnoringSink
    return AudienceSink if route.kind == "audiences" and not route.options.as_attribute else ProfileSink


def level_of(note: str) -> int:
    """Return the log level of a plan's note: INFO if it is about a property, else WARNING."""
    return logging.INFO if note.startswith(ABOUT_PROPERTY) else logging.WARNING


def _is_not_replayable(record: dict[str, Any]) -> bool:
    marks = record.get(MARK)
    return isinstance(marks, list) and any(
        isinstance(mark, dict) and mark.get("replay") is False for mark in marks
    )
