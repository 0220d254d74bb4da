"""Attributes of events: scalars and arrays of text as on profiles, and objects up to three levels deep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_batch.common.limits import (
    ARRAY_ITEMS,
    EVENT_ATTRIBUTES,
    EVENT_DEPTH,
    LABEL_LENGTH,
    TAG_LENGTH,
    TAGS_PER_EVENT,
)
from target_batch.common.reasons import Issue, Reason
from target_batch.mapping.application import cut, fill
from target_batch.mapping.columns import Columns, by_type, by_value, step
from target_batch.mapping.converters import InvalidValue, PartlyInvalid
from target_batch.mapping.converters.arrays import limited, strings, texts
from target_batch.mapping.converters.values import (
    contradiction,
    encodable,
    is_short,
    is_short_line,
    one_line,
    too_long,
    typed,
)
from target_batch.mapping.names import Container

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_batch.mapping.columns import Column
    from target_batch.mapping.converters import Convert
    from target_batch.mapping.declared import Declared, Schema
    from target_batch.mapping.names import AssignedNames

RESERVED = frozenset({"$label", "$tags"})


class EventDialect:
    """The rules for attributes of events; nulls are not sent.

    Without a `schema`, as in Segment messages, dates and URLs are recognized by their format.
    """

    takes_objects = True

    def __init__(
        self,
        stream: str,
        naming: Callable[[str], str],
        schema: Schema | None = None,
        *,
        depth: int = 1,
    ) -> None:
        self._stream = stream
        self._naming = naming
        self._schema = schema
        self._depth = depth
        self._undeclared: Columns | None = None

    def column(self, target: AssignedNames, declared: Declared) -> Column:
        """Return the column of a property."""
        name = target.names[0]
        if name in RESERVED:
            return name, None, label if name == "$label" else tags, {}
        converters = self._converters(declared.properties)
        if self._schema is None and not target.wrap:
            return "", None, _in_one_line(by_value(name, converters)), {}
        key, fits, convert = step(target, declared, converters)
        if declared.kinds in _STRUCTURES:
            convert = typed(declared, convert)
        return key, is_short_line if fits is is_short else fits, _in_one_line(convert), {}

    def _converters(self, properties: Mapping[str, Any]) -> Mapping[type, Any]:
        if self._depth > EVENT_DEPTH:
            return by_type(_flat, _too_deep)
        declared_inside = self._inside(properties) if properties else None

        def structure(value: dict[str, Any]) -> dict[str, Any] | None:
            return one(declared_inside or self._inside(), value)

        def array(value: list[Any]) -> list[Any] | None:
            if any(type(item) is dict for item in value):
                return many(declared_inside or self._inside(), value)
            return strings(value)

        return by_type(array, structure)

    def _inside(self, properties: Mapping[str, Any] | None = None) -> Columns:
        """Return the columns of an object one level down; all undeclared objects share the same."""
        if properties is None and self._undeclared is not None:
            return self._undeclared
        container = Container(stream=self._stream, naming=self._naming)
        dialect = EventDialect(self._stream, self._naming, self._schema, depth=self._depth + 1)
        columns = Columns(container, dialect, properties, self._schema)
        if properties is None:
            self._undeclared = columns
        return columns


def one(columns: Columns, value: dict[str, Any]) -> dict[str, Any] | None:
    """Return an object's attributes, or None if there are none.

    Raises:
        PartlyInvalid: some attributes cannot be sent.
    """
    attributes: dict[str, Any] = {}
    issues = fill(columns, value, attributes)
    if len(attributes) > EVENT_ATTRIBUTES:
        issues += cut(columns, value, attributes, EVENT_ATTRIBUTES)
    if issues:
        raise PartlyInvalid(attributes or None, issues)
    return attributes or None


def many(columns: Columns, items: list[Any]) -> list[dict[str, Any]] | None:
    """Return an array of objects without nulls and empty objects, or None if nothing is left.

    Raises:
        InvalidValue: the array also has other values, or has more than 25 objects.
        PartlyInvalid: some of their attributes cannot be sent.
    """
    objects = [item for item in items if item is not None]
    if not all(type(item) is dict for item in objects):
        raise InvalidValue(Reason.INVALID_ARRAY, "The array mixes objects and other values.")
    if len(objects) > ARRAY_ITEMS:
        raise InvalidValue(Reason.TOO_MANY_ITEMS, f"The array has more than {ARRAY_ITEMS} items.")
    issues: list[Issue] = []
    kept = [_surviving(columns, item, issues) for item in objects]
    found = [item for item in kept if item] or None
    if issues:
        raise PartlyInvalid(found, issues)
    return found


def label(value: Any) -> str | None:
    """Return an event's `$label`: text of at most 200 characters [sdk]; None if empty.

    Raises:
        InvalidValue: the text cannot be sent.
    """
    if type(value) is not str:
        raise contradiction("string", value)
    if len(value) > LABEL_LENGTH:
        raise too_long("label", LABEL_LENGTH)
    return encodable(one_line(value)) or None


def tags(value: Any) -> list[str] | None:
    """Return an event's `$tags`: at most 10 strings of at most 64 characters [sdk].

    Raises:
        InvalidValue: the value is anything else.
    """
    if type(value) is not list:
        raise contradiction("array", value)
    found = texts(value)
    if any(len(tag) > TAG_LENGTH for tag in found):
        raise too_long("tag", TAG_LENGTH)
    found = [one_line(tag) for tag in found]
    return limited(found, TAGS_PER_EVENT)


def _in_one_line(convert: Convert) -> Convert:
    """Return a converter that also rejects text invalid in events: with line breaks or only whitespace."""

    def converted(value: Any) -> Any:
        fit = convert(value)
        for found in fit.values() if type(fit) is dict and type(value) is not dict else (fit,):
            for text in found if type(found) is list else (found,):
                if type(text) is str:
                    one_line(text)
        return fit

    return converted


_STRUCTURES = (frozenset({"array"}), frozenset({"object"}))


def _flat(value: list[Any]) -> list[str] | None:
    """Return an array of text, at a depth where objects are not allowed."""
    return _too_deep(value) if any(type(item) is dict for item in value) else strings(value)


def _too_deep(value: Any) -> Any:
    what = "object" if type(value) is dict else "array of objects"
    raise InvalidValue(Reason.TOO_DEEP, f"An {what} more than {EVENT_DEPTH} levels deep.")


def _surviving(columns: Columns, item: dict[str, Any], issues: list[Issue]) -> dict[str, Any] | None:
    try:
        return one(columns, item)
    except PartlyInvalid as partly:
        issues += partly.issues
        kept: dict[str, Any] | None = partly.value
        return kept
