"""How the inspection API answers and reads parameters."""

from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

LARGEST_PAGE: Final = 10_000
"""Largest ``limit`` of a list."""
ALL: Final = 2**62
"""Stands for no bound at all."""


def show(content: Any, status: int = 200) -> Response:
    """Answer with `content` as JSON."""
    headers = {"cache-control": "no-store"}
    return Response(msgspec.json.encode(content), status, headers, "application/json")


def fail(status: int, message: str) -> Response:
    """Answer with an error."""
    return show({"error": message}, status)


def whole(request: Request, name: str, default: int, most: int = LARGEST_PAGE) -> int:
    """Read a whole number of the query; nonsense counts as the default."""
    text = request.query_params.get(name, "")
    return min(int(text), most) if text.isascii() and text.isdigit() else default


def position(request: Request) -> int:
    """Read ``from`` of the query, which has no upper bound."""
    return whole(request, "from", 0, ALL)
