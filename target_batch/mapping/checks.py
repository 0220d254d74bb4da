"""Checks, before the first SCHEMA, of settings that only the mapping can judge."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from target_batch.common.errors import ConfigurationError
from target_batch.common.redaction import clean
from target_batch.common.storage import folder_at
from target_batch.config.checks import load
from target_batch.mapping import natives
from target_batch.mapping.names import Container, snake_case
from target_batch.mapping.record import Replay
from target_batch.mapping.values import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_batch.config.settings import Settings, StreamOptions

LEDGER = re.compile(r"(sqlite(\+pysqlite)?|postgresql(\+psycopg)?)://")


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
