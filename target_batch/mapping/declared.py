"""What a property's JSON schema says about its values: the kinds of JSON and the format."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from target_batch.common.paths import split

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


@dataclass(frozen=True, slots=True)
class Declared:
    """What a schema says of a value: its kinds without null (none: any kind), and the formats of its text."""

    kinds: frozenset[str] = frozenset()
    formats: frozenset[str | None] = frozenset()
    """The formats that the schema gives to text; None among them where it also leaves text free."""

    properties: Mapping[str, Any] = field(default_factory=dict)
    """The schemas of an object's properties."""

    @property
    def format(self) -> str | None:
        """The format of the value, if it can only be text of that format."""
        if len(self.formats) == 1 and self.kinds == {"string"}:
            return next(iter(self.formats))
        return None

    @property
    def mixed(self) -> frozenset[str]:
        """The formats that text may have, if it may also be free or of another format."""
        return frozenset() if self.format else frozenset(found for found in self.formats if found)

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

    def both(self, other: Declared) -> Declared:
        """Return what is declared where both hold, as in `allOf`."""
        formats = self.formats | other.formats
        if self.formats and other.formats:
            formats = formats - {None} or formats
        properties = {**self.properties, **other.properties}
        return Declared(_common(self.kinds, other.kinds), formats, properties)


ANYTHING = Declared()
"""A property about which nothing is declared."""

DEEPEST_REFERENCE: Final = 32
"""References and unions followed inside each other; below that a schema announces nothing."""


class Schema:
    """A SCHEMA's types, its inner references followed; nothing is ever fetched.

    `foreign` are the references that lead out of the SCHEMA or to nothing: what they stand for announces
    nothing. With `typed` false the kinds restrict nothing, formats still count.
    """

    def __init__(self, root: Mapping[str, Any], *, typed: bool = True) -> None:
        self._root = root
        self._typed = typed
        self.foreign: list[str] = []
        self.properties = self._read(root, 0).properties

    def declared(self, schema: Any) -> Declared:
        """Return what a property's schema says: `type`, `format`, `anyOf`, `oneOf`, `allOf`, `$ref`."""
        found = self._read(schema, 0)
        return found if self._typed else Declared(frozenset(), found.formats, found.properties)

    def at(self, path: str, properties: Mapping[str, Any]) -> Declared | None:
        """Return what is said of the value at a path, None if the path leads to nothing that is announced."""
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
        found = _own(schema)
        for part in schema.get("allOf") or ():
            found = found.both(self._read(part, depth + 1))
        for union in ("anyOf", "oneOf"):
            if isinstance(schema.get(union), list):
                found = found.both(self._either(schema[union], depth + 1))
        if "$ref" in schema:
            found = found.both(self._read(self._referred(schema["$ref"]), depth + 1))
        return found

    def _either(self, options: list[Any], depth: int) -> Declared:
        branches = [self._read(option, depth) for option in options if not _is_null(option)]
        properties: dict[str, Any] = {}
        for branch in branches:
            properties.update(branch.properties)
        if not all(branch.kinds for branch in branches):
            return Declared(frozenset(), frozenset(), properties)
        kinds = frozenset(kind for branch in branches for kind in branch.kinds)
        formats = frozenset(found for branch in branches for found in branch.formats)
        return Declared(kinds, formats, properties)

    def _referred(self, reference: Any) -> Any:
        """Return the schema behind a reference inside the SCHEMA, such as `#/definitions/address`."""
        found: Any = self._root
        if isinstance(reference, str) and reference.startswith("#"):
            for step in reference[1:].split("/")[1:]:
                name = unquote(step).replace("~1", "/").replace("~0", "~")
                found = found.get(name) if isinstance(found, dict) else None
        else:
            found = None
        if found is None and str(reference) not in self.foreign:
            self.foreign.append(str(reference))
        return found


def _own(schema: dict[str, Any]) -> Declared:
    """Return what a schema says itself, apart from its references."""
    kinds = _types(schema.get("type"))
    properties = schema.get("properties")
    formats = {_text(schema.get("format"))} if "string" in kinds or "format" in schema else set()
    return Declared(frozenset(kinds), frozenset(formats), properties if isinstance(properties, dict) else {})


def _common(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    if not one or not other:
        return one or other
    if "number" in one | other and "integer" in one | other:
        return one & other | {"integer"}
    return one & other


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") in ("null", ["null"])


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


def _types(names: Any) -> set[str]:
    listed = names if isinstance(names, list) else [names]
    return {name for name in listed if isinstance(name, str)} - {"null"}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
