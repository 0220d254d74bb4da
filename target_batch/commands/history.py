"""Reading run logs and rejects under `work_path`, tolerating torn lines, odd values and empty folders."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field, replace
from glob import escape
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_batch.common.errors import ConfigurationError
from target_batch.common.storage import folder_at
from target_batch.report.rejects import MARK

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

RUN_LOGS: Final = ("runs*.jsonl", "runs/*.jsonl")
"""Files of the run log: a single file on a disk, an object per run behind a URL."""

COUNTS: Final = ("read", "delivered", "unchanged", "added", "removed", "ignored", "rejected", "undelivered")
"""Counts of a stream in the run log that `runs` shows."""

STREAM_COUNTS: Final = (*COUNTS, "merged")

EXAMPLES: Final = 5
"""Lines, properties, messages and examples kept per group of rejects."""

RUN_IN_NAME = re.compile(r"(\d{8}T\d{6}Z-[0-9a-f]+)-[^/\\]*$")


@dataclass(frozen=True, slots=True)
class RejectMark:
    """One mark of a rejected record: its file, its line in that file (`position`), and the mark itself."""

    run: str
    file: str
    position: int
    stream: str
    number: int
    mark: dict[str, Any]
    record: dict[str, Any]


@dataclass
class Group:
    """Marks of one stream with the same reason; `final` counts those that must not be sent again."""

    count: int = 0
    final: int = 0
    lines: dict[int, None] = field(default_factory=dict)
    properties: dict[str, None] = field(default_factory=dict)
    messages: dict[str, None] = field(default_factory=dict)
    examples: list[RejectMark] = field(default_factory=list)
    """The first marks, without their records."""

    def add(self, refusal: RejectMark) -> None:
        """Add a mark."""
        mark = refusal.mark
        self.count += 1
        self.final += mark.get("replay") is False
        line = mark.get("line")
        if isinstance(line, int) and len(self.lines) < EXAMPLES:
            self.lines[line] = None
        for known, value in ((self.properties, mark.get("property")), (self.messages, mark.get("message"))):
            if value and len(known) < EXAMPLES:
                known[str(value)] = None
        if len(self.examples) < EXAMPLES:
            self.examples.append(replace(refusal, record={}))


@dataclass
class Refused:
    """Rejects by stream and reason; `files` maps each file to whether any of it can be replayed."""

    groups: dict[str, dict[str, Group]] = field(default_factory=dict)
    files: dict[str, bool] = field(default_factory=dict)

    def replays(self, target: str) -> list[str]:
        """Return the commands that replay the files; `target` is the command line of the target."""
        return [f"{target} --input {shlex.quote(path)}" for path, ready in self.files.items() if ready]


def grouped(refusals: Iterable[RejectMark], dry_runs: Collection[str]) -> Refused:
    """Group the marks of rejects. Those of dry runs cannot be replayed: they were never to be sent."""
    found = Refused()
    for refusal in refusals:
        code = str(refusal.mark.get("code", "unknown"))
        found.groups.setdefault(refusal.stream, {}).setdefault(code, Group()).add(refusal)
        ready = refusal.run not in dry_runs and refusal.mark.get("replay") is not False
        found.files[refusal.file] = found.files.get(refusal.file, False) or ready
    return found


def runs(work_path: str) -> list[dict[str, Any]]:
    """Return the runs of the run log, oldest first.

    A run writes one line when it begins and another when it ends; the latter replaces the former.
    """
    files = [content for pattern in RUN_LOGS for _, content in _files(work_path, pattern)]
    found = [entry for content in files for _, entry in _objects(content)]
    known: dict[str, dict[str, Any]] = {}
    for entry in found:
        run, ended = entry.get("run"), entry.get("ended", True) is not False
        if isinstance(run, str) and (ended or run not in known):
            known[run] = entry
    return sorted(known.values(), key=lambda entry: str(entry.get("started", "")))


def refusals(work_path: str, run: str | None = None) -> Iterator[RejectMark]:
    """Yield every mark of every rejected record, of one run or of all runs."""
    files = "rejects/*.jsonl" if run is None else f"rejects/{escape(run)}*.jsonl"
    for name, content in _files(work_path, files):
        match = RUN_IN_NAME.search(name)
        of_run = match[1] if match else ""
        if run is not None and of_run != run:
            continue
        for position, message in _objects(content):
            yield from _marks(of_run, name, position, message)


def last_refused(work_path: str) -> str | None:
    """Return the last run that left rejects, in the order of the run log, else in the order of names."""
    refused = {found.run for found in refusals(work_path)}
    logged = [entry["run"] for entry in runs(work_path) if entry["run"] in refused]
    return logged[-1] if logged else max(refused, default=None)


def streams(entry: dict[str, Any]) -> list[tuple[str, dict[str, int]]]:
    """Return the names of a run's streams with their counts, 0 for what is missing or no number."""
    named = object_in(entry.get("streams")).items()
    return [
        (name, {count: whole(object_in(tally).get(count)) for count in STREAM_COUNTS})
        for name, tally in named
    ]


def reasons(entry: dict[str, Any], stream: str) -> dict[str, int]:
    """Return how often each reason was counted for a stream of a run."""
    tally = object_in(object_in(entry.get("streams")).get(stream))
    return {code: whole(count) for code, count in object_in(tally.get("reasons")).items()}


def whole(value: Any) -> int:
    """Return the value if it is a whole number, else 0."""
    return value if type(value) is int else 0


def real(value: Any) -> float:
    """Return the value if it is a number, else 0."""
    return float(value) if type(value) in {int, float} else 0.0


def object_in(value: Any) -> dict[str, Any]:
    """Return the value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def _marks(run: str, name: str, position: int, message: dict[str, Any]) -> Iterator[RejectMark]:
    record = message.get("record")
    if message.get("type") != "RECORD" or not isinstance(record, dict):
        return
    marks = record.pop(MARK, None)
    stream = str(message.get("stream", ""))
    for number, mark in enumerate(marks if isinstance(marks, list) else ()):
        if isinstance(mark, dict):
            yield RejectMark(run, name, position, stream, number, mark, record)


def _files(work_path: str, pattern: str) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of the files that match a pattern.

    Raises:
        ConfigurationError: the folder cannot be read.
    """
    try:
        yield from folder_at(work_path).read(pattern)
    except OSError as error:
        raise ConfigurationError(f"The folder of `work_path` cannot be read: {error.strerror}.") from None


def _objects(content: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line numbers and JSON objects; torn lines are skipped."""
    for number, line in enumerate(content.split(b"\n"), 1):
        try:
            found = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if isinstance(found, dict):
            yield number, found
