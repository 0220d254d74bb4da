"""Rules for audiences, their members and attributes; a broken rule refuses the whole call."""

import re
from collections.abc import Callable
from typing import Any, Final

from target_batch.sandbox.rules.ids import id_violation
from target_batch.sandbox.rules.limits import AUDIENCE_ENTRIES, AUDIENCE_NAME_LENGTH, MEMBER_ATTRIBUTES
from target_batch.sandbox.rules.names import split_key
from target_batch.sandbox.rules.times import date_violation
from target_batch.sandbox.rules.values import texts_violation, value_violation

DateRules = tuple[Callable[[object], str | None], ...]
"""Checks of the permitted date formats; a date must pass one of them."""

_NAME: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{AUDIENCE_NAME_LENGTH}}}")


def audience_name_violation(name: str) -> str | None:
    """Return why the name of an audience is refused, or None."""
    if _NAME.fullmatch(name):
        return None
    return f"an audience's name is 1 to {AUDIENCE_NAME_LENGTH} characters of A-Z, a-z, 0-9, _ and -"


def count_violation(count: int) -> str | None:
    """Return why a call with this many members is refused, or None."""
    if count == 0:
        return "the array of IDs is empty"
    if count > AUDIENCE_ENTRIES:
        return f"a call has at most {AUDIENCE_ENTRIES} IDs, this one {count}"
    return None


def member_violation(
    identifier: str, attributes: dict[str, Any] | None = None, dates: DateRules = (date_violation,)
) -> str | None:
    """Return why one member, and with it the whole call, is refused, or None.

    Args:
        identifier: The member's ID.
        attributes: Its personalisation attributes, if any.
        dates: Checks of the permitted date formats.
    """
    if reason := id_violation(identifier):
        return reason
    if not attributes:
        return None
    if len(attributes) > MEMBER_ATTRIBUTES:
        return f"a member has at most {MEMBER_ATTRIBUTES} attributes"
    if len({split_key(key).name for key in attributes}) < len(attributes):
        return "an attribute is given twice"
    reasons = (_attribute_violation(key, value, dates) for key, value in attributes.items())
    return next((reason for reason in reasons if reason), None)


def tags_violation(tags: Any) -> str | None:
    """Return why a member's tags are refused, or None; they must be an array of texts."""
    return texts_violation(tags)


def _attribute_violation(key: str, value: Any, dates: DateRules) -> str | None:
    _name, kind, reason = split_key(key)
    if reason:
        return reason
    if isinstance(value, bool):
        return "a member's attribute is not a boolean"
    if kind == "date":
        reasons = [violation(value) for violation in dates]
        return reasons[0] if all(reasons) else None
    return value_violation(kind, value)
