"""How a stream's kind and custom ID were found, in words: the same order as in `routing`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_batch.common.redaction import clean
from target_batch.config.routing import CUSTOM_ID_NAMES, kind_by_name, kind_by_shape, options_for

if TYPE_CHECKING:
    from target_batch.commands.samples import Schema
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings


def kind_origin(schema: Schema, settings: Settings) -> str:
    """Tell what decided the kind of a stream."""
    stream = clean(schema.stream, 60)
    if options_for(schema.stream, settings.streams).kind:
        return f"set in `streams` for {stream}"
    if kind_by_shape(schema.schema.get("properties") or {}):
        return "its properties are those of a Segment message"
    if kind_by_name(schema.stream):
        return "by the stream's name"
    return "by the setting `default_kind`"


def custom_id_origin(route: Route, schema: Schema, settings: Settings) -> str:
    """Tell what decided where the custom ID stands."""
    if route.options.custom_id:
        return f"set in `streams` for {clean(schema.stream, 60)}"
    if settings.custom_id:
        return "by the setting `custom_id`"
    if route.kind == "segment":
        return "where Segment messages have it"
    if route.custom_id in CUSTOM_ID_NAMES:
        return "by its name"
    return "the stream's only key property"
