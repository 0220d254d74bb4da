"""What the commands share: the option `--config`, the settings behind it, and how a command stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from target_batch.common.errors import ConfigurationError
from target_batch.common.redaction import clean
from target_batch.config.files import Wrong

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.config.settings import Settings

PLACEHOLDER: Final = "not-set"
"""Stands for a key that a command does without."""


class Stopped(click.ClickException):
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


def load(config: dict[str, Any], hint: str = "") -> Settings:
    """Check a configuration as the target does; the hint goes with whatever is wrong."""
    from target_batch.mapping.settings_check import ready  # noqa: PLC0415 - slow, and `--help` needs none of it

    try:
        return ready(config)
    except ConfigurationError as error:
        raise Wrong(" ".join(filter(None, (clean(error, 600), hint)))) from None


def load_without_keys(config: dict[str, Any]) -> Settings:
    """Check a configuration as the target does, except that no key has to be there."""
    return load({**config, **placeholders(config)})


def placeholders(config: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of a configuration, a placeholder for each that it lacks."""
    return {name: config.get(name) or PLACEHOLDER for name in ("rest_api_key", "project_key")}
