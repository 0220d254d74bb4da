"""Whether a row puts its user in or out, in every usual spelling."""

from __future__ import annotations

from typing import Any

from target_batch.common.reasons import Reason
from target_batch.common.words import words
from target_batch.mapping.conversion import InvalidValue
from target_batch.mapping.declared import kind_of, zero_or_one

ACTION_PROPERTIES = ("action", "operation", "status")

_OF_A_KIND = frozenset({"type", "code", "name", "kind", "flag", "value"})
_ACTIONS = frozenset({"op", "operation", "action", "change", "dml", "event", "transition"})
_STATES = frozenset(
    {"active", "inactive", "enabled", "removed", "deleted", "exited", "left"} | {"unsubscribed"}
)
_INSIDE = _STATES | {"member", "audience", "cohort", "segment", "list", "in", "current"}
_ENDINGS = frozenset(
    {"removed", "removal", "deleted", "deletion", "left", "leave", "exited", "exit", "ended", "end"}
    | {"unsubscribed", "unsubscribe", "unsubscription"}
)
_MOMENTS = frozenset({"at", "on", "date", "time", "ts", "timestamp"})
_CONTAINERS = frozenset({"membership", "member", "audience", "cohort", "segment", "list"})


def looks_like_an_action(name: str) -> bool:
    """Tell whether a property's name suggests that it says who is in and who is out.

    `change_type`, `op`, `is_member`, `removed_at`, `membership_status` do.
    """
    found = words(name)
    while len(found) > 1 and found[-1] in _OF_A_KIND:
        found.pop()
    first, last = (found[0], found[-1]) if found else ("", "")
    return (
        last in _ACTIONS
        or (len(found) == 1 and last in _STATES)
        or (first in {"is", "in", "has", "was"} and last in _INSIDE)
        or (first in _ENDINGS and last in _MOMENTS)
        or (first in _CONTAINERS and last in {"status", "state"})
    )


_ADD = frozenset({
    "add", "added", "enter", "entered", "in", "join", "joined", "active", "true", "1",
})  # fmt: skip
_REMOVE = frozenset({
    "remove", "removed", "exit", "exited", "out", "leave", "left", "delete", "deleted", "inactive",
    "false", "0",
})  # fmt: skip


def is_add(value: Any, where: str) -> bool:
    """Tell whether the action adds (true) or removes (false), in any case.

    Raises:
        InvalidValue: it is another word, or none; a wrong guess would reach people by mistake.
    """
    flag = zero_or_one(value)
    if flag is not None:
        return flag
    if type(value) is str:
        word = value.strip().lower()
        if word in _ADD:
            return True
        if word in _REMOVE:
            return False
        raise InvalidValue(Reason.UNKNOWN_ACTION, "The action is not a word for adding or removing.", where)
    kind = "null" if value is None else kind_of(value)
    raise InvalidValue(
        Reason.UNKNOWN_ACTION, f"The action is {kind}, not a word for adding or removing.", where
    )
