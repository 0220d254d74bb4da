"""The operations that a record can become, and the ticket that follows it until its fate is known."""

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
"""The shared events list of updates without events; lists of events are never modified in place."""


class ProfileUpdate(msgspec.Struct, gc=False):
    """Attributes of one custom ID, or one of its events.

    `event_identity` (16 bytes) identifies the same event in another run; it is empty where not needed.
    """

    custom_id: str
    attributes: dict[str, Any]
    events: list[dict[str, Any]]
    issues: tuple[Issue, ...] = ()
    event_identity: bytes = b""


class AudienceChange(msgspec.Struct):
    """One ID to add to (`add`) or remove from an audience; `audience` is the name by which Batch knows it."""

    audience: str
    display_name: str
    member: str
    add: bool
    attributes: dict[str, Any] = {}
    tags: list[str] = []
    issues: tuple[Issue, ...] = ()


class Ignored(msgspec.Struct, frozen=True):
    """A record that requires no action, with the code of the reason under which it is counted."""

    reason: str


class Rejected(msgspec.Struct, frozen=True):
    """A record that cannot be sent at all, with every reason why."""

    issues: tuple[Issue, ...]


def names_of(attributes: dict[str, Any]) -> frozenset[str]:
    """Return the bare names of attributes, without `date()` and `url()`."""
    return bare(tuple(attributes))


@lru_cache
def bare(names: tuple[str, ...]) -> frozenset[str]:
    """Return names without their type: `date(x)` and `x` are two spellings of one attribute."""
    return frozenset(name[name.index("(") + 1 : -1] if name[-1] == ")" else name for name in names)


def spellings_of(attributes: dict[str, Any]) -> frozenset[str]:
    """Return the names of attributes both as sent and bare, since Batch may use either."""
    return names_of(attributes).union(attributes)


def spellings_within(value: Any) -> frozenset[str]:
    """Return the names in an object or array, at every depth, both as sent and bare."""
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
    """Rejected records whose reason counts towards `max_rejected_share`."""

    added: int = 0
    removed: int = 0
    """Members that a mirror added to and removed from its audiences."""

    @property
    def judged(self) -> int:
        """Records that were not ignored, of which `max_rejected_share` is a share."""
        return self.read - self.ignored

    @property
    def undelivered(self) -> int:
        """Records whose fate is not known yet."""
        return self.read - self.delivered - self.unchanged - self.ignored - self.rejected

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as they appear in the run log."""
        counts = ("read", "delivered", "merged", "unchanged", "ignored", "rejected", "undelivered")
        members = {name: getattr(self, name) for name in ("added", "removed") if self.added or self.removed}
        return {name: getattr(self, name) for name in counts} | members | {"reasons": dict(self.reasons)}


@dataclass(slots=True)
class Spared:
    """What was not sent because Batch already has it; `profiles` counts those with nothing left to send.

    `risked` counts events that may already have reached Batch and were sent again anyway.
    """

    profiles: int = 0
    attributes: int = 0
    events: int = 0
    risked: int = 0


@dataclass(slots=True, frozen=True, eq=False)
class Origin:
    """The origin of records: a stream under one SCHEMA, and how to trace a refusal back to its source.

    `identity` holds the paths that a partial reject must keep to identify its record;
    `properties_of` maps an attribute named by Batch to source properties; `sets` returns the names of the
    attributes that a record sets, `only_attribute` its one attribute if the record asks for nothing else.
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
    """One record in transit: its origin, its input line, and the bytes to decode it from again."""

    origin: Origin
    line: int
    source: bytes

    @property
    def record(self) -> dict[str, Any]:
        """The record, decoded again."""
        return self.origin.decode(self.source)
