"""What a record becomes: the two operations Batch knows, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from target_batch.reasons import Fault


@dataclass(slots=True)
class ProfileUpdate:
    """Attributes and events of one custom ID; the two collections belong to the operation."""

    custom_id: str
    attributes: dict[str, Any]
    events: list[dict[str, Any]]
    faults: tuple[Fault, ...] = ()


@dataclass(slots=True)
class AudienceChange:
    """One ID in (`add`) or out of one audience, named by the identity that Batch knows it by."""

    audience: str
    display_name: str
    member: str
    add: bool
    attributes: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    faults: tuple[Fault, ...] = ()


@dataclass(slots=True, frozen=True)
class Ignored:
    """A record that asks for nothing, with the reason it is counted under."""

    reason: str


@dataclass(slots=True, frozen=True)
class Rejected:
    """A record that cannot be sent at all, with everything that stands against it."""

    faults: tuple[Fault, ...]


Operation: TypeAlias = ProfileUpdate | AudienceChange | Ignored | Rejected
