"""What the commands share: the option `--config`, the settings behind it, and how a command stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import click
import msgspec

from target_batch.common.errors import ConfigurationError
from target_batch.common.redaction import clean
from target_batch.config import files as configuration
from target_batch.config.files import NO_CONFIGURATION, Wrong
from target_batch.mapping.settings_check import ready

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_batch.config.settings import Settings

Form = Literal["text", "json", "singer"]

PLACEHOLDER: Final = "not-set"
"""Stands for a key that a command does without."""


class Stopped(Wrong):
    """The input cannot be read; said as the target would say it, with its exit code."""

    exit_code = 1


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config` to a command, with the meaning that it has for the target."""
    return click.option(
        "--config",
        "files",
        multiple=True,
        metavar="FILE",
        help="Configuration file, or ENV for variables TARGET_BATCH_…; may be given several times.",
    )(command)


def format_option(*more: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--format` to a command that has a table: for people, for scripts, for any Singer target."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json", "singer", *more]),
        default="text",
        show_default=True,
        help="A table, JSON, or a Singer stream for any target to load.",
    )


def echo_json(found: object) -> None:
    """Write data as JSON that people can read."""
    encoded = msgspec.json.Encoder(decimal_format="number").encode(found)
    click.echo(msgspec.json.format(encoded, indent=2).decode())


def load(config: dict[str, Any]) -> Settings:
    """Check a configuration as the target does."""
    try:
        return ready(config)
    except ConfigurationError as error:
        raise Wrong(clean(error, 600)) from None


def load_files(files: Sequence[str]) -> Settings:
    """Check the configuration of a command that needs one.

    Raises:
        Wrong: it is wrong, or none was named.
    """
    if not files:
        raise Wrong(NO_CONFIGURATION)
    return load(configuration.read(files))


def load_without_keys(config: dict[str, Any]) -> Settings:
    """Check a configuration as the target does, except that no key has to be there."""
    return load({**config, **placeholders(config)})


def placeholders(config: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of a configuration, a placeholder for each that it lacks."""
    return {name: config.get(name) or PLACEHOLDER for name in ("rest_api_key", "project_key")}
