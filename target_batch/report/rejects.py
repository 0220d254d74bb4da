"""Rejected records, as Singer files that `target-batch --input` can deliver once the cause is fixed."""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_batch.common.errors import DeliveryError
from target_batch.common.properties import projected
from target_batch.singer.messages import AlteredLine, representable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_batch.common.operations import Origin, Ticket
    from target_batch.common.reasons import Issue
    from target_batch.common.redaction import Scrubber
    from target_batch.common.storage import Appender, Folder

MARK: Final = "_batch_reject"
"""The property that holds the reasons in a rejected record; in a SCHEMA it identifies a rejects file."""

LONGEST_MESSAGE: Final = 300
MARK_SCHEMA: Final[dict[str, Any]] = {"type": ["array", "null"], "items": {"type": "object"}}


class RejectsFolder:
    """The folder `rejects/`, with one Singer file per stream; `now` returns seconds since the epoch."""

    def __init__(self, folder: Folder, run: str, now: Callable[[], float], scrub: Scrubber) -> None:
        self._folder = folder
        self._run = run
        self._now = now
        self._scrub = scrub
        self._files: dict[str, Appender] = {}
        self._heads: dict[str, tuple[Origin, bytes]] = {}
        self._dirty: set[str] = set()
        self.failed = False
        """Whether something could not be written; from then on no state may be emitted."""
        self._encode = msgspec.json.Encoder(decimal_format="number").encode

    @property
    def names(self) -> list[str]:
        """The files written so far."""
        return [name for file in self._files.values() for name in file.names]

    def write(self, ticket: Ticket, issues: Sequence[Issue], *, whole: bool, replay: bool) -> None:
        """Write one record, either whole or only its identity and the rejected properties.

        One that JSON cannot hold is never replayed: the text in place of NaN would become the attribute.

        Raises:
            DeliveryError: the record could not be written.
        """
        origin = ticket.origin
        record = ticket.record
        replay = replay and not isinstance(ticket.source, AlteredLine)
        if not whole:
            named = (representable(issue.property) for issue in issues if issue.property is not None)
            record = projected(record, (*origin.identity, *named))
        at = datetime.fromtimestamp(self._now(), timezone.utc).isoformat(timespec="seconds")
        record[MARK] = [self._described(issue, ticket.line, at, replay=replay) for issue in issues]
        message = {"type": "RECORD", "stream": origin.stream, "record": record}
        with self._raising_write_errors():
            self._file(origin.stream).write(self._head(origin), self._encode(message) + b"\n")
        self._dirty.add(origin.stream)

    def _described(self, issue: Issue, line: int, at: str, *, replay: bool) -> dict[str, Any]:
        """Describe an issue; attribute and message may come from Batch, so they are scrubbed."""
        described: dict[str, Any] = {
            "code": issue.reason.code,
            "property": representable(issue.property),
            "attribute": None if issue.attribute is None else self._scrub(issue.attribute),
            "message": self._scrub(issue.message, LONGEST_MESSAGE),
            "line": line,
            "at": at,
        }
        return described if replay else described | {"replay": False}

    def _file(self, stream: str) -> Appender:
        if stream not in self._files:
            name = f"rejects/{self._run}-{_file_name(stream)}.singer.jsonl"
            self._files[stream] = self._folder.append(name)
        return self._files[stream]

    def _head(self, origin: Origin) -> bytes:
        declared = self._heads.get(origin.stream)
        if declared is None or declared[0] is not origin:
            schema = _without_required(origin.schema)
            schema["properties"] = {**(schema.get("properties") or {}), MARK: MARK_SCHEMA}
            keys = list(origin.key_properties)
            message = {"type": "SCHEMA", "stream": origin.stream, "schema": schema, "key_properties": keys}
            declared = origin, self._encode(message) + b"\n"
            self._heads[origin.stream] = declared
        return declared[1]

    def sync(self) -> None:
        """Flush everything written to disk, before a state may be emitted.

        Raises:
            DeliveryError: the rejects could not be written; the run must stop without a state.
        """
        with self._raising_write_errors():
            for stream in sorted(self._dirty):
                self._files[stream].sync()
        self._dirty.clear()

    def close(self) -> None:
        """Sync and close every file.

        Raises:
            DeliveryError: the rejects could not be written.
        """
        for file in self._files.values():
            with self._raising_write_errors():
                file.close()

    @contextmanager
    def _raising_write_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failed = True
            raise DeliveryError(
                f"The rejects cannot be written ({error.strerror or type(error).__name__}), so the state is "
                "held. Make room in the folder of `work_path`, or point it elsewhere, and run again."
            ) from None


def _without_required(schema: Any) -> Any:
    """Drop `required` everywhere: a partial record is meant to lack properties."""
    if isinstance(schema, list):
        return [_without_required(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_required(value)
        for key, value in schema.items()
        if key != "required" or not isinstance(value, list)
    }


def _file_name(stream: str) -> str:
    name = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in stream)[:100]
    return name if name == stream else f"{name}-{zlib.crc32(stream.encode()):08x}"
