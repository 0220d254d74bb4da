"""The files of a page, its own and the shared ones, as routes."""

from pathlib import Path
from typing import Any, Final

from starlette.responses import FileResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

SHARED: Final = Path(__file__).parent / "static"
"""Folder of what both pages use."""
_POLICY: Final = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_HEADERS: Final = {
    "content-security-policy": _POLICY,
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


def page_routes(folder: Path) -> list[BaseRoute]:
    """Make the routes of the page whose `index.html` and other files lie in a folder."""

    async def page(_request: Any) -> FileResponse:
        return FileResponse(folder / "index.html", headers=_HEADERS)

    return [
        Route("/", page),
        Mount("/static/shared", StaticFiles(directory=SHARED)),
        Mount("/static", StaticFiles(directory=folder)),
    ]
