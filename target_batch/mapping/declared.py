"""What a property's JSON schema says about its values: the kinds of JSON and the format."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

KINDS_BY_TYPE: dict[type, str] = {
    str: "string",
    int: "integer",
    Decimal: "number",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
}


@dataclass(frozen=True, slots=True)
class Declared:
    """The kinds a property may be of (none: any kind), without null, and its text's format."""

    kinds: frozenset[str] = frozenset()
    format: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    mixed: bool = False
    """Whether the schema gives text a format and, beside it, leaves it free."""

    @property
    def label(self) -> str:
        """The type in words, for a printed plan."""
        if not self.kinds:
            return "any"
        return self.format or "|".join(sorted(self.kinds))

    def admits(self, value: Any) -> bool:
        """Tell whether the kind of the value is one of those declared."""
        if not self.kinds:
            return True
        kind = KINDS_BY_TYPE.get(type(value), "")
        if kind in self.kinds or (kind == "integer" and "number" in self.kinds):
            return True
        return kind == "number" and "integer" in self.kinds and is_whole(value)


ANYTHING = Declared()
"""A property about which nothing is declared."""


def declared(schema: Any) -> Declared:
    """Read a property's JSON schema: `type` as a name or a list, `anyOf`, `oneOf`, `format`."""
    branches = [branch for branch in _branches(schema) if branch.get("type") != "null"]
    if not branches or any(not branch.get("type") for branch in branches):
        return ANYTHING
    kinds: set[str] = set()
    formats: set[str | None] = set()
    properties: dict[str, Any] = {}
    for branch in branches:
        types = _types(branch)
        kinds |= types
        if "string" in types:
            formats.add(_text(branch.get("format")))
        if "object" in types and isinstance(branch.get("properties"), dict):
            properties |= branch["properties"]
    only = formats.pop() if len(formats) == 1 and kinds == {"string"} else None
    return Declared(frozenset(kinds), only, properties, mixed=bool(formats - {None}))


def kind_of(value: Any) -> str:
    """Name the JSON kind of a value, for messages."""
    return KINDS_BY_TYPE.get(type(value), "no JSON value")


def is_whole(value: Decimal | float) -> bool:
    """Tell whether a number has no fraction; NaN and infinities have none to speak of."""
    if isinstance(value, Decimal):
        return value.is_finite() and value == value.to_integral_value()
    return type(value) is int or value.is_integer()


def zero_or_one(value: Any) -> bool | None:
    """Read a boolean, or a number that is 0 or 1; None for everything else."""
    if type(value) is bool:
        return value
    if type(value) in {int, float, Decimal} and is_whole(value) and value in {0, 1}:
        return bool(value)
    return None


def _branches(schema: Any) -> list[dict[str, Any]]:
    if not isinstance(schema, dict):
        return []
    for union in ("anyOf", "oneOf"):
        options = schema.get(union)
        if isinstance(options, list) and "type" not in schema:
            return [branch for option in options for branch in _branches(option)]
    return [schema]


def _types(branch: dict[str, Any]) -> set[str]:
    types = branch["type"]
    names = types if isinstance(types, list) else [types]
    return {name for name in names if isinstance(name, str)} - {"null"}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
