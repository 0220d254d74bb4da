r"""Reading the configuration: from files, later ones overriding earlier ones, and from the environment.

Meltano flattens the settings in `meltano.yml` (`{"users.kind": "profiles"}`), treats a dot in a name as a new
level, and drops nulls and dotted names from the file it writes. It writes `\.` for a dot that is part of
a name. This module restores what the user wrote.
"""

from __future__ import annotations

import json
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_type_hints

import click

from target_batch.common.errors import ConfigurationError
from target_batch.common.plain_text import fitted
from target_batch.common.redaction import clean
from target_batch.config.checks import meant
from target_batch.config.settings import SdkSettings, Settings, StreamOptions, json_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

BOOLEANS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
"""Words read as booleans, in upper or lower case, where settings are text: variables, `.env`, Meltano."""


def _switches(*kinds: type) -> frozenset[str]:
    hints = [get_type_hints(kind).items() for kind in kinds]
    return frozenset(name for found in hints for name, kind in found if kind is bool)


SWITCHES: Final = _switches(Settings, SdkSettings)
OPTION_SWITCHES: Final = _switches(StreamOptions)

SEPARATOR: Final = re.compile(r"(?<!\\)\.")


def unbroken(config: dict[str, Any], file: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Restore the nested settings that Meltano broke when it wrote a configuration file.

    Meltano also passes each setting in a variable `MELTANO_LOAD_…`, which still has every name and every
    null. Files that Meltano did not write are returned as they are.
    """
    root = environment.get("MELTANO_SYS_DIR_ROOT")
    if not root or not Path(file).resolve().is_relative_to(Path(root).resolve()):
        return config
    variables = {name: environment.get(f"MELTANO_LOAD_{name.upper()}") for name in PUT_BACK}
    return config | {name: json.loads(value) for name, value in variables.items() if value}


def nested(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with `streams` and `stream_maps` restored to objects of objects."""
    found = dict(config)
    for name, put_back in PUT_BACK.items():
        if isinstance(config.get(name), dict):
            found[name] = put_back(config[name])
    return with_booleans(found)


def with_booleans(config: dict[str, Any]) -> dict[str, Any]:
    """Replace the words of `BOOLEANS` by booleans; other words stay, to be refused later."""
    found = _with_booleans(config, SWITCHES)
    if isinstance(streams := config.get("streams"), dict):
        found["streams"] = {
            stream: _with_booleans(options, OPTION_SWITCHES) if isinstance(options, dict) else options
            for stream, options in streams.items()
        }
    return found


def _with_booleans(given: Mapping[str, Any], switches: frozenset[str]) -> dict[str, Any]:
    return {
        name: BOOLEANS.get(value.lower(), value) if name in switches and isinstance(value, str) else value
        for name, value in given.items()
    }


def mapped_streams(given: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return each entry of `stream_maps` as it was written, with the streams or globs it may be for."""
    maps = _stream_maps(dict(given))
    sources = {
        name: options["__source__"]
        for name, options in maps.items()
        if isinstance(options, dict) and isinstance(options.get("__source__"), str)
    }
    found: dict[str, set[str]] = {}
    for key, value in given.items():
        parts = SEPARATOR.split(key)
        names = {_name(parts)} & maps.keys()
        if not any(isinstance(other, dict) for other in given.values()):
            names |= {stream for stream, _ in _readings(parts, value, only_mapped=False)}
        found[_name(parts)] = {sources.get(name, name) for name in names}
    return {name: streams for name, streams in found.items() if not name.startswith("__")}


def _streams(flat: dict[str, Any]) -> dict[str, Any]:
    """Restore options: a key ends with an option's name, or with `attributes` and the name of a property."""
    found: dict[str, Any] = {}
    for key, value in flat.items():
        parts = SEPARATOR.split(key)
        middle = parts.index("attributes", 1, -1) if "attributes" in parts[1:-1] else 0
        if isinstance(value, dict) and not middle:
            found.setdefault(_name(parts), {}).update(_unescaped(value))
        elif middle:
            attributes = found.setdefault(_name(parts[:middle]), {}).setdefault("attributes", {})
            attributes[_name(parts[middle + 1 :])] = value
        elif len(parts) > 1 and parts[-1] in StreamOptions.__struct_fields__:
            found.setdefault(_name(parts[:-1]), {})[parts[-1]] = value
        else:
            found[_name(parts)] = value
    return found


def _stream_maps(flat: dict[str, Any]) -> dict[str, Any]:
    """Restore properties.

    A dotted name that is removed is removed under every reading: as a stream, and as a property of each
    stream that it may belong to. A reading that fits no stream has no effect; a wrong guess would send the
    column. If any value is an object, nothing was flattened.
    """
    if any(isinstance(value, dict) for value in flat.values()):
        return _unescaped(flat)
    found: dict[str, Any] = {}
    for key, value in flat.items():
        parts = SEPARATOR.split(key)
        for stream, name in _readings(parts, value, only_mapped="__else__" in flat):
            found.setdefault(stream, {})[name] = value
    whole = {
        _name(SEPARATOR.split(key)): value
        for key, value in flat.items()
        if _is_removal(value) or not SEPARATOR.search(key)
    }
    return whole | found


def _readings(parts: list[str], value: Any, *, only_mapped: bool) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a stream and a property that a dotted name may mean.

    The property of an expression is the part after the last dot. If unmapped streams are excluded, an
    additional reading would let a stream in.
    """
    every = _is_removal(value) and not only_mapped and not parts[-1].startswith("__")
    for place in range(1 if every else max(1, len(parts) - 1), len(parts)):
        yield _name(parts[:place]), _name(parts[place:])


def _is_removal(value: Any) -> bool:
    return value is None or value == "__NULL__"


def _name(parts: list[str]) -> str:
    return ".".join(parts).replace("\\.", ".")


def _unescaped(options: dict[str, Any]) -> dict[str, Any]:
    """Return an object with the dots in its names unescaped, at any depth."""
    return {
        name.replace("\\.", "."): _unescaped(value) if isinstance(value, dict) else value
        for name, value in options.items()
    }


PUT_BACK: Final = {"streams": _streams, "stream_maps": _stream_maps}


PREFIX: Final = "TARGET_BATCH_"

LEVEL_VARIABLES: Final = (f"{PREFIX}LOGLEVEL", "LOGLEVEL")
"""Variables from which the SDK takes its log level: the first that is set and not empty."""

EDITOR_SCHEMA: Final = "$schema"
"""The key that refers an editor to the file's JSON schema; it is not a setting."""

NO_CONFIGURATION: Final = (
    "No configuration was named. Give it with --config FILE, or with --config ENV for variables "
    "TARGET_BATCH_…; `target-batch init` writes one."
)


class Wrong(click.ClickException):
    """A configuration error, shown in the same words as the target's and with the same exit code."""

    exit_code = ConfigurationError.exit_code

    def format_message(self) -> str:
        """Return the message, broken between words if the terminal is narrow."""
        return fitted(f"Error: {self.message}").removeprefix("Error: ")


def _echo(note: str) -> None:
    click.echo(note, err=True)


def check_log_level() -> None:
    """Check the variable that sets the log level.

    Raises:
        Wrong: there is no such level.
    """
    name = next((name for name in LEVEL_VARIABLES if os.environ.get(name)), None)
    if name is not None and not isinstance(logging.getLevelName(os.environ[name].upper()), int):
        raise Wrong(f"The variable {name} is not one of DEBUG, INFO, WARNING, ERROR or CRITICAL.")


def read(files: Sequence[str], tell: Callable[[str], None] = _echo) -> dict[str, Any]:
    """Return the merged settings of all files, and of the environment if ENV is among them.

    `tell` is called with a sentence for every variable that looks like a setting but is not.
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
        BadParameter: it cannot be read; the message has the file and the position, never the content.
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


def _environment(tell: Callable[[str], None]) -> dict[str, Any]:
    """Return the settings in the environment; a variable overrides the same one in a file `.env`."""
    from dotenv import find_dotenv, load_dotenv  # noqa: PLC0415 - only ENV needs it

    load_dotenv(find_dotenv(usecwd=True), override=False)
    shown = json_schema()["properties"] | json_schema(SdkSettings)["properties"]
    variables = {name: f"{PREFIX}{name.upper()}" for name in shown}
    for stray in _stray(variables.values()):
        close = meant(stray, variables.values())
        tell(f"The variable {clean(stray, 60)} is not a setting{close} and is not read.")
    return nested(
        {
            name: _value(variable, os.environ[variable], _kind(shown[name]))
            for name, variable in variables.items()
            if variable in os.environ
        }
    )


def _stray(variables: Collection[str]) -> list[str]:
    """Return the variables that look like settings but are not.

    Meltano's own are left out: they have a second `_` after the prefix, or continue after a setting's name.
    """
    others = os.environ.keys() - {*variables, LEVEL_VARIABLES[0]}
    theirs = (f"{PREFIX}_", *(f"{variable}_" for variable in variables))
    return sorted(name for name in others if name.startswith(PREFIX) and not name.startswith(theirs))


def _kind(shown: dict[str, Any]) -> str:
    """Return the type of a setting, other than null."""
    kinds = shown.get("type", "string")
    return kinds if isinstance(kinds, str) else next(kind for kind in kinds if kind != "null")


def _value(variable: str, text: str, kind: str) -> Any:
    """Convert a variable to its setting's type; booleans and fractions are converted with the settings."""
    try:
        if kind == "integer":
            return int(text)
        if kind == "object" or (kind == "array" and text.lstrip().startswith("[")):
            found = json.loads(text)
            if not isinstance(found, dict if kind == "object" else list):
                raise Wrong(f"{variable} cannot be read: a JSON {kind} is expected.")
            return found
    except (ValueError, RecursionError):
        raise Wrong(f"{variable} cannot be read: a number or JSON is expected.") from None
    return text.split(",") if kind == "array" else text
