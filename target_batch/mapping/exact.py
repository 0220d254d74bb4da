"""From a property's JSON schema to the msgspec type that takes nothing the schema refuses."""

from __future__ import annotations

import functools
import operator
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin

if TYPE_CHECKING:
    from collections.abc import Mapping

ANNOTATIONS = frozenset({
    "type", "format", "title", "description", "default", "examples", "readOnly", "writeOnly",
    "deprecated", "$comment", "inclusion", "selected", "sqlDatatype",
})  # fmt: skip
"""Keywords that restrict nothing but the type, of JSON schema and of Singer's catalogs; what `format` says
is read by the converters."""

_OF_A_RECORD = ANNOTATIONS | {"properties", "required", "additionalProperties", "$schema", "$id"}
"""Keywords of a whole SCHEMA that a structure heeds, or that restrict nothing it lets through."""

_SCALARS: dict[str, Any] = {
    "string": str, "integer": int, "number": float, "boolean": bool, "null": type(None),
}  # fmt: skip


def is_plain(schema: Mapping[str, Any]) -> bool:
    """Tell whether a SCHEMA says nothing of a record that its properties do not say, save `required`."""
    kinds, more = schema.get("type", "object"), schema.get("additionalProperties", True)
    is_of_objects = kinds == "object" or (isinstance(kinds, list) and "object" in kinds)
    return is_of_objects and isinstance(more, bool) and _OF_A_RECORD.issuperset(schema)


def _is_simple(schema: dict[str, Any]) -> bool:
    """Tell whether a property's schema restricts the type, and at most that of an array's items."""
    return all(word in ANNOTATIONS or word == "items" or word.startswith("x-") for word in schema)


def exact_type(schema: Any) -> Any:
    """Return the type whose values are all valid by a property's schema.

    Returns:
        `Any` where the schema restricts nothing, `NotImplemented` where no type says the same. A
        `float` stands for a number; who reads one that way loses digits.
    """
    if schema is True or schema == {}:
        return Any
    if not isinstance(schema, dict):
        return NotImplemented
    if schema.keys() == {"anyOf"}:
        return _union([exact_type(branch) for branch in schema["anyOf"]])
    if not _is_simple(schema):
        return NotImplemented
    names = schema.get("type")
    if names is None:
        return Any if "items" not in schema else NotImplemented
    return _union([_of(name, schema) for name in ([names] if isinstance(names, str) else names)])


def admits(exact: Any, kind: type) -> bool:
    """Tell whether an exact type takes the values of one kind."""
    return exact is Any or exact is NotImplemented or kind in alternatives(exact)


def alternatives(exact: Any) -> tuple[Any, ...]:
    """Return the types that a union is made of, or the one type."""
    return get_args(exact) if get_origin(exact) is UnionType else (exact,)


def _of(name: str, schema: dict[str, Any]) -> Any:
    if name == "array":
        items = exact_type(schema.get("items", {}))
        loses_digits = items is not Any and admits(items, float)
        return NotImplemented if loses_digits else list.__class_getitem__(items)
    if name == "object":
        return dict[str, Any]
    return _SCALARS.get(name, NotImplemented)


def _union(types: list[Any]) -> Any:
    if not types or NotImplemented in types:
        return NotImplemented
    if Any in types:
        return Any
    union = functools.reduce(operator.or_, types)
    arrays = sum(get_origin(kind) is list for kind in alternatives(union))
    return union if arrays <= 1 else NotImplemented
