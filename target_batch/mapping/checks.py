"""Checks of the settings, before the first SCHEMA and against each; they name properties, never values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from target_batch.common.errors import ConfigurationError
from target_batch.common.redaction import clean
from target_batch.common.storage import folder_at
from target_batch.config.checks import load
from target_batch.config.settings import StreamOptions
from target_batch.mapping import natives
from target_batch.mapping.names import Container, snake_case
from target_batch.mapping.record import Replay
from target_batch.mapping.values import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_batch.config.settings import Settings
    from target_batch.mapping.columns import Columns
    from target_batch.mapping.plan import Plan

LEDGER = re.compile(r"(sqlite(\+pysqlite)?|postgresql(\+psycopg)?)://")

ABOUT_PROPERTY: Final = "Property `"
"""The beginning of every note about a single property."""

FOR_ALL: Final = frozenset({"kind", "custom_id", "attributes", "only_mapped", "time", "deleted_at"})
FOR_KIND: Final = {
    "profiles": frozenset({"on_delete"}),
    "events": frozenset({"event", "event_property"}),
    "segment": frozenset({"types"}),
}
"""The options that apply to each kind, besides `FOR_ALL`; the remaining ones are for audiences."""


def ready(config: Mapping[str, Any]) -> Settings:
    """Return the settings of a configuration, checked before a target or command starts.

    Raises:
        ConfigurationError: a setting is invalid; the message names it, but never contains its value.
    """
    settings = load(config)
    folder_at(settings.work_path)
    if settings.replay is not None:
        Replay(settings.replay)
    for stream, options in settings.streams.items():
        _check_stream(stream, options, settings)
    if settings.default_country is not None:
        _check_country(settings.default_country)
    if not LEDGER.match(settings.ledger_url):
        raise ConfigurationError(
            "`ledger_url` is not a URL of SQLite (sqlite:///FILE) or PostgreSQL (postgresql+psycopg://…)."
        )
    return settings


def _check_stream(stream: str, options: StreamOptions, settings: Settings) -> None:
    name = f"streams.{clean(stream, 60)}"
    # Which of Batch's own names are allowed depends on the kind, which is not known yet.
    container = Container(stream, snake_case, options.attributes, reserved=natives.NAMES | natives.OF_EVENTS)
    for property_ in options.attributes:
        container.decide(property_)
    if options.on_delete == "erase" and not settings.confirm_erasures:
        raise ConfigurationError(
            f"`{name}.on_delete` is `erase`: records that are deleted at their source would erase people at "
            "Batch, which cannot be undone. Set `confirm_erasures` to true if that is meant."
        )
    if options.id_type != "custom_ids" and options.destination != "app":
        raise ConfigurationError(
            f"`{name}.id_type` is `{options.id_type}`, but the audiences of a project hold custom IDs: they "
            "would be taken for these. Set `destination` to `app`, or leave `id_type` out."
        )


def _check_country(country: str) -> None:
    try:
        known = natives.region(country)
    except InvalidValue:
        known = None
    if known is None:
        raise ConfigurationError(
            "`default_country` is not an ISO 3166 country of two letters, for example `FR`."
        )


def notes(columns: Columns) -> tuple[str, ...]:
    """Return notes on properties that are left out or share a name, and on unknown `attributes`."""
    notes = [
        f"Property `{row.property}` is left out: {row.note}."
        for row in columns.rows
        if row.reason is not None
    ]
    notes += [
        f"Property `{row.property}`: {row.note}."
        for row in columns.rows
        if row.target is not None and row.note
    ]
    known = {row.property for row in columns.rows}
    unknown = [name for name in columns.container.mapping if name not in known]
    if unknown and known:
        listed = ", ".join(f"`{name}`" for name in unknown)
        notes.append(f"The stream's `attributes` name what the SCHEMA does not have: {listed}.")
    return tuple(notes)


def idle_options(plan: Plan) -> Iterator[str]:
    """Yield a note on the stream's options that do not apply to its kind."""
    stream, kind, default = plan.route.stream, plan.route.kind, StreamOptions()
    if kind not in FOR_KIND or stream not in plan.settings.streams:
        return
    others = [name for name in StreamOptions.__struct_fields__ if name not in FOR_ALL | FOR_KIND[kind]]
    idle = [name for name in others if getattr(plan.route.options, name) != getattr(default, name)]
    if idle:
        listed = ", ".join(f"`{option}`" for option in idle)
        yield (
            f"No meaning for a stream of kind `{kind}`: {listed}. "
            f"Set `streams.{stream}.kind` if it is of another kind."
        )


def surplus(columns: Columns, limit: int) -> tuple[str, ...]:
    """Return a note on the attributes beyond the limit if a record has all; an event's tags do not count."""
    keys = [key for row in columns.rows if row.target for key in row.target.split(", ")]
    keys = [key for key in keys if key not in natives.OF_EVENTS]
    beyond = sorted(keys, key=columns.place)[limit:]
    if not beyond:
        return ()
    listed = ", ".join(f"`{key}`" for key in beyond)
    return (f"Batch takes {limit} attributes here; the surplus is rejected: {listed}.",)


def foreign_references(plan: Plan) -> Iterator[str]:
    """Yield a note on each reference that points outside the SCHEMA; nothing is fetched."""
    for reference in plan.schema.foreign:
        yield (
            f"The SCHEMA refers to `{clean(reference, 80)}`, which is not inside it and is not fetched: the "
            "property's values are sent by their JSON types."
        )
