"""The configuration as a command is given it: files, later ones over earlier ones, or the environment."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from target_batch.common.errors import ConfigurationError
from target_batch.config.problems import stray_variables

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX: Final = "TARGET_BATCH_"

SDK_TYPES: Final = {
    "stream_maps": "object",
    "stream_map_config": "object",
    "faker_config": "object",
    "flattening_enabled": "boolean",
    "flattening_max_depth": "integer",
    "flattening_max_key_length": "integer",
}


class Wrong(click.ClickException):
    """The configuration is wrong; said as the target would say it, with its exit code."""

    exit_code = ConfigurationError.exit_code


def read(files: Sequence[str]) -> dict[str, Any]:
    """Return the settings of all files together, then those of the environment if ENV is asked for."""
    config: dict[str, Any] = {}
    for name in files:
        if name != "ENV":
            config.update(of_file(name))
    if "ENV" in files:
        config.update(_environment())
    return config


def of_file(name: str) -> dict[str, Any]:
    """Return the settings of one file.

    Raises:
        BadParameter: it cannot be read; names the file and the place, never what stands there.
    """
    try:
        content = json.loads(Path(name).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise click.BadParameter(f"{name}: the file cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise click.BadParameter(
            f"{name}: the file is not JSON: {where}: {error.msg}. Is there a comma too many or too few, or "
            'a quotation mark other than "?'
        ) from None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise click.BadParameter(f"{name}: the file is not a JSON object in UTF-8")
    return content


def unreadable_variable() -> str:
    """Say which variable the SDK could not read; its own error shows the value."""
    try:
        for name, shown in _schema()["properties"].items():
            _variable(name, {"type": "object", "properties": {name: shown}})
    except Wrong as error:
        return error.message
    return f"A variable {PREFIX}… cannot be read: a number or JSON is expected."


def _schema() -> dict[str, Any]:
    from target_batch.config.schema import json_schema  # noqa: PLC0415 - only ENV needs it

    schema = json_schema()
    schema["properties"] |= {name: {"type": kind} for name, kind in SDK_TYPES.items()}
    return schema


def _environment() -> dict[str, Any]:
    from target_batch.config.nesting import nested  # noqa: PLC0415 - only ENV needs it

    logging.getLogger("singer_sdk.configuration").setLevel(logging.WARNING)
    schema = _schema()
    for note in stray_variables(os.environ, PREFIX, schema["properties"]):
        click.echo(note, err=True)
    found: dict[str, Any] = {}
    for name, shown in schema["properties"].items():
        found |= _variable(name, {"type": "object", "properties": {name: shown}})
    return nested(found)


def _variable(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    from singer_sdk.configuration._dict_config import (  # noqa: PLC0415 - slow; what the SDK itself uses
        parse_environment_config,
    )

    try:
        found: dict[str, Any] = parse_environment_config(schema, PREFIX)
    except ValueError:
        raise Wrong(f"{PREFIX}{name.upper()} cannot be read: a number or JSON is expected.") from None
    return found
