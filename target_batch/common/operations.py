"""What a record becomes: the two operations Batch knows, or the reason why there is none.

They are made once a record, so they are structures that C code makes.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from target_batch.common.reasons import Fault


Attributes: TypeAlias = dict[str, Any] | msgspec.Struct
"""Attributes by Batch's name, or a structure that is encoded under these names."""


NO_EVENTS: Final[list[dict[str, Any]]] = []
"""The events of an update that has none; nobody may change a list of events in place."""


class ProfileUpdate(msgspec.Struct, gc=False):
    """Attributes and events of one custom ID."""

    custom_id: str
    attributes: Attributes
    events: list[dict[str, Any]]
    faults: tuple[Fault, ...] = ()


class AudienceChange(msgspec.Struct):
    """One ID in (`add`) or out of one audience, named by the identity that Batch knows it by."""

    audience: str
    display_name: str
    member: str
    add: bool
    attributes: dict[str, Any] = {}
    tags: list[str] = []
    faults: tuple[Fault, ...] = ()


class Ignored(msgspec.Struct, frozen=True):
    """A record that asks for nothing, with the reason it is counted under."""

    reason: str


class Rejected(msgspec.Struct, frozen=True):
    """A record that cannot be sent at all, with everything that stands against it."""

    faults: tuple[Fault, ...]


def by_name(attributes: Attributes) -> dict[str, Any]:
    """Return attributes by Batch's name, as they will be encoded."""
    if isinstance(attributes, dict):
        return attributes
    named: dict[str, Any] = msgspec.to_builtins(attributes, builtin_types=(Decimal,))
    return named


def names_of(attributes: Attributes) -> frozenset[str]:
    """Return the bare names that attributes may hold: of a structure all it knows, absent ones too."""
    return bare(tuple(attributes)) if isinstance(attributes, dict) else _fields(type(attributes))


@lru_cache
def bare(names: tuple[str, ...]) -> frozenset[str]:
    """Return names without their type: `date(x)` and `x` are one attribute with two spellings."""
    return frozenset(name[name.index("(") + 1 : -1] if name[-1] == ")" else name for name in names)


@lru_cache
def _fields(structure: type[msgspec.Struct]) -> frozenset[str]:
    return bare(tuple(structure.__struct_encode_fields__))


Operation: TypeAlias = ProfileUpdate | AudienceChange | Ignored | Rejected
