"""Properties of records: their names, compared whatever their spelling, and dotted paths to them.

A path such as `traits.address.city` leads into nested objects. A property's name may itself contain dots
(`Owner.Name`): at each level the longest existing name wins, so a dotted name takes precedence over a path.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from target_batch.common.limits import CACHED_VALUES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_BETWEEN_WORDS: Final = re.compile(r"[^a-z0-9]+")
_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def words(name: str) -> list[str]:
    """Return the words of a name in lower case."""
    return [word for word in _BETWEEN_WORDS.split(_WORD_START.sub("_", name).lower()) if word]


@lru_cache(maxsize=CACHED_VALUES)
def letters(name: str) -> str:
    """Return the letters and digits of a name in lower case: equal for every spelling of the same words.

    Databases that fold names write `userId` as `userid`, so word boundaries do not count.
    """
    return _BETWEEN_WORDS.sub("", name.lower())


def matching(names: Iterable[str], present: Iterable[str]) -> Iterator[str]:
    """Yield the names in `present` that are spellings of `names`, in the order of `names`.

    `occurred_at`, `OCCURRED_AT`, `occurredAt` and `Occurred At` are spellings of one name. The exact one
    comes before the others.
    """
    there = list(present)
    for name in names:
        if name in there:
            yield name
        wanted = letters(name)
        yield from (other for other in there if other != name and letters(other) == wanted)


def find(names: Iterable[str], present: Iterable[str]) -> str | None:
    """Return the first name that `matching` yields, or None."""
    return next(matching(names, present), None)


def shown(name: str) -> str:
    """Return a property's name for a message, in backticks, with invisible characters escaped."""
    visible = (letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in name)
    return f"`{''.join(visible)}`"


ABSENT: Final = object()
"""Returned by `reach` if there is nothing at the path."""


class NotAnObjectError(Exception):
    """A path leads into something that is not an object."""


def split(path: str, names: Collection[str]) -> tuple[str, str | None]:
    """Return the name that a path begins with, and the rest of the path.

    The name is the longest of `names` that fits, or the part before the first dot if none fits. The rest is
    None if the name is the whole path.
    """
    head = path
    while head not in names:
        head, dot, _ = head.rpartition(".")
        if not dot:
            head = path.partition(".")[0]
            break
    return head, None if head == path else path[len(head) + 1 :]


def value_at(container: Any, path: str | None) -> Any:
    """Return the value at a path inside nested objects, or None."""
    while path is not None:
        if type(container) is not dict:
            return None
        head, path = split(path, container)
        container = container.get(head)
    return container


def reach(container: Any, path: str) -> Any:
    """Return the value at a path; ABSENT if an object lacks the next name of the path.

    If there is a null along the way, everything inside it counts as null.

    Raises:
        NotAnObjectError: the path leads through something other than an object.
    """
    rest: str | None = path
    while rest is not None:
        if container is None:
            return None
        if type(container) is not dict:
            raise NotAnObjectError
        head, rest = split(rest, container)
        if head not in container:
            return ABSENT
        container = container[head]
    return container


def without(container: Any, path: str) -> Any:
    """Return a copy without the value at a path; if the path leads through an array, in each of its items."""
    if type(container) is list:
        return [without(item, path) for item in container]
    if type(container) is not dict:
        return container
    head, rest = split(path, container)
    if head not in container:
        return container
    if rest is None:
        return {name: value for name, value in container.items() if name != head}
    return {**container, head: without(container[head], rest)}


def holds(record: Mapping[str, Any], path: str) -> bool:
    """Return whether a record has the top-level property that a path begins with."""
    return split(path, record)[0] in record


def projected(record: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """Return only what the paths name; a value along the way that is not an object is kept whole."""
    kept: dict[str, Any] = {}
    for path in paths:
        _keep(record, path, kept)
    return kept


def _keep(source: Mapping[str, Any], path: str, kept: dict[str, Any]) -> None:
    head, rest = split(path, source)
    if head not in source:
        return
    value = source[head]
    if rest is None or type(value) is not dict:
        kept[head] = value
        return
    inside = kept.setdefault(head, {})
    if inside is not value:
        _keep(value, rest, inside)
