"""What a record becomes: the two operations Batch knows, or the reason why there is none.

They are made once a record, so they are structures that C code makes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

if TYPE_CHECKING:
    from target_batch.reasons import Fault


class ProfileUpdate(msgspec.Struct):
    """Attributes and events of one custom ID; the two collections belong to the operation."""

    custom_id: str
    attributes: dict[str, Any]
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


Operation: TypeAlias = ProfileUpdate | AudienceChange | Ignored | Rejected
