"""Rules for events; only the event that breaks a rule is refused, not its entry."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from target_batch.sandbox.rules.limits import (
    ARRAY_ITEMS,
    EVENT_BYTES,
    EVENT_DEPTH,
    EVENT_LEVEL_ATTRIBUTES,
    LABEL_LENGTH,
    TAG_LENGTH,
    TAGS,
)
from target_batch.sandbox.rules.names import name_violation, split_key
from target_batch.sandbox.rules.shapes import Event
from target_batch.sandbox.rules.times import time_violation
from target_batch.sandbox.rules.values import (
    has_line_break,
    text_violation,
    texts_violation,
    value_violation,
)

_NATIVES: Final = frozenset({"$label", "$tags"})


class EventViolation(NamedTuple):
    """Why an event is refused.

    Attributes:
        reason: The rule it breaks.
        where: The attribute that breaks it, or None if it is the event itself.
    """

    reason: str
    where: str | None = None


def event_violation(event: Event) -> EventViolation | None:
    """Return why Batch refuses an event, apart from its age, or None if it is valid."""
    reason = name_violation(event.name)
    if not reason and event.time is not UNSET:
        reason = time_violation(str(event.time))
    if reason:
        return EventViolation(reason)
    if event.attributes is UNSET:
        return None
    if len(msgspec.json.encode(event)) > EVENT_BYTES:
        return EventViolation(f"an event has at most {EVENT_BYTES} bytes")
    return next(_level(event.attributes, 0), None)


def _level(attributes: dict[str, Any], depth: int) -> Iterator[EventViolation]:
    """Yield the violations on one level of attributes and below; ``attributes`` itself has depth 0."""
    if depth > EVENT_DEPTH:
        yield EventViolation(f"an event has at most {EVENT_DEPTH} levels below its attributes")
        return
    if len(attributes.keys() - _NATIVES) > EVENT_LEVEL_ATTRIBUTES:
        yield EventViolation(f"a level has at most {EVENT_LEVEL_ATTRIBUTES} attributes")
    names: set[str] = set()
    for key, value in attributes.items():
        name = split_key(key).name
        reason = "the attribute is given twice" if name in names else None
        names.add(name)
        if reason := reason or _attribute(key, value, depth):
            yield EventViolation(reason, key)
        for child in _children(value):
            yield from _level(child, depth + 1)


def _attribute(key: str, value: Any, depth: int) -> str | None:
    """Return why one attribute is refused, or None, without checking the objects below it."""
    if key.startswith("$"):
        return _native(key, value, depth)
    _name, kind, reason = split_key(key)
    if reason or value is None:
        return reason or "an event holds no nulls"
    if kind == "plain" and isinstance(value, dict):
        return None
    if kind == "plain" and isinstance(value, list) and dict in map(type, value):
        return _objects(value)
    return value_violation(kind, value) or (_line_violation(value) if kind == "plain" else None)


def _native(key: str, value: Any, depth: int) -> str | None:
    if depth > 0 or key not in _NATIVES:
        return "$label and $tags stand on the first level, nothing else begins with $"
    if key == "$label":
        return text_violation(value, LABEL_LENGTH) or _line_violation(value)
    return texts_violation(value, TAGS, TAG_LENGTH) or _line_violation(value)


def _line_violation(value: Any) -> str | None:
    """Return why an event refuses a value that a profile would accept, or None."""
    texts = value if isinstance(value, list) else [value]
    for text in texts:
        if isinstance(text, str) and (not text.strip() or has_line_break(text)):
            return "a text of an event is not blank and has no line breaks"
    return None


def _objects(values: list[Any]) -> str | None:
    if any(not isinstance(value, dict) for value in values):
        return "an array is not mixed"
    return f"an array has at most {ARRAY_ITEMS} items" if len(values) > ARRAY_ITEMS else None


def _children(value: Any) -> list[dict[str, Any]]:
    """Return the objects directly below a value."""
    if isinstance(value, dict):
        return [value]
    if isinstance(value, list):
        return [item for item in value if isinstance(item, dict)]
    return []
