"""What a record becomes: one of the two operations Batch knows, and the ticket by which it is counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

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
    """A record that cannot be sent at all, with every reason why."""

    issues: tuple[Issue, ...]


def names_of(attributes: dict[str, Any]) -> frozenset[str]:
    """Return the bare names of attributes, without `date()` and `url()`."""
    return bare(tuple(attributes))


@lru_cache
def bare(names: tuple[str, ...]) -> frozenset[str]:
    """Return names without their type: `date(x)` and `x` are one attribute with two spellings."""
    return frozenset(name[name.index("(") + 1 : -1] if name[-1] == ")" else name for name in names)


def spellings_of(attributes: dict[str, Any]) -> frozenset[str]:
    """Return the names of attributes as they are sent and bare: Batch may name one either way."""
    return names_of(attributes).union(attributes)


def spellings_within(value: Any) -> frozenset[str]:
    """Return the names in an object or array, at every depth, as they are sent and bare."""
    if type(value) is dict:
        return spellings_of(value).union(*map(spellings_within, value.values()))
    return frozenset().union(*map(spellings_within, value)) if type(value) is list else frozenset()


Operation: TypeAlias = ProfileUpdate | AudienceChange | Ignored | Rejected


@dataclass(slots=True)
class Tally:
    """The counts of one stream; read = delivered + unchanged + ignored + rejected + undelivered."""

    read: int = 0
    delivered: int = 0
    merged: int = 0
    unchanged: int = 0
    ignored: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    stopping: int = 0
    """The rejected whose reason counts towards `max_rejected_share`."""

    added: int = 0
    removed: int = 0
    """Members that a mirror added to its audiences, and removed from them."""

    @property
    def judged(self) -> int:
        """Records that ask for something, of which `max_rejected_share` is a share."""
        return self.read - self.ignored

    @property
    def undelivered(self) -> int:
        """What is not settled."""
        return self.read - self.delivered - self.unchanged - self.ignored - self.rejected

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as they stand in the run log."""
        counts = ("read", "delivered", "merged", "unchanged", "ignored", "rejected", "undelivered")
        members = {name: getattr(self, name) for name in ("added", "removed") if self.added or self.removed}
        return {name: getattr(self, name) for name in counts} | members | {"reasons": dict(self.reasons)}


@dataclass(slots=True)
class Spared:
    """What did not have to be sent, as Batch has it; of `profiles` nothing was left to send.

    `risked` events may have reached Batch before, and were sent all the same.
    """

    profiles: int = 0
    attributes: int = 0
    events: int = 0
    risked: int = 0


@dataclass(slots=True, frozen=True, eq=False)
class Origin:
    """Where records come from: a stream under one schema, and how to trace a refusal back.

    `identity` are the paths that a partial reject has to keep to mean the same record;
    `properties_of` maps an attribute that Batch names to source properties; `sets` gives the names of the
    attributes that a record sets, `only_attribute` the one where that is all it asks for.
    """

    stream: str
    schema: dict[str, Any]
    key_properties: tuple[str, ...]
    identity: tuple[str, ...]
    properties_of: Callable[[str], tuple[str, ...]]
    decode: Callable[[bytes], dict[str, Any]]
    tally: Tally
    sets: Callable[[dict[str, Any]], AbstractSet[str]] = lambda _: frozenset()
    only_attribute: Callable[[dict[str, Any]], str | None] = lambda _: None


class Ticket(msgspec.Struct, gc=False):
    """One record on its way: its origin, its input line, and its bytes to read it again if need be."""

    origin: Origin
    line: int
    source: bytes

    @property
    def record(self) -> dict[str, Any]:
        """The record itself, decoded anew."""
        return self.origin.decode(self.source)
