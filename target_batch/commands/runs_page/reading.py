"""Reading `work_path` for the page: the run log, and the rejects of each run by stream and reason.

Results are cached for a while, because a page asks for them repeatedly.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from target_batch.commands import history
from target_batch.commands.rejects import EXAMPLES, REASONS, UNKNOWN, Group
from target_batch.common.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_batch.commands.history import RejectMark

LONGEST_FILE: Final = 1000
NAMES: Final = {"batch": "Batch", "id": "ID", "url": "URL", "segment": "Segment"}
"""Words that keep their capitals."""


@dataclass
class Refused:
    """The contents of one run's rejects files; `files` maps each to whether any of it can be replayed."""

    groups: dict[str, dict[str, Group]] = field(default_factory=dict)
    examples: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    files: dict[str, bool] = field(default_factory=dict)


def gathered(refusals: Iterable[RejectMark]) -> Refused:
    """Group the marks of rejects, and keep a few of each group as examples, without the record."""
    found = Refused()
    for refusal in refusals:
        code = str(refusal.mark.get("code", "unknown"))
        found.groups.setdefault(refusal.stream, {}).setdefault(code, Group()).add(refusal.mark)
        examples = found.examples.setdefault((refusal.stream, code), [])
        if len(examples) < EXAMPLES:
            examples.append(_example(refusal))
        repeatable = refusal.mark.get("replay") is not False
        found.files[refusal.file] = found.files.get(refusal.file, False) or repeatable
    return found


def reason(found: Refused, stream: str, code: str, counted: int) -> dict[str, Any]:
    """Describe one reason of a stream; `counted` is the run log's count, which may differ from the files."""
    group = found.groups.get(stream, {}).get(code) or Group()
    known = REASONS.get(code)
    return {
        "code": clean(code, 60),
        "label": _label(clean(code, 60)),
        "count": max(counted, group.count),
        "costs": known.level if known else "",
        "advice": known.advice if known else UNKNOWN,
        "final": group.final,
        "properties": [clean(name) for name in group.properties],
        "messages": [clean(text, 200) for text in group.messages],
        "examples": found.examples.get((stream, code), []),
    }


def _label(code: str) -> str:
    """Return the code of a reason in words."""
    words = [NAMES.get(word, word) for word in code.split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def _example(refusal: RejectMark) -> dict[str, Any]:
    mark = refusal.mark
    line = mark.get("line")
    named = {name: clean(mark[name], 200) for name in ("property", "attribute") if mark.get(name)}
    return {
        "line": line if type(line) is int else None,
        **named,
        "file": clean(refusal.file, LONGEST_FILE),
        "position": refusal.position,
    }


T = TypeVar("T")

FRESH_SECONDS: Final = 1.0
"""Time for which results from a disk are cached."""
FRESH_SECONDS_BEHIND_URL: Final = 30.0
"""The same for a URL, where every run is a separate object to read."""
FRESH_SECONDS_ENDED: Final = 60.0
"""The same for rejects of runs that have ended: they may be many, and can only be deleted."""
RUNS_KEPT: Final = 8
"""Number of runs whose rejects are cached."""


class Work:
    """Cached access to what runs left under `work_path`. Thread-safe.

    Args:
        path: The setting `work_path`: a folder, or a URL that fsspec knows.
        monotonic: The clock, in seconds.
    """

    def __init__(self, path: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        is_remote = "://" in path and not path.startswith("file://")
        self._fresh = FRESH_SECONDS_BEHIND_URL if is_remote else FRESH_SECONDS
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, ...], tuple[float, Any]] = OrderedDict()

    def runs(self) -> list[dict[str, Any]]:
        """Return the entries of the run log, newest first.

        Raises:
            ConfigurationError: the folder cannot be read.
        """
        return self._read((), lambda: history.runs(self._path)[::-1], self._fresh)

    def run(self, name: str) -> dict[str, Any] | None:
        """Return the entry of one run, None if it is unknown.

        Raises:
            ConfigurationError: the folder cannot be read.
        """
        return next((entry for entry in self.runs() if entry["run"] == name), None)

    def refused(self, entry: dict[str, Any]) -> Refused:
        """Return the rejects of a run in the log.

        Raises:
            ConfigurationError: the folder cannot be read.
        """
        run = entry["run"]
        fresh = self._fresh if entry.get("ended") is False else FRESH_SECONDS_ENDED
        return self._read((run,), lambda: gathered(history.refusals(self._path, run)), fresh)

    def _read(self, key: tuple[str, ...], read: Callable[[], T], fresh: float) -> T:
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and self._monotonic() - kept[0] < fresh:
                found: T = kept[1]
                return found
            found = read()
            self._kept[key] = self._monotonic(), found
            self._kept.move_to_end(key)
            while len(self._kept) > RUNS_KEPT + 1:
                self._kept.popitem(last=False)
            return found
