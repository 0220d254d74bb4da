"""Answers in the forms that Batch documents."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.rules.entries import Blame

Headers = tuple[tuple[bytes, bytes], ...]
"""Headers as ASGI wants them."""
JSON: Final[Headers] = ((b"content-type", b"application/json"),)
"""Headers of an answer in JSON."""


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


def success(blames: list[Blame]) -> Answer:
    """Make the 202 of a call on profiles, with its partial errors if there are some."""
    if not blames:
        return json_answer(202, {"code": "SUCCESS"})
    content = {"code": "SUCCESS_WITH_PARTIAL_ERRORS", "errors": blames}
    return json_answer(202, content, len(blames))


def refusal(refused: Refused) -> Answer:
    """Make the answer of a call that is refused as a whole."""
    content = {"error_code": refused.code, "error_message": refused.message}
    return json_answer(refused.status, content)
