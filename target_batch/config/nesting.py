r"""Nested settings as Meltano passes them on, put back into what the user wrote.

Meltano flattens what stands in `meltano.yml` (`{"users.kind": "profiles"}`), takes the dot in a name for a
level, and drops nulls and dotted names from the file it writes. `\.` is its way to write a dot that is none.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from target_batch.config.options import StreamOptions
from target_batch.config.settings import SdkSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BOOLEANS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
"""What may stand for a boolean, in any case, where a setting comes as text: variables, `.env`, Meltano."""


def _switches(*kinds: type) -> frozenset[str]:
    hints = [get_type_hints(kind).items() for kind in kinds]
    return frozenset(name for found in hints for name, kind in found if kind is bool)


SWITCHES: Final = _switches(Settings, SdkSettings)
OPTION_SWITCHES: Final = _switches(StreamOptions)

SEPARATOR: Final = re.compile(r"(?<!\\)\.")


def unbroken(config: dict[str, Any], file: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return a configuration file with the nested settings that Meltano broke when it wrote the file.

    Beside the file Meltano passes each setting in a variable `MELTANO_LOAD_…`, where every name and every
    null is still there. Files that Meltano did not write are returned as they are.
    """
    root = environment.get("MELTANO_SYS_DIR_ROOT")
    if not root or not Path(file).resolve().is_relative_to(Path(root).resolve()):
        return config
    variables = {name: environment.get(f"MELTANO_LOAD_{name.upper()}") for name in PUT_BACK}
    return config | {name: json.loads(value) for name, value in variables.items() if value}


def nested(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration whose `streams` and `stream_maps` are objects of objects again."""
    found = dict(config)
    for name, put_back in PUT_BACK.items():
        if isinstance(config.get(name), dict):
            found[name] = put_back(config[name])
    return with_booleans(found)


def with_booleans(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration in which the words of `BOOLEANS` are booleans; others stay, to be refused."""
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
    """Return each entry of `stream_maps` as it was written, and the streams or globs that it may be for."""
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
    """Put options back: the last part of a key is an option's name, or `attributes` stands before it."""
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
    """Put properties back.

    A dotted name that is taken out is taken out under every reading: as a stream, and as a property of each
    stream that it may belong to. A reading that fits no stream has no effect; a wrong guess would send the
    column. Where an object stands inside nothing was flattened.
    """
    if any(isinstance(value, dict) for value in flat.values()):
        return _unescaped(flat)
    found: dict[str, Any] = {}
    for key, value in flat.items():
        parts = SEPARATOR.split(key)
        for stream, name in _readings(parts, value, only_mapped="__else__" in flat):
            found.setdefault(stream, {})[name] = value
    whole = {_name(SEPARATOR.split(key)): value for key, value in flat.items() if _is_whole(key, value)}
    return whole | found


def _readings(parts: list[str], value: Any, *, only_mapped: bool) -> Iterator[tuple[str, str]]:
    """Return the pairs of a stream and a property that a dotted name may stand for.

    An expression belongs behind the last dot. Where unmapped streams are left out a reading more would
    let a stream in.
    """
    every = _is_removal(value) and not only_mapped and not parts[-1].startswith("__")
    for place in range(1 if every else max(1, len(parts) - 1), len(parts)):
        yield _name(parts[:place]), _name(parts[place:])


def _is_whole(key: str, value: Any) -> bool:
    return _is_removal(value) or not SEPARATOR.search(key)


def _is_removal(value: Any) -> bool:
    return value is None or value == "__NULL__"


def _name(parts: list[str]) -> str:
    return ".".join(parts).replace("\\.", ".")


def _unescaped(options: dict[str, Any]) -> dict[str, Any]:
    """Return an object with the dots in its names, at any depth, written plainly."""
    return {
        name.replace("\\.", "."): _unescaped(value) if isinstance(value, dict) else value
        for name, value in options.items()
    }


PUT_BACK: Final = {"streams": _streams, "stream_maps": _stream_maps}
