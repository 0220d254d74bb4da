"""The containers of a Segment message, and which of the stream's `attributes` concern each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_batch.mapping import natives
from target_batch.mapping.assignments import Container
from target_batch.mapping.columns import Columns
from target_batch.mapping.names import attribute_namer
from target_batch.mapping.objects import RESERVED, EventDialect
from target_batch.mapping.profiles import ProfileDialect, muted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings

_TRAITS = ("context.traits.", "traits.")
_PROPERTIES = ("properties.",)
_EVERYWHERE = (*_TRAITS, *_PROPERTIES, "context.")


def trait_columns(route: Route, settings: Settings, *, of_user: bool) -> Columns:
    """Return the columns of `traits`; those of a group feed none of the user's natives."""
    peer = settings.attribute_naming == "segment"
    by_default = natives.SEGMENT_PEER if peer else natives.BY_PROPERTY
    reserved = natives.NAMES if of_user else frozenset[str]()
    container = Container(
        stream=route.stream,
        naming=attribute_namer(settings.attribute_naming),
        mapping=_concerning(route, _TRAITS, reserved),
        only_mapped=route.options.only_mapped,
        excluded=_excluded(route, _TRAITS),
        natives=by_default if of_user else {},
        reserved=reserved,
        exact=peer,
        muted=muted(settings),
        path="traits.",
    )
    return Columns(container, ProfileDialect(settings, schemaless=True))


def event_columns(route: Route, settings: Settings) -> Columns:
    """Return the columns of `properties`."""
    container = Container(
        stream=route.stream,
        naming=attribute_namer(settings.attribute_naming),
        mapping=_concerning(route, _PROPERTIES, RESERVED),
        only_mapped=route.options.only_mapped,
        excluded=_excluded(route, _PROPERTIES),
        reserved=RESERVED,
        path="properties.",
    )
    return Columns(container, EventDialect(route.stream, container.naming))


def context_columns(route: Route, settings: Settings) -> Columns:
    """Return the columns of what `context` says of locale and time zone."""
    container = Container(
        stream=route.stream,
        naming=attribute_namer("snake_case"),
        mapping=_prefixed(route.options.attributes, ("context.",)),
        natives=natives.BY_PROPERTY,
        reserved=natives.NAMES,
        path="context.",
    )
    return Columns(container, ProfileDialect(settings, schemaless=True))


def _concerning(route: Route, prefixes: tuple[str, ...], reserved: frozenset[str]) -> dict[str, str | None]:
    """Return the mapping of one container: what names it, and what names none and fits here."""
    elsewhere = (natives.NAMES | RESERVED) - reserved
    attributes = route.options.attributes
    bare = {
        name: target
        for name, target in attributes.items()
        if not name.startswith(_EVERYWHERE) and target not in elsewhere
    }
    return bare | _prefixed(attributes, prefixes)


def _prefixed(attributes: Mapping[str, str | None], prefixes: tuple[str, ...]) -> dict[str, str | None]:
    return {
        name[len(prefix) :]: target
        for prefix in prefixes
        for name, target in attributes.items()
        if name.startswith(prefix)
    }


def _excluded(route: Route, prefixes: tuple[str, ...]) -> dict[str, str]:
    return dict.fromkeys(_prefixed({route.custom_id: None}, prefixes), "the custom ID")
