"""The page's data, its routes and its server. Every value is checked: a file may contain anything."""

from __future__ import annotations

import time
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.applications import Starlette
from starlette.routing import Route

from target_batch.commands import history
from target_batch.commands.history import STREAM_COUNTS, Group, real, reasons, streams, whole
from target_batch.commands.runs import TOTALS, cause
from target_batch.commands.shared import REASONS, UNKNOWN_REASON
from target_batch.common.errors import ConfigurationError
from target_batch.common.redaction import clean
from target_batch.web import Guard, LocalServer, amount, fail, flag, page_routes, position, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from target_batch.commands.history import Refused, RejectMark

T = TypeVar("T")

STATIC: Final = Path(__file__).parent / "static"
"""Folder of the page's files."""
LARGEST_PAGE: Final = 100
"""Largest ``limit`` of a list."""
LONGEST_NAME: Final = 300
LONGEST_FILE: Final = 1000
NAMES_SHOWN: Final = 20
WORDS: Final = {"batch": "Batch", "id": "ID", "url": "URL", "segment": "Segment"}
"""Words that keep their capitals."""

FRESH_SECONDS: Final = 1.0
"""Time for which results from a disk are cached."""
FRESH_SECONDS_BEHIND_URL: Final = 30.0
"""The same for a URL, where every run is a separate object to read."""
FRESH_SECONDS_ENDED: Final = 60.0
"""The same for rejects of runs that have ended: they may be many, and can only be deleted."""
RUNS_KEPT: Final = 8
"""Number of runs whose rejects are cached."""


