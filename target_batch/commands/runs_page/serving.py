"""The routes and the server of the page."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.routing import Route

from target_batch.commands.runs_page import entries
from target_batch.commands.runs_page.reading import Refused, Work, reason
from target_batch.common.errors import ConfigurationError
from target_batch.common.redaction import clean
from target_batch.web import Guard, LocalServer, fail, flag, page_routes, position, show, whole

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

STATIC: Final = Path(__file__).parent / "static"
"""Folder of the page's files."""
LARGEST_PAGE: Final = 100
"""Largest ``limit`` of a list."""
GREETING: Final = "The runs are shown at {url} (Ctrl-C ends it)"
SPARED: Final = ("merged", "unchanged")


class RunsPage:
    """The views.

    Args:
        work: The run log and the rejects.
        target: The command line that calls the target, such as ``target-batch --config batch.json``.
    """

    def __init__(self, work: Work, target: str) -> None:
        self._work = work
        self._target = target

    def runs(self, request: Request) -> Response:
        """List or search the runs, newest first."""
        everything = self._work.runs()
        text = request.query_params.get("search", "")
        found = [entry for entry in everything if not text or entries.matches(entry, text)]
        if flag(request, "problems"):
            found = [entry for entry in found if entries.outcome(entry) != "succeeded"]
        start, limit = position(request), whole(request, "limit", 25, LARGEST_PAGE)
        shown = [entries.described(entry) for entry in found[start : start + limit]]
        return show({"total": len(everything), "found": len(found), **_totals(everything), "runs": shown})

    def run(self, request: Request) -> Response:
        """Show one run: its streams, what was refused and why, and how to replay it."""
        entry = self._work.run(request.path_params["run"])
        if entry is None:
            return fail(404, "run not found")
        refused = self._work.refused(entry)
        counts = dict(entries.streams(entry))
        names = list(counts | dict.fromkeys(refused.groups))
        start, limit = position(request), whole(request, "limit", 25, LARGEST_PAGE)
        streams = [_stream(entry, refused, name, counts.get(name)) for name in names[start : start + limit]]
        return show(
            {
                **entries.described(entry),
                "found": len(names),
                "streams": streams,
                **self._replays(entry, refused),
            }
        )

    def _replays(self, entry: dict[str, Any], refused: Refused) -> dict[str, Any]:
        """Return the rejects files and the commands that replay them; there are none for a dry run."""
        files = [clean(path, 1000) for path in refused.files]
        is_dry = entry.get("dry_run") is True
        ready = [path for path, repeatable in refused.files.items() if repeatable and not is_dry]
        commands = [f"{self._target} --input {shlex.quote(path)}" for path in ready[:LARGEST_PAGE]]
        return {"files": files[:LARGEST_PAGE], "replay": commands}


def _totals(everything: list[dict[str, Any]]) -> dict[str, Any]:
    """Count the runs that failed or did not end, and sum up the counts of live runs."""
    outcomes = [entries.outcome(entry) for entry in everything]
    live = [entry for entry in everything if entry.get("dry_run") is not True]
    tallies = [counts for entry in live for _, counts in entries.streams(entry)]
    sums = {name: sum(counts[name] for counts in tallies) for name in ("delivered", "rejected", *SPARED)}
    failed = {name: outcomes.count(name) for name in ("failed", "did_not_end")}
    return {"outcomes": failed, "totals": sums}


def _stream(
    entry: dict[str, Any], refused: Refused, name: str, counts: dict[str, int] | None
) -> dict[str, Any]:
    codes = dict.fromkeys(refused.groups.get(name, {}), 0) | entries.reasons(entry, name)
    reasons = [reason(refused, name, code, counted) for code, counted in codes.items()]
    reasons.sort(key=lambda one: -one["count"])
    return {
        "name": clean(name, entries.LONGEST_NAME),
        "counted": counts is not None,
        **(counts or {}),
        "reasons": reasons[:LARGEST_PAGE],
    }


def application(work_path: str, target: str) -> Guard:
    """Return the application."""
    page = RunsPage(Work(work_path), target)
    routes = [Route("/_/runs", page.runs), Route("/_/runs/{run:path}", page.run), *page_routes(STATIC)]
    return Guard(Starlette(routes=routes, exception_handlers={ConfigurationError: _unreadable}))


def serve(work_path: str, target: str, port: int) -> None:
    """Serve the page until a signal arrives.

    Args:
        work_path: The setting `work_path`.
        target: The command line that calls the target.
        port: TCP port, 0 for any free one.

    Raises:
        OSError: the port is taken.
    """
    LocalServer(application(work_path, target), GREETING).serve_on(port)


def _unreadable(_request: Request, error: Exception) -> Response:
    return fail(503, clean(error, 600))
