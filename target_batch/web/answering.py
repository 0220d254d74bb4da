"""How the pages' JSON is answered, and how its parameters are read."""

from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

LARGEST_PAGE: Final = 10_000
"""Largest ``limit`` of a list."""
ALL: Final = 2**62
"""Stands for no bound at all."""
_LONGEST_NUMBER: Final = 18


def show(content: Any, status: int = 200) -> Response:
    """Answer with `content` as JSON."""
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(msgspec.json.encode(content), status, headers, "application/json")


def fail(status: int, message: str) -> Response:
    """Answer with an error."""
    return show({"error": message}, status)


def whole(request: Request, name: str, default: int, most: int = LARGEST_PAGE) -> int:
    """Read a whole number of the query; nonsense counts as the default."""
    number = number_in(request.query_params.get(name, ""))
    return default if number is None else min(number, most)


def number_in(text: str) -> int | None:
    """Read a whole number of at most 18 digits; None for anything else."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
    return int(text) if is_number else None


def position(request: Request) -> int:
    """Read ``from`` of the query, which has no upper bound."""
    return whole(request, "from", 0, ALL)


def flag(request: Request, name: str) -> bool:
    """Read a yes or no of the query: ``1`` is yes."""
    return request.query_params.get(name) == "1"
