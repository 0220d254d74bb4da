"""Rules for custom IDs."""

from typing import Final

from target_batch.sandbox.rules.limits import CUSTOM_ID_LENGTH
from target_batch.sandbox.rules.values import has_line_break

FORBIDDEN: Final = frozenset(
    {
        "undefined",
        "null",
        "nil",
        "(null)",
        "[object object]",
        "true",
        "false",
        "nan",
        "infinity",
        "-infinity",
    }
)
"""Texts that indicate a programming error, refused in upper and lower case (published SDKs)."""


def id_violation(identifier: str) -> str | None:
    """Return why Batch refuses a custom ID or the ID of an audience member, or None.

    Args:
        identifier: The ID as sent; 1 to 512 characters are valid, case and blanks matter.
    """
    if not identifier.strip():
        return "the ID is blank"
    if len(identifier) > CUSTOM_ID_LENGTH:
        return f"the ID is longer than {CUSTOM_ID_LENGTH} characters"
    if identifier.lower() in FORBIDDEN:
        return "the ID is a reserved word"
    if has_line_break(identifier):
        return "the ID holds a line break"
    return None
