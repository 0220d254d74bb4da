"""The types and formats that a JSON schema declares for its properties."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from target_batch.common.properties import split

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS_BY_TYPE: dict[type, str] = {
    str: "string",
    int: "integer",
    Decimal: "number",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
}
KINDS: Final = frozenset(KINDS_BY_TYPE.values())


@dataclass(frozen=True, slots=True)
class Declared:
    """The declared type of a value: its kinds except null (empty: any kind), and the formats of its text."""

    kinds: frozenset[str] = frozenset()
    formats: frozenset[str | None] = frozenset()
    """The formats declared for text; includes None if text without a format is also allowed."""

    properties: Mapping[str, Any] = field(default_factory=dict)
    """The schemas of an object's properties."""

    @property
    def format(self) -> str | None:
        """The format of the value, if it can only be text in that format."""
        if len(self.formats) == 1 and self.kinds == {"string"}:
            return next(iter(self.formats))
        return None

    @property
    def label(self) -> str:
        """The type in words, for a printed plan."""
        if not self.kinds:
            return "any"
        return self.format or "|".join(sorted(self.kinds))

    def admits(self, value: Any) -> bool:
        """Return whether the kind of the value is one of those declared."""
        if not self.kinds:
            return True
        kind = KINDS_BY_TYPE.get(type(value), "")
        if kind in self.kinds or (kind == "integer" and "number" in self.kinds):
            return True
        return kind == "number" and "integer" in self.kinds and is_whole(value)

    def both(self, other: Declared) -> Declared:
        """Return the declaration that combines both, as in `allOf`."""
        formats = self.formats | other.formats
        if self.formats and other.formats:
            formats = formats - {None} or formats
        properties = {**self.properties, **other.properties}
        return Declared(_common(self.kinds, other.kinds), formats, properties)


ANYTHING = Declared()
"""The declaration of a property that the schema does not describe."""

RECOGNIZABLE = Declared(formats=frozenset({None, "date-time", "uri"}))
"""The declaration of a property without any SCHEMA: dates and URLs are recognized by their format."""

DEEPEST_REFERENCE: Final = 32
"""Maximum nesting of references and unions; anything deeper counts as undeclared."""


class Schema:
    """The types of a SCHEMA, with its internal references resolved; nothing is ever fetched.

    `foreign` lists the references that point outside the SCHEMA or to nothing, `unknown` the types that JSON
    Schema does not have; both count as undeclared. If `typed` is false, kinds restrict nothing, but formats
    still count.
    """

    def __init__(self, root: Mapping[str, Any], *, typed: bool = True) -> None:
        self._root = root
        self._typed = typed
        self.foreign: list[str] = []
        self.unknown: list[str] = []
        self.properties = self._read(root, 0).properties

    def declared(self, schema: Any) -> Declared:
        """Return what a property's `type`, `format`, `anyOf`, `oneOf`, `allOf` and `$ref` declare."""
        found = self._read(schema, 0)
        return found if self._typed else replace(found, kinds=frozenset())

    def at(self, path: str, properties: Mapping[str, Any]) -> Declared | None:
        """Return the declaration of the value at a path, or None if the SCHEMA has no such path."""
        head, rest = split(path, properties)
        if head not in properties:
            return None
        found = self.declared(properties[head])
        if rest is None:
            return found
        if found.properties:
            return self.at(rest, found.properties)
        return None if found.kinds and "object" not in found.kinds else ANYTHING

    def _read(self, schema: Any, depth: int) -> Declared:
        if not isinstance(schema, dict) or depth > DEEPEST_REFERENCE:
            return ANYTHING
        found = self._own(schema)
        for part in schema.get("allOf") or ():
            found = found.both(self._read(part, depth + 1))
        for union in ("anyOf", "oneOf"):
            if isinstance(schema.get(union), list):
                found = found.both(self._either(schema[union], depth + 1))
        if "$ref" in schema:
            found = found.both(self._read(self._referred(schema["$ref"]), depth + 1))
        return found

    def _own(self, schema: dict[str, Any]) -> Declared:
        """Return what a schema declares itself; a type that JSON Schema lacks restricts nothing."""
        types, text_format, properties = schema.get("type"), schema.get("format"), schema.get("properties")
        listed = types if isinstance(types, list) else [types]
        kinds = frozenset(name for name in listed if isinstance(name, str) and name != "null")
        if not kinds <= KINDS:
            self.unknown += sorted(kinds - KINDS - {*self.unknown})
            kinds = frozenset()
        formats: frozenset[str | None] = frozenset()
        if "string" in kinds or "format" in schema:
            formats = frozenset([text_format if isinstance(text_format, str) else None])
        return Declared(kinds, formats, properties if isinstance(properties, dict) else {})

    def _either(self, options: list[Any], depth: int) -> Declared:
        branches = [self._read(option, depth) for option in options if not _is_null(option)]
        properties = {name: said for branch in branches for name, said in branch.properties.items()}
        if not all(branch.kinds for branch in branches):
            return Declared(properties=properties)
        kinds = frozenset(kind for branch in branches for kind in branch.kinds)
        return Declared(kinds, frozenset(one for branch in branches for one in branch.formats), properties)

    def _referred(self, reference: Any) -> Any:
        """Return the schema behind a reference inside the SCHEMA, such as `#/definitions/address`."""
        found: Any = None
        if isinstance(reference, str) and reference.startswith("#"):
            found = self._root
            for step in reference[1:].split("/")[1:]:
                name = unquote(step).replace("~1", "/").replace("~0", "~")
                found = found.get(name) if isinstance(found, dict) else None
        if found is None and str(reference) not in self.foreign:
            self.foreign.append(str(reference))
        return found


def _common(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    if not one or not other:
        return one or other
    if "number" in one | other and "integer" in one | other:
        return one & other | {"integer"}
    return one & other


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") in ("null", ["null"])


def kind_of(value: Any) -> str:
    """Return the name of a value's JSON kind, for messages."""
    return KINDS_BY_TYPE.get(type(value), "a value outside JSON")


def is_whole(value: Decimal | float) -> bool:
    """Return whether a number is whole; NaN and infinities are not."""
    if isinstance(value, Decimal):
        return value.is_finite() and value == value.to_integral_value()
    return type(value) is int or value.is_integer()


def zero_or_one(value: Any) -> bool | None:
    """Return a boolean, or a number that is 0 or 1 as a boolean; None for everything else."""
    if type(value) is bool:
        return value
    if type(value) in {int, float, Decimal} and is_whole(value) and value in {0, 1}:
        return bool(value)
    return None
