"""Whether a row puts its user in or out, in every usual spelling."""

from __future__ import annotations

from typing import Any

from target_batch.common.reasons import Reason
from target_batch.mapping.declared import kind_of, zero_or_one
from target_batch.mapping.refusals import Unfit

ACTION_PROPERTIES = ("action", "operation", "status")

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
        Unfit: it is another word, or none; a wrong guess would reach people by mistake.
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
        raise Unfit(Reason.UNKNOWN_ACTION, "The action is no word for adding or removing.", where)
    kind = "null" if value is None else kind_of(value)
    raise Unfit(Reason.UNKNOWN_ACTION, f"The action is {kind}, no word for it.", where)
