"""Dotted paths into records: the one reading of paths such as `traits.address.city`.

A property's name may hold dots itself (`Owner.Name`). At each level the longest name that exists wins, so a
name with a dot is a name before it is a path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

ABSENT: Final = object()
"""What `reach` returns where nothing stands."""


class NotAnObjectError(Exception):
    """A path leads into something that is not an object."""


def split(path: str, names: Collection[str]) -> tuple[str, str | None]:
    """Return the name that a path begins with, and the rest of the path.

    The name is the longest of `names` that fits, or what stands before the first dot if none fits. The rest
    is None where the name is the whole path.
    """
    head = path
    while head not in names:
        head, dot, _ = head.rpartition(".")
        if not dot:
            head = path.partition(".")[0]
            break
    return head, None if head == path else path[len(head) + 1 :]


def value_at(container: Any, path: str | None) -> Any:
    """Return what stands at a path inside nested objects, or None."""
    while path is not None:
        if type(container) is not dict:
            return None
        head, path = split(path, container)
        container = container.get(head)
    return container


def reach(container: Any, path: str) -> Any:
    """Return what stands at a path; ABSENT if an object lacks what the path names next.

    A null on the way stands for everything inside it.

    Raises:
        NotAnObjectError: something else than an object is on the way.
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
    """Return a copy that lacks what stands at a path, in every item where an array is on the way."""
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
    """Tell whether a record has the top-level property that a path begins with."""
    return split(path, record)[0] in record


def projected(record: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """Return only what the paths name; what is not an object on the way is kept whole."""
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
