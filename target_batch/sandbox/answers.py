"""Answers in the forms that Batch documents."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.rules.entries import PartialError

Headers = tuple[tuple[bytes, bytes], ...]
"""Headers as ASGI wants them."""
JSON: Final[Headers] = ((b"content-type", b"application/json"),)
"""Headers of an answer in JSON."""
_APP_CODES: Final = {
    400: "MISSING_PARAMETER",
    401: "AUTHENTICATION_INVALID",
    403: "API_MISUSE",
    404: "ROUTE_NOT_FOUND",
    500: "SERVER_ERROR",
    503: "MAINTENANCE_ERROR",
}
"""The only codes of errors that the app platform documents, by status."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer.

    Attributes:
        status: HTTP status.
        body: Body, complete.
        headers: Headers without the length.
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
    """Make an answer whose body is a plain text."""
    return Answer(status, text.encode(), ((b"content-type", b"text/plain"),))


def success(errors: list[PartialError]) -> Answer:
    """Make the 202 of a call on profiles, with its partial errors if there are some."""
    if not errors:
        return json_answer(202, {"code": "SUCCESS"})
    content = {"code": "SUCCESS_WITH_PARTIAL_ERRORS", "errors": errors}
    return json_answer(202, content, len(errors))


def refusal(refused: Refused, *, is_app: bool = False) -> Answer:
    """Make the answer of a call that is refused as a whole.

    Args:
        refused: Why.
        is_app: Whether the call is one of the app platform, which has codes of its own.
    """
    code = _APP_CODES.get(refused.status, refused.code) if is_app else refused.code
    return json_answer(refused.status, {"error_code": code, "error_message": refused.message})
