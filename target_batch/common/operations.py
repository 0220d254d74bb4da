"""What a record becomes: the two operations Batch knows, or the reason why there is none."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from target_batch.common.reasons import Issue


NO_EVENTS: Final[list[dict[str, Any]]] = []
"""The events of an update that has none; lists of events are never changed in place."""


class ProfileUpdate(msgspec.Struct, gc=False):
    """Attributes of one custom ID, or one event of it.

    `event_identity` (16 bytes) is the same for the same event in another run; empty where that is not asked.
    """

    custom_id: str
    attributes: dict[str, Any]
    events: list[dict[str, Any]]
    issues: tuple[Issue, ...] = ()
    event_identity: bytes = b""


class AudienceChange(msgspec.Struct):
    """One ID in (`add`) or out of one audience, named by the identity that Batch knows it by."""

    audience: str
    display_name: str
    member: str
    add: bool
    attributes: dict[str, Any] = {}
    tags: list[str] = []
    issues: tuple[Issue, ...] = ()


class Ignored(msgspec.Struct, frozen=True):
    """A record that asks for nothing, with the reason it is counted under."""

    reason: str


class Rejected(msgspec.Struct, frozen=True):
    """A record that cannot be sent at all, with everything that stands against it."""

    issues: tuple[Issue, ...]


def names_of(attributes: dict[str, Any]) -> frozenset[str]:
    """Return the bare names of attributes, without `date()` and `url()`."""
    return bare(tuple(attributes))


@lru_cache
def bare(names: tuple[str, ...]) -> frozenset[str]:
    """Return names without their type: `date(x)` and `x` are one attribute with two spellings."""
    return frozenset(name[name.index("(") + 1 : -1] if name[-1] == ")" else name for name in names)


def names_within(value: Any) -> frozenset[str]:
    """Return the bare names in an object or array, at every depth."""
    if type(value) is dict:
        return names_of(value).union(*map(names_within, value.values()))
    return frozenset().union(*map(names_within, value)) if type(value) is list else frozenset()


Operation: TypeAlias = ProfileUpdate | AudienceChange | Ignored | Rejected
