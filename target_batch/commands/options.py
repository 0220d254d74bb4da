"""Shared by the commands: the options `--config` and `--format`, loading settings, and stopping."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import click
import msgspec

from target_batch.common.errors import ConfigurationError, StopRun
from target_batch.common.redaction import clean
from target_batch.config import files as configuration
from target_batch.config.files import NO_CONFIGURATION, Wrong
from target_batch.mapping.checks import ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_batch.config.settings import Settings

Form = Literal["text", "json", "singer"]

PLACEHOLDER: Final = "not-set"
"""Takes the place of a key that a command does not need."""


class Stopped(Wrong):
    """The input cannot be read: reported as the target reports it, with the same exit code."""

    exit_code = 1


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn errors of the target into `Wrong` and `Stopped`, which end a command with the same exit code."""
    try:
        yield
    except ConfigurationError as error:
        raise Wrong(str(error)) from None
    except StopRun as error:
        raise Stopped(str(error)) from None


config_option = click.option(
    "--config",
    "files",
    multiple=True,
    metavar="FILE",
    help="Configuration file, or ENV for variables TARGET_BATCH_…; may be given several times.",
)
"""Decorator that adds `--config` to a command, with the same meaning as for the target."""


def format_option(*more: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds `--format`: text, JSON, a Singer stream, and the formats in `more`."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json", "singer", *more]),
        default="text",
        show_default=True,
        help="A table, JSON, or a Singer stream for any target to load.",
    )


def echo_json(found: object) -> None:
    """Write data to standard output as indented JSON."""
    encoded = msgspec.json.Encoder(decimal_format="number").encode(found)
    click.echo(msgspec.json.format(encoded, indent=2).decode())


def load(config: dict[str, Any]) -> Settings:
    """Check a configuration as the target does.

    Raises:
        Wrong: the target would refuse it.
    """
    try:
        return ready(config)
    except ConfigurationError as error:
        raise Wrong(clean(error, 600)) from None


def read_named(files: Sequence[str]) -> dict[str, Any]:
    """Read the configuration for a command that needs one.

    Raises:
        Wrong: no configuration was named, or it cannot be read.
    """
    if not files:
        raise Wrong(NO_CONFIGURATION)
    return configuration.read(files)


def load_without_keys(config: dict[str, Any]) -> Settings:
    """Check a configuration as the target does, but without requiring any key."""
    return load({**config, **placeholders(config)})


def placeholders(config: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of a configuration, with a placeholder for each one that is missing."""
    return {name: config.get(name) or PLACEHOLDER for name in ("rest_api_key", "project_key")}
