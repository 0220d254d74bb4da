"""Applying accepted changes to a profile: nulls, dates, URLs and partial changes of arrays."""

from typing import Any, Final, NamedTuple

from target_batch.sandbox.rules.attributes import attribute_rule
from target_batch.sandbox.rules.limits import ARRAY_ITEMS, ARRAYS_PER_PROFILE

_ARRAYS: Final = frozenset({list, dict})
"""Types of values that set or change an array."""


class Attributes(NamedTuple):
    """The attributes of a profile.

    Attributes:
        values: Values by name; native names include their ``$``.
        kinds: ``date`` or ``url``, by name, for texts that are one of these.
    """

    values: dict[str, Any]
    kinds: dict[str, str]


def merge(held: Attributes, changes: dict[str, Any]) -> list[tuple[str, str]]:
    """Apply changes to a profile in place, arrays last so that other changes can make room for them.

    Args:
        held: The profile's attributes.
        changes: Accepted changes, by key as sent.

    Returns:
        The key and reason of each change that the profile's state forbids; these are not applied.
    """
    refused = []
    for key, value in sorted(changes.items(), key=lambda change: type(change[1]) in _ARRAYS):
        name, kind, _ = attribute_rule(key)
        if value is None:
            held.values.pop(name, None)
            held.kinds.pop(name, None)
        elif type(value) in _ARRAYS:
            if reason := _put_array(held, name, value):
                refused.append((key, reason))
        else:
            held.values[name] = value
            if kind != "plain":
                held.kinds[name] = kind
            elif held.kinds:
                held.kinds.pop(name, None)
    return refused


def _put_array(held: Attributes, name: str, value: Any) -> str | None:
    """Set or change an array; return why the profile cannot accept it, or None."""
    after = _changed(held.values.get(name), value) if isinstance(value, dict) else value
    if reason := _array_violation(held, name, after):
        return reason
    held.kinds.pop(name, None)
    if after:
        held.values[name] = after
    else:
        held.values.pop(name, None)
    return None


def _changed(current: Any, change: dict[str, list[str]]) -> list[str] | None:
    """Return an array after ``$add`` and ``$remove``, or None if the attribute is not an array."""
    if current is not None and not isinstance(current, list):
        return None
    removed = set(change.get("$remove", ()))
    both = [*(current or ()), *change.get("$add", ())]
    return [item for item in dict.fromkeys(both) if item not in removed]


def _array_violation(held: Attributes, name: str, value: list[str] | None) -> str | None:
    """Return why a profile cannot accept an array, given as it would be after the change, or None."""
    if value is None:
        return "$add and $remove change an array, the profile holds another type"
    if len(value) > ARRAY_ITEMS:
        return f"the array would have more than {ARRAY_ITEMS} items"
    if not value or name.startswith("$") or isinstance(held.values.get(name), list):
        return None
    arrays = sum(isinstance(v, list) and not n.startswith("$") for n, v in held.values.items())
    return f"a profile has at most {ARRAYS_PER_PROFILE} arrays" if arrays >= ARRAYS_PER_PROFILE else None