class Work:
    """Cached access to what runs left under `work_path`, as a page asks for it repeatedly. Thread-safe.

    `path` is the setting `work_path`, `monotonic` the clock, in seconds. If the folder cannot be read, the
    methods raise a `ConfigurationError`.
    """

    def __init__(self, path: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        is_remote = "://" in path and not path.startswith("file://")
        self._fresh = FRESH_SECONDS_BEHIND_URL if is_remote else FRESH_SECONDS
        self._lock = Lock()
        self._kept: OrderedDict[str | None, tuple[float, Any]] = OrderedDict()

    def runs(self) -> list[dict[str, Any]]:
        """Return the entries of the run log, newest first."""
        return self._read(None, lambda: history.runs(self._path)[::-1], self._fresh)

    def refused(self, entry: dict[str, Any]) -> Refused:
        """Return the rejects of a run in the log."""
        run = entry["run"]
        dry_runs = {run} if entry.get("dry_run") is True else set()
        fresh = self._fresh if entry.get("ended") is False else FRESH_SECONDS_ENDED
        return self._read(run, lambda: history.grouped(history.refusals(self._path, run), dry_runs), fresh)

    def _read(self, key: str | None, read: Callable[[], T], fresh: float) -> T:
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


class RunsPage:
    """The views; `target` is the command line that calls the target, for the commands that replay."""

    def __init__(self, work: Work, target: str) -> None:
        self._work = work
        self._target = target

    def runs(self, request: Request) -> Response:
        """List or search the runs, newest first."""
        everything = self._work.runs()
        text = request.query_params.get("search", "")
        found = [entry for entry in everything if not text or matches(entry, text)]
        if flag(request, "problems"):
            found = [entry for entry in found if outcome(entry) != "succeeded"]
        outcomes = [outcome(entry) for entry in everything]
        live = [entry for entry in everything if entry.get("dry_run") is not True]
        tallies = [counts for entry in live for _, counts in streams(entry)]
        names = ("delivered", "rejected", "merged", "unchanged")
        listed = {
            "total": len(everything),
            "found": len(found),
            "outcomes": {name: outcomes.count(name) for name in ("failed", "did_not_end")},
            "totals": {name: sum(counts[name] for counts in tallies) for name in names},
            "runs": [described(entry) for entry in found[_part(request)]],
        }
        return show(listed)

    def run(self, request: Request) -> Response:
        """Show one run: its streams, what was refused and why, and how to replay it."""
        name = request.path_params["run"]
        entry = next((entry for entry in self._work.runs() if entry["run"] == name), None)
        if entry is None:
            return fail(404, "run not found")
        refused, counts = self._work.refused(entry), dict(streams(entry))
        names = list(counts | refused.groups)
        found = {
            **described(entry),
            "found": len(names),
            "streams": [_stream(entry, refused, one, counts.get(one)) for one in names[_part(request)]],
            "files": [clean(path, LONGEST_FILE) for path in refused.files][:LARGEST_PAGE],
            "replay": refused.replays(self._target)[:LARGEST_PAGE],
        }
        return show(found)


def _part(request: Request) -> slice:
    """Return the part of a list that a request asks for."""
    start = position(request)
    return slice(start, start + amount(request, "limit", 25, LARGEST_PAGE))


def described(entry: dict[str, Any]) -> dict[str, Any]:
    """Describe a run: when it ran, how and why it ended, and the sums of its streams' counts."""
    counted = streams(entry)
    return {
        "run": str(entry.get("run", "")),
        "started": clean(entry.get("started", "")),
        "seconds": real(entry.get("seconds")),
        "exit": whole(entry.get("exit")),
        "ended": entry.get("ended") is not False,
        "dry_run": entry.get("dry_run") is True,
        "cause": cause(entry),
        "outcome": outcome(entry),
        "names": [clean(name, LONGEST_NAME) for name, _ in counted[:NAMES_SHOWN]],
        "streams_total": len(counted),
        **{name: whole(entry.get(name)) for name in TOTALS},
        **{name: sum(counts[name] for _, counts in counted) for name in STREAM_COUNTS},
    }


def outcome(entry: dict[str, Any]) -> str:
    """Return how a run ended: `did_not_end`, `failed`, `stopped` by a signal, `rejecting` or `succeeded`."""
    code = whole(entry.get("exit"))
    if entry.get("ended") is False:
        return "did_not_end"
    if code > 128:  # noqa: PLR2004 - 128 + the signal's number, as in shells
        return "stopped"
    if code:
        return "failed"
    return "rejecting" if any(counts["rejected"] for _, counts in streams(entry)) else "succeeded"


def matches(entry: dict[str, Any], text: str) -> bool:
    """Return whether a run's name, time, cause, outcome, streams or reasons contain a text, ignoring case."""
    names = [name for name, _ in streams(entry)]
    codes = [code for name in names for code in reasons(entry, name)]
    parts = (entry.get("run"), entry.get("started"), cause(entry), outcome(entry), *names, *codes)
    return text.casefold() in "\n".join(map(str, parts)).casefold()


def _stream(
    entry: dict[str, Any], refused: Refused, name: str, counts: dict[str, int] | None
) -> dict[str, Any]:
    groups = refused.groups.get(name, {})
    codes = dict.fromkeys(groups, 0) | reasons(entry, name)
    shown = [_reason(code, counted, groups.get(code, Group())) for code, counted in codes.items()]
    return {
        "name": clean(name, LONGEST_NAME),
        "counted": counts is not None,
        **(counts or {}),
        "reasons": sorted(shown, key=lambda one: -one["count"])[:LARGEST_PAGE],
    }


def _reason(code: str, counted: int, group: Group) -> dict[str, Any]:
    """Describe one reason of a stream; `counted` is the run log's count, which may differ from the files."""
    known = REASONS.get(code)
    first, *others = (WORDS.get(word, word) for word in clean(code, 60).split("_"))
    return {
        "code": clean(code, 60),
        "label": " ".join([first[:1].upper() + first[1:], *others]),
        "count": max(counted, group.count),
        "costs": known.level if known else "",
        "advice": known.advice if known else UNKNOWN_REASON,
        "final": group.final,
        "properties": [clean(name) for name in group.properties],
        "messages": [clean(text, 200) for text in group.messages],
        "examples": [_example(refusal) for refusal in group.examples],
    }


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


def serve(work_path: str, target: str, port: int) -> None:
    """Serve the page on a TCP port, 0 for any free one, until a signal arrives.

    Raises:
        OSError: the port is taken.
    """
    page = RunsPage(Work(work_path), target)
    routes = [Route("/_/runs", page.runs), Route("/_/runs/{run:path}", page.run), *page_routes(STATIC)]
    unreadable = {ConfigurationError: lambda _request, error: fail(503, clean(error, 600))}
    app = Guard(Starlette(routes=routes, exception_handlers=unreadable))
    LocalServer(app, "The runs are shown at {url} (Ctrl-C ends it)").serve_on(port)
