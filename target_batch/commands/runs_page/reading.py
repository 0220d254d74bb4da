"""What the page shows of `work_path`: the run log, and what each run refused, by stream and reason.

What was read is kept for a while, since a page asks again and again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from target_batch.commands import history
from target_batch.commands.rejects import EXAMPLES, Group
from target_batch.common.reasons import Reason
from target_batch.common.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_batch.commands.history import RejectMark

UNKNOWN: Final = "A reason that this version does not know."
LONGEST_FILE: Final = 1000
NAMES: Final = {"batch": "Batch", "id": "ID", "url": "URL", "segment": "Segment"}
"""Words that keep their capitals."""
BY_CODE: Final = {reason.code: reason for reason in Reason}


@dataclass
class Refused:
    """What the rejects files of one run hold; `files` says of each whether anything in it can be replayed."""

    groups: dict[str, dict[str, Group]] = field(default_factory=dict)
    examples: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    files: dict[str, bool] = field(default_factory=dict)


def gathered(refusals: Iterable[RejectMark]) -> Refused:
    """Gather refusals; of each group a few are kept as examples, without the record."""
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
    """Describe one reason of a stream; `counted` is what the run log says, the files may know otherwise."""
    group = found.groups.get(stream, {}).get(code) or Group()
    known = BY_CODE.get(code)
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
    """Return the words of a code."""
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
"""How long what was read from a disk is kept."""
FRESH_SECONDS_BEHIND_URL: Final = 30.0
"""The same behind a URL, where each run is an object of its own."""
FRESH_SECONDS_ENDED: Final = 60.0
"""How long the rejects of a run that ended are kept: they may be many, and change only by being deleted."""
RUNS_KEPT: Final = 8
"""Runs whose rejects are kept."""


class Work:
    """What runs left behind; may be asked from several threads.

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
        """Return the entries of the run log, the newest first.

        Raises:
            ConfigurationError: the folder cannot be read.
        """
        return self._read((), lambda: history.runs(self._path)[::-1], self._fresh)

    def run(self, name: str) -> dict[str, Any] | None:
        """Return the entry of one run; None for an unknown one.

        Raises:
            ConfigurationError: the folder cannot be read.
        """
        return next((entry for entry in self.runs() if entry["run"] == name), None)

    def refused(self, entry: dict[str, Any]) -> Refused:
        """Return what a run of the log refused; the rejects of one that ended only go away.

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
