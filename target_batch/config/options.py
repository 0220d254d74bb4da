"""The options of a stream and of a replay: nested settings, typed and checked."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["profiles", "events", "segment", "audiences", "ignore"]
SegmentType = Literal["identify", "track", "page", "screen", "group"]


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of one stream, or of every stream that a glob matches."""

    kind: Kind | None = None
    custom_id: str | None = None
    attributes: dict[str, str | None] = {}
    only_mapped: bool = False
    time: str | None = None
    event: str | None = None
    event_property: str | None = None
    audience: str | None = None
    audience_property: str | None = None
    display_name_property: str | None = None
    action_property: str | None = None
    deleted_at: str | None = None
    on_delete: Literal["ignore", "erase"] = "ignore"
    mode: Literal["update", "mirror"] = "update"
    complete_at: Literal["state", "end_of_input"] = "state"
    destination: Literal["project", "app"] = "project"
    id_type: Literal["custom_ids", "install_ids", "advertising_ids"] = "custom_ids"
    tags: str | None = None
    as_attribute: bool = False
    allow_empty: bool = False
    types: tuple[SegmentType, ...] = ("identify", "track")

    def __post_init__(self) -> None:
        """Read an empty target as null: Meltano drops nulls from nested settings."""
        attributes = {name: target or None for name, target in self.attributes.items()}
        msgspec.structs.force_setattr(self, "attributes", attributes)


class ReplayOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A historical replay: the half-open window [start, end) and the Segment types to let through."""

    start: str | None = None
    end: str | None = None
    types: tuple[SegmentType, ...] | None = None
