"""Calls that Batch refuses as a whole."""

from typing import Final

import msgspec

MALFORMED: Final = "MALFORMED_REQUEST"
"""Code of a 400 answer; Batch's own code is not documented."""
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Exceptions raised when a body cannot be decoded."""


class Refused(Exception):  # noqa: N818 - an answer of Batch, not a failure of this program
    """The refusal of a whole call, no part of which is applied.

    Args:
        status: HTTP status of the answer.
        code: Batch's ``error_code``.
        message: Batch's ``error_message``.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    @classmethod
    def malformed(cls, message: str) -> "Refused":
        """Make the 400 for a call whose form or size differs from what Batch documents."""
        return cls(400, MALFORMED, message)

    @classmethod
    def unauthorized(cls, message: str) -> "Refused":
        """Make the 401 for a missing or wrong key."""
        return cls(401, "AUTHENTICATION_INVALID", message)

    @classmethod
    def no_route(cls) -> "Refused":
        """Make the 404 for an unknown path or version."""
        return cls(404, "ROUTE_NOT_FOUND", "no such route or version")

    @classmethod
    def too_many(cls) -> "Refused":
        """Make the 429 for a call above the documented rate."""
        return cls(429, "TOO_MANY_REQUESTS", "rate limit exceeded, wait a few seconds")
