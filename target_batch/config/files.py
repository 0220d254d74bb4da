"""The configuration as a command is given it: files, later ones over earlier ones, or the environment."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from target_batch.common.errors import ConfigurationError
from target_batch.common.plain_text import fitted
from target_batch.config.nesting import nested, unbroken, with_booleans
from target_batch.config.problems import stray_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PREFIX: Final = "TARGET_BATCH_"

LEVEL_VARIABLES: Final = (f"{PREFIX}LOGLEVEL", "LOGLEVEL")
"""What the SDK takes the level of its log from: the first that is set and not empty."""

EDITOR_SCHEMA: Final = "$schema"
"""The key by which a file tells an editor its JSON schema; it is not a setting."""

READ_AS: Final[dict[str, type[Any]]] = {"object": dict, "array": list}

SDK_TYPES: Final = {
    "stream_maps": "object",
    "stream_map_config": "object",
    "faker_config": "object",
    "flattening_enabled": "boolean",
    "flattening_max_depth": "integer",
    "flattening_max_key_length": "integer",
    "flattening_separator": "string",
}


NO_CONFIGURATION: Final = (
    "No configuration was named. Give it with --config FILE, or with --config ENV for variables "
    "TARGET_BATCH_…; `target-batch init` writes one."
)


class Wrong(click.ClickException):
    """The configuration is wrong; said as the target would say it, with its exit code."""

    exit_code = ConfigurationError.exit_code

    def format_message(self) -> str:
        """Return the message, broken between words where the terminal is narrow."""
        return fitted(f"Error: {self.message}").removeprefix("Error: ")


def _echo(note: str) -> None:
    click.echo(note, err=True)


def check_log_level() -> None:
    """Check the variable that names the level of the log.

    Raises:
        Wrong: there is no such level.
    """
    name = next((name for name in LEVEL_VARIABLES if os.environ.get(name)), None)
    if name is not None and not isinstance(logging.getLevelName(os.environ[name].upper()), int):
        raise Wrong(f"The variable {name} is none of DEBUG, INFO, WARNING, ERROR and CRITICAL.")


def read(files: Sequence[str], tell: Callable[[str], None] = _echo) -> dict[str, Any]:
    """Return the settings of all files together, then those of the environment if ENV is asked for.

    `tell` gets a sentence for every variable that looks like a setting and is not one.
    """
    config: dict[str, Any] = {}
    for name in files:
        if name != "ENV":
            config.update(unbroken(of_file(name), name, os.environ))
    if "ENV" in files:
        config.update(_environment(tell))
    return with_booleans(config)


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
    content.pop(EDITOR_SCHEMA, None)
    return content


def _schema() -> dict[str, Any]:
    from target_batch.config.schema import json_schema  # noqa: PLC0415 - only ENV needs it

    schema = json_schema()
    schema["properties"] |= {name: {"type": kind} for name, kind in SDK_TYPES.items()}
    return schema


def _environment(tell: Callable[[str], None]) -> dict[str, Any]:
    """Return the settings of the environment; a variable wins over the same one in a file `.env`."""
    from dotenv import find_dotenv, load_dotenv  # noqa: PLC0415 - only ENV needs it

    load_dotenv(find_dotenv(usecwd=True), override=False)
    shown = _schema()["properties"]
    for note in stray_variables(os.environ.keys() - {LEVEL_VARIABLES[0]}, PREFIX, shown):
        tell(note)
    variables = {name: f"{PREFIX}{name.upper()}" for name in shown}
    return nested(
        {
            name: _value(variable, os.environ[variable], _kind(shown[name]))
            for name, variable in variables.items()
            if variable in os.environ
        }
    )


def _kind(shown: dict[str, Any]) -> str:
    """Return the type of a setting that is not null."""
    kinds = shown.get("type", "string")
    return kinds if isinstance(kinds, str) else next(kind for kind in kinds if kind != "null")


def _value(variable: str, text: str, kind: str) -> Any:
    """Read a variable as its setting's type asks; booleans and fractions are read with the settings."""
    try:
        if kind == "integer":
            return int(text)
        if kind == "object" or (kind == "array" and text.lstrip().startswith("[")):
            found = json.loads(text)
            if not isinstance(found, READ_AS[kind]):
                raise Wrong(f"{variable} cannot be read: a JSON {kind} is expected.")
            return found
    except (ValueError, RecursionError):
        raise Wrong(f"{variable} cannot be read: a number or JSON is expected.") from None
    return text.split(",") if kind == "array" else text
