"""The Singer target: reads the settings, routes messages to sinks and the run, and ends the process."""

from __future__ import annotations

import copy
import errno
import gc
import os
import signal
import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import click
from singer_sdk.exceptions import MapExpressionError, RecordsWithoutSchemaException, StreamMapConfigError
from singer_sdk.helpers.capabilities import PluginCapabilities, TargetCapabilities
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform, StreamMap
from singer_sdk.target_base import Target

from target_batch import signals
from target_batch.common import standard_streams
from target_batch.common.errors import ConfigurationError, DeliveryError, InputError, StopRun
from target_batch.common.plain_text import counted
from target_batch.common.reasons import Reason
from target_batch.common.redaction import clean
from target_batch.config import files as configuration
from target_batch.config.checks import StreamEntries
from target_batch.config.files import mapped_streams, nested
from target_batch.config.routing import Route, route
from target_batch.config.settings import json_schema
from target_batch.connection_test import answer_connection_test, is_connection_test
from target_batch.mapping.checks import ready
from target_batch.mapping.declared import Schema
from target_batch.report.rejects import MARK
from target_batch.run import Run
from target_batch.singer.flattening import keep_arrays
from target_batch.singer.messages import RecordLine, row_of
from target_batch.singer.reader import TICK_ROWS, LineReader
from target_batch.singer.row_files import RowFile
from target_batch.sinks import StreamSink, sink_class

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator
    from types import FrameType

    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from target_batch.config.settings import Settings
    from target_batch.singer.messages import Message

GC_THRESHOLDS = (50_000, 20, 100)
"""Suited to records that live until their answer: the defaults would scan them all, again and again."""

COLLECT_AFTER = 100
"""Changes of a SCHEMA after which replaced plans are collected: `GC_THRESHOLDS` would keep them."""


TOO_FEW_DESCRIPTORS = "This process may open fewer files than a run needs: raise `ulimit -n`, and run again."

INTERNAL = "Internal error, %s: %s. Please report this line."

CHATTER = ("Skipping parse of env var", "Parsing env var for settings", "Reader '%s' completed")
"""Beginnings of log lines of the SDK that add nothing to the closing line."""


class SchemaMissingError(InputError, RecordsWithoutSchemaException):
    """A message came before the SCHEMA that it needs; also the type that the SDK raises then."""


