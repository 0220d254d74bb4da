"""Answers in the formats that Batch documents."""

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

import msgspec

from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.rules.entries import PartialError

Headers = tuple[tuple[bytes, bytes], ...]
"""Headers in ASGI's format."""
JSON: Final[Headers] = ((b"content-type", b"application/json"),)
"""Headers of a JSON answer."""
_APP_CODES: Final = {
    400: "MISSING_PARAMETER",
    401: "AUTHENTICATION_INVALID",
    403: "API_MISUSE",
    404: "ROUTE_NOT_FOUND",
    500: "SERVER_ERROR",
    503: "MAINTENANCE_ERROR",
}
"""Error codes of the app platform by status; no others are documented."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer.

    Attributes:
        status: HTTP status.
        body: Complete body.
        headers: Headers, without the content length.
        partial_errors: Number of partial errors in the body.
    """

    status: int
    body: bytes
    headers: Headers = JSON
    partial_errors: int = 0


def json_answer(status: int, content: Any, partial_errors: int = 0) -> Answer:
    """Make an answer whose body is `content` as JSON."""
    return Answer(status, msgspec.json.encode(content), JSON, partial_errors)


def empty_answer(status: int) -> Answer:
    """Make an answer without a body."""
    return Answer(status, b"", ())


def text_answer(status: int, text: str) -> Answer:
    """Make a plain-text answer."""
    return Answer(status, text.encode(), ((b"content-type", b"text/plain"),))


def time_text(moment: float) -> str:
    """Return a Unix time as RFC 3339 with ``Z``, in whole seconds."""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def success(errors: list[PartialError]) -> Answer:
    """Make the 202 answer to a profile call, with any partial errors."""
    if not errors:
        return json_answer(202, {"code": "SUCCESS"})
    content = {"code": "SUCCESS_WITH_PARTIAL_ERRORS", "errors": errors}
    return json_answer(202, content, len(errors))


def refusal(refused: Refused, *, is_app: bool = False) -> Answer:
    """Make the answer to a call that is refused as a whole.

    Args:
        refused: The refusal.
        is_app: Whether the call is to the app platform, which has its own error codes.
    """
    code = _APP_CODES.get(refused.status, refused.code) if is_app else refused.code
    return json_answer(refused.status, {"error_code": code, "error_message": refused.message})
