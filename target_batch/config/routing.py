"""The kind of a stream and the property of its custom ID, decided once per SCHEMA."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from target_batch.common.errors import ConfigurationError
from target_batch.common.properties import find, shown, split, words
from target_batch.common.redaction import clean
from target_batch.config.settings import StreamOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_batch.config.settings import Kind, Settings

KIND_BY_LAST_WORD: dict[str, Kind] = {
    **dict.fromkeys(
        ("user", "profile", "customer", "contact", "person", "subscriber", "lead", "identify"),
        "profiles",
    ),
    **dict.fromkeys(("event", "track"), "events"),
    **dict.fromkeys(("cohort", "audience", "segment", "membership"), "audiences"),
    **dict.fromkeys(("cohort_member", "audience_member", "segment_member"), "audiences"),
}
CUSTOM_ID_NAMES = ("custom_id", "user_id", "userId")
SEGMENT_ENVELOPE = frozenset({"context", "traits", "properties", "event", "messageId", "anonymousId"})

_EVERY_KIND = ("custom_id", "time", "deleted_at")
NAMING: dict[str, tuple[str, ...]] = {
    "profiles": _EVERY_KIND,
    "events": (*_EVERY_KIND, "event_property"),
    "segment": _EVERY_KIND,
    "audiences": (*_EVERY_KIND, "audience_property", "display_name_property", "action_property", "tags"),
}
"""Kind → the options that name a property of its records."""
_NAMES_SHOWN = 40
_NO_OBJECTS = ("string", "number", "integer", "boolean", "array", "null")
"""The types that no dotted path can lead into; a type that JSON Schema does not have may be anything."""


@dataclass(frozen=True, slots=True)
class Route:
    """The decision about a stream: its kind, its options, and the property or path of its custom ID."""

    stream: str
    kind: Kind
    options: StreamOptions
    custom_id: str


def options_for(stream: str, streams: dict[str, StreamOptions]) -> StreamOptions:
    """Return the options of a stream: those of its exact name, else of the first glob that matches."""
    if stream in streams:
        return streams[stream]
    for pattern, options in streams.items():
        if fnmatchcase(stream, pattern):
            return options
    return StreamOptions()


def route(stream: str, schema: dict[str, Any], key_properties: Sequence[str], settings: Settings) -> Route:
    """Decide the kind of a stream and its custom ID.

    Raises:
        ConfigurationError: the kind or the custom ID cannot be determined; the message names the setting.
    """
    options = options_for(stream, settings.streams)
    properties: dict[str, Any] = schema.get("properties") or {}
    kind = options.kind or kind_by_shape(properties) or kind_by_name(stream) or settings.default_kind
    if kind == "fail":
        shown = clean(stream, 60)
        raise ConfigurationError(
            f"Stream '{shown}' is of no known kind. Set `streams.{shown}.kind` to profiles, "
            "events, segment, audiences or ignore, or set `default_kind` for every such stream."
        )
    if kind == "ignore":
        return Route(stream, kind, options, "")
    _check_named(stream, kind, options, properties, settings)
    if kind == "segment":
        return Route(stream, kind, options, options.custom_id or settings.custom_id or "userId")
    return Route(stream, kind, options, _custom_id(stream, options, properties, key_properties, settings))


def kind_by_shape(properties: dict[str, Any]) -> Kind | None:
    """Recognise a message of the Segment spec by its properties."""
    if "type" in properties and ("userId" in properties or "anonymousId" in properties):
        return "segment" if not SEGMENT_ENVELOPE.isdisjoint(properties) else None
    return None


def kind_by_name(stream: str) -> Kind | None:
    """Read the kind from the last word of a stream's name, singular or plural."""
    if not (found := words(stream)):
        return None
    found[-1] = _singular(found[-1])
    return KIND_BY_LAST_WORD.get("_".join(found[-2:])) or KIND_BY_LAST_WORD.get(found[-1])


def _check_named(
    stream: str, kind: Kind, options: StreamOptions, properties: dict[str, Any], settings: Settings
) -> None:
    """Check that the SCHEMA has every property that an option names.

    Raises:
        ConfigurationError: a property is missing; the message names the setting and the existing properties.
    """
    if not properties:
        return
    shown_stream = clean(stream, 60)
    for option in NAMING[kind]:
        name, setting = getattr(options, option), f"streams.{shown_stream}.{option}"
        if name is None and option == "custom_id":
            name, setting = settings.custom_id, option
        if name and not _is_there(name, properties):
            there = [shown(other) for other in properties]
            listed = ", ".join(there[:_NAMES_SHOWN]) + (", …" if len(there) > _NAMES_SHOWN else "")
            raise ConfigurationError(
                f"`{setting}` names the property {shown(name)}, which the SCHEMA of stream '{shown_stream}' "
                f"does not have. It has: {listed}. Nothing of the stream is sent until the setting names one."
            )


def _is_there(path: str, properties: dict[str, Any]) -> bool:
    """Return whether a property has this name, or is an object that the dotted path may lead into."""
    head, rest = split(path, properties)
    if head not in properties or rest is None:
        return head in properties
    said = properties[head]
    types = said.get("type") if isinstance(said, dict) else None
    types = types if isinstance(types, list) else [types]
    return not types or any(one not in _NO_OBJECTS for one in types)


def _singular(word: str) -> str:
    if word == "people":
        return "person"
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _custom_id(
    stream: str,
    options: StreamOptions,
    properties: dict[str, Any],
    key_properties: Sequence[str],
    settings: Settings,
) -> str:
    if chosen := options.custom_id or settings.custom_id:
        return chosen
    if name := find(CUSTOM_ID_NAMES, properties):
        return name
    if len(key_properties) == 1:
        return key_properties[0]
    shown = clean(stream, 60)
    raise ConfigurationError(
        f"Stream '{shown}' has no custom ID: none of {', '.join(CUSTOM_ID_NAMES)} is in its schema "
        f"and it has no single key property. Set `streams.{shown}.custom_id` to the property that "
        "holds the Custom User ID, or `custom_id` for every stream."
    )