class TargetBatch(Target):
    """Singer target for Batch, the customer-engagement platform: users, events and cohorts."""

    name = "target-batch"
    config_jsonschema: ClassVar[dict[str, Any]] = json_schema()
    default_sink_class = StreamSink
    message_reader_class = LineReader
    message_reader: LineReader
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        TargetCapabilities.VALIDATE_RECORDS,
    ]

    def __init__(self, *, config: dict[str, Any] | None = None, **options: Any) -> None:
        self.logger.addFilter(_is_news)
        self.signal_received = self._replaced = 0
        self._plain: dict[str, StreamSink] = {}
        self.routes: dict[str, Route] = {}
        super().__init__(config=copy.deepcopy(config or {}), **options)
        maps = (config or {}).get("stream_maps") or {}
        self._map_entries = StreamEntries("stream_maps", mapped_streams(maps))
        self._stream_entries = StreamEntries("streams", {name: (name,) for name in self.run.settings.streams})
        self.max_parallelism = 1
        self.message_reader.stopped = bool(self.signal_received)
        self.message_reader.tick = self.run.tick
        self.run.input_size = lambda: self.message_reader.size
        self.message_reader.warn = self.logger.warning

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings and create the run; the SDK calls this in its constructor.

        No message shows a value, and no default is written into the caller's settings.
        """
        _ = raise_errors
        given = {name: value for name, value in self._config.items() if value is not None}
        self._config = nested(given)
        self.run = self.make_run(ready(self._config))
        return []

    def make_run(self, settings: Settings) -> Run:
        """Return the run that the messages act on."""
        return Run(settings, self._emit, self.logger)

    def setup_mapper(self) -> None:
        """Set up the stream maps.

        Raises:
            ConfigurationError: `stream_maps` is wrong.
        """
        with _stream_map_errors():
            super().setup_mapper()

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add only those of the SDK's settings that this target supports."""
        offered = copy.deepcopy(config_jsonschema)
        super().append_builtin_config(offered)
        for name in ("add_record_metadata", "load_method", "batch_size_rows"):
            offered["properties"].pop(name, None)
        config_jsonschema.update(offered)

    def _process_schema_message(self, message: Message) -> None:  # type: ignore[override]
        stream, schema = message.stream, message.schema
        if stream is None or schema is None:
            raise self.message_reader.incomplete("SCHEMA", _missing(message, "stream", "schema"))
        schema = self._with_properties(schema)
        if is_connection_test(self.message_reader.line_number, stream, schema["properties"]):
            answer_connection_test(self.run.settings)
        self.run.begin()
        self._plain.pop(stream, None)
        maps = self._stream_maps(stream, schema, message.key_properties)
        for stream_map in maps:
            said = self._stream_entries.register(stream_map.stream_alias)
            if isinstance(stream_map, RemoveRecordTransform):
                continue
            if said:
                self.run.tell(stream_map.stream_alias, *said)
            self.run.sources[stream_map.stream_alias] = stream
            sink = self.get_sink(
                stream_map.stream_alias,
                schema=keep_arrays(stream_map, schema),
                key_properties=stream_map.transformed_key_properties or [],  # as the SDK's sinks say it
            )
            if (
                len(maps) == 1
                and type(stream_map) is SameRecordTransform
                and not stream_map.flattening_enabled
            ):
                self._plain[stream] = sink

    def _with_properties(self, schema: dict[str, Any]) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        if not isinstance(properties, dict):
            raise InputError(
                f"Line {self.message_reader.line_number} is a SCHEMA message whose `properties` is not an "
                "object. What came before it is finished and confirmed; correct the tap and run again."
            )
        return {**schema, "properties": properties}

    def _stream_maps(
        self, stream: str, schema: dict[str, Any], key_properties: list[str] | None
    ) -> list[StreamMap]:
        """Register a stream's maps; a rejects file has already been through them and skips them."""
        if MARK in schema["properties"]:
            self.message_reader.tolerates_torn_end = True
            plain = SameRecordTransform(stream, schema, key_properties, flattening_options=None)
            self.mapper.stream_maps[stream] = [plain]
        else:
            if said := self._map_entries.register(stream):
                self.run.tell(stream, *said)
            with _stream_map_errors():
                self.mapper.register_raw_stream_schema(stream, schema, key_properties)
        return self.mapper.stream_maps[stream]

    @property
    def idle_entries(self) -> list[tuple[str, int]]:
        """Messages, with their log levels, about entries of settings that fit no stream of the input."""
        return list(filter(None, (self._map_entries.idle(), self._stream_entries.idle())))

    def get_sink_class(self, stream_name: str) -> type[StreamSink]:
        """Return the sink of the stream's kind."""
        return sink_class(self.routes[stream_name])

    def get_sink(self, stream_name: str, **options: Any) -> StreamSink:
        """Return a stream's sink: a new one if its SCHEMA has changed."""
        before = self._sinks_active.get(stream_name)
        if (schema := options.get("schema")) is not None:
            keys = options.get("key_properties") or ()
            declared = {"properties": Schema(schema).properties}
            self.routes[stream_name] = route(stream_name, declared, keys, self.run.settings)
        sink: StreamSink = super().get_sink(stream_name, **options)  # type: ignore[assignment]
        if before is not None and sink is not before:
            self._sinks_to_clear.clear()
            self._replaced += 1
            if self._replaced % COLLECT_AFTER == 0:
                self.run.drain()
                gc.collect()
        return sink

    def _process_record_message(self, message: Message) -> None:  # type: ignore[override]
        reader = self.message_reader
        stream, record = message.stream, message.record
        if record is None or stream is None:
            raise reader.incomplete("RECORD", _missing(message, "stream", "record"))
        sink = self._plain.get(stream)
        if sink is not None and not reader.odd:
            sink.accept(record, reader.line_number, reader.line)
        else:
            self._take(stream, RecordLine(record, reader.line, reader.odd))

    def _take(self, stream: str, row: RecordLine) -> None:
        """Process a record that may be odd, or that stream maps apply to."""
        sink, line = self._plain.get(stream), self.message_reader.line_number
        if sink is None:
            self._process_mapped(stream, row.record, line)
        elif row.odd:
            sink.accept_odd(row.record, line, row.line)
        else:
            sink.accept(row.record, line, row.line)

    def _process_mapped(self, stream: str, record: dict[str, Any], line: int) -> None:
        """Pass a record through the SDK's stream maps and flattening, then to its sinks."""
        self._needs_schema("RECORD", stream)
        for stream_map in self.mapper.stream_maps[stream]:
            alias = stream_map.stream_alias
            try:
                transformed = stream_map.transform(copy.copy(record))
                row = None if transformed is None else row_of(transformed)
            except Exception as error:  # noqa: BLE001 - a user's expression failed on a value
                self.get_sink(alias).reject_unmapped(record, line, type(error).__name__)
                continue
            if row is None:
                self.run.fates.tally(alias).read += 1
                self.run.fates.ignored(alias, Reason.FILTERED_BY_STREAM_MAP.code)
            else:
                sink = self.get_sink(alias)
                accept = sink.accept_odd if row.odd else sink.accept
                accept(row.record, line, row.line)

    def _needs_schema(self, kind: str, stream: str) -> None:
        if stream not in self.mapper.stream_maps:
            raise SchemaMissingError(
                f"Line {self.message_reader.line_number} is a {kind} before its SCHEMA. "
                "Correct the tap; what came before is finished."
            )

    def _process_state_message(self, message: Message) -> None:  # type: ignore[override]
        value = bytes(message.value)
        if not value:
            raise self.message_reader.incomplete("STATE", "value")
        try:
            value.decode()  # the decoder does not check what a message keeps as bytes
        except UnicodeDecodeError:
            raise InputError(
                f"Line {self.message_reader.line_number} is a STATE message whose `value` is not UTF-8. "
                "Correct the tap and run again."
            ) from None
        self.run.state(self.message_reader.line_number, value)

    def _process_activate_version_message(self, message: Message) -> None:  # type: ignore[override]
        """Note it for every stream that is mapped from the one it names."""
        maps = self.mapper.stream_maps.get(message.stream or "", ())
        self.run.activated([one.stream_alias for one in maps])

    def _process_batch_message(self, message: Message) -> None:  # type: ignore[override]
        """Process the rows of files in order, as if they were RECORD messages."""
        reader, stream = self.message_reader, message.stream
        if stream is None or message.manifest is None or message.encoding is None:
            raise reader.incomplete("BATCH", _missing(message, "stream", "encoding", "manifest"))
        self._needs_schema("BATCH", stream)
        for uri in message.manifest:
            file = RowFile(uri, reader.line_number, goes_on=reader.goes_on)
            for row, line in enumerate(file.lines(message.encoding), start=1):
                self._take(stream, file.decoded(line, row))
                if reader.stopped or (row % TICK_ROWS == 0 and not reader.goes_on()):
                    return

    def process_endofpipe(self) -> None:
        """Deliver what was read, pass the last state on, and report settings that fitted no stream."""
        self.run.input_ended = not self.signal_received
        self.run.finish()
        self._sinks_to_clear.clear()
        if self.run.input_ended:
            for sentence, level in self.idle_entries:
                self.logger.log(level, "%s", sentence)

    def _emit(self, state: bytes) -> None:
        try:
            standard_streams.write_output(state + b"\n", self.run.out_of_time)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise DeliveryError(
                f"The state cannot be written to the standard output ({reason}). "
                "What was delivered since the last state will be delivered again."
            ) from error

    def _setup_signal_handlers(self) -> None:
        signals.handle(self._handle_termination)

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Only set flags: `SignalWatch` does the rest on its thread, and the main loop ends the run."""
        _ = frame
        if not self.signal_received:
            self.signal_received = signum
            if reader := getattr(self, "message_reader", None):
                reader.stopped = True

    def _acknowledge(self, signum: int) -> None:
        """Make the run end soon, and log it; called on the thread of `SignalWatch`."""
        self.run.hurry(signalled=True)
        if standard_streams.takes_errors():
            self.logger.warning(
                "%s: reading has stopped. Finishing what was read (%s); if Batch does not answer, "
                "for at most 5 seconds.",
                signal.Signals(signum).name,
                counted(self.run.open_records, "record"),
            )

    def _leave(self) -> None:
        """End the process: its main thread is waiting for something external that does not happen."""
        standard_streams.say_if_possible(
            "The run had to end while it waited for a lock of the ledger, for storage or for a full pipe: "
            "left as after a crash, the state is held. Run again."
        )
        os._exit(1)

    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Any = None,
        file_input: Any = None,
    ) -> None:
        """Run the target and end the process with the exit code that the contract promises."""
        if about:
            cls.print_about(about_format)
            return
        cls.run_and_exit(config, file_input=file_input)

    @classmethod
    def run_and_exit(
        cls, config: Any, *, file_input: Any = None, message_reader: LineReader | None = None
    ) -> NoReturn:
        """Process an input, or what a reader yields, and end the process with the exit code.

        `config` is the result of reading `--config`, or the names that were given to it.
        """
        if isinstance(config, tuple):
            config = cls.cb_config(click.get_current_context(), click.Option(["--config"]), config)
        if config is not None and not config.named:
            raise configuration.Wrong(configuration.NO_CONFIGURATION)
        try:
            target = cls(
                config=config.config if config else {},
                message_reader=message_reader,
            )
        except ConfigurationError as error:
            cls.logger.error("%s", error)  # noqa: TRY400 - a message, not a traceback
            sys.exit(error.exit_code)
        except Exception as error:  # noqa: BLE001 - its message may hold a value, so it is not shown
            cls.logger.error(INTERNAL, "nothing was read", _where(error))  # noqa: TRY400
            sys.exit(1)
        cls.logger.info("%s", target.run.opening)
        for note in config.notes if config else ():
            cls.logger.warning("%s", note)
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        code = target.listen_to_the_end(file_input)
        signals.handle(signal.SIG_IGN)  # at exit, the interpreter would restore the default handlers
        sys.exit(code)

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        """Read the configuration files; if one cannot be read, exit with a message and code 2."""
        given: Any = super().cb_config(ctx, param, ())
        given.notes, given.named = [], bool(value)
        given.config = configuration.read(value, given.notes.append)
        return given

    def listen_to_the_end(self, file_input: Any) -> int:
        """Process the input, settle what is left even after a failure, and return the exit code."""
        with signals.SignalWatch(self._acknowledge, self.run.pulse, self._leave) as watch:
            if self.signal_received:
                watch.already(self.signal_received)
            code = self._guarded(lambda: self.listen(file_input))
            if code and not self.run.failed:
                code = self._guarded(self.run.finish) or code
            if self.run.failed:
                self._guarded(self.run.abandon)
            elif self.signal_received and not code:
                code = 128 + self.signal_received
                name = signal.Signals(self.signal_received).name
                self.run.stopped_by(f"Stopped by {name}; what was read is confirmed.")
            failed_to_close = self._guarded(lambda: self.run.close(code))
            return code or failed_to_close  # the run log says the same

    def _guarded(self, step: Callable[[], None]) -> int:
        """Run a step; log an error without values of records, and return its exit code."""
        try:
            step()
        except StopRun as error:
            cause, code = str(error), error.exit_code
        except Exception as error:  # noqa: BLE001 - its message may hold a record, so it is not shown
            self.run.distrusted = True
            cause, code = INTERNAL % ("the state is held", _where(error)), 1
            if isinstance(error, OSError) and error.errno == errno.EMFILE:
                cause = f"{TOO_FEW_DESCRIPTORS} The state is held."
        else:
            return 0
        self.run.stopped_by(cause)
        self.logger.error("%s", cause)
        return code


def _missing(message: Message, *names: str) -> str:
    """Return the first of the keys that a message lacks."""
    return next(name for name in names if getattr(message, name) is None)


def _is_news(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(CHATTER)


@contextmanager
def _stream_map_errors() -> Iterator[None]:
    try:
        yield
    except (MapExpressionError, StreamMapConfigError) as error:
        raise ConfigurationError(f"The setting `stream_maps` is wrong: {clean(error, 200)}") from None


def _where(error: Exception) -> str:
    """Describe an unexpected error by its type and location, never by its message."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames))
    return clean(f"{type(error).__name__} at {places}", 300)
