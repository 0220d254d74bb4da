"""Flattening as the SDK does it, except that arrays stay arrays and a null object sets its columns to null.

The SDK turns arrays into JSON text, which attributes in Batch cannot use, and omits the flattened columns of
a null object, so that their old values would stay.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from singer_sdk.mapper import StreamMap


def keep_arrays(stream_map: StreamMap, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Make a stream map that flattens keep arrays; return the SCHEMA behind it, with their types."""
    if not stream_map.flattening_enabled:
        return stream_map.transformed_schema
    options: Any = stream_map.flattening_options
    separator: str = options.separator
    flat: dict[str, Any] = stream_map.transformed_schema["properties"]
    arrays = {name: said for name, said in _arrays(schema, "", separator) if name in flat}
    flattened: Any = partial(_flattened, stream_map.flatten_record, flat, separator)
    stream_map.flatten_record = flattened  # type: ignore[method-assign]
    return {**stream_map.transformed_schema, "properties": {**flat, **arrays}}


def _arrays(schema: Mapping[str, Any], before: str, separator: str) -> Iterator[tuple[str, Any]]:
    properties = schema.get("properties")
    for name, said in properties.items() if isinstance(properties, dict) else ():
        if not isinstance(said, dict):
            continue
        if "array" in (said.get("type") or ()):
            yield before + name, said
        yield from _arrays(said, f"{before}{name}{separator}", separator)


def _flattened(
    flatten: Callable[[dict[str, Any]], dict[str, Any]],
    known: Mapping[str, Any],
    separator: str,
    record: dict[str, Any],
) -> dict[str, Any]:
    found = flatten(_as_tuples(record))
    flat = {name: list(value) if type(value) is tuple else value for name, value in found.items()}
    for name, value in found.items():
        if value is None and name not in known:
            inside = [key for key in known if key.startswith(name + separator)]
            flat.update(dict.fromkeys(inside))
            if inside:
                del flat[name]
    return flat


def _as_tuples(value: Any) -> Any:
    """Turn the lists of a record into tuples, which the SDK leaves as they are."""
    if type(value) is dict:
        return {name: _as_tuples(item) for name, item in value.items()}
    return tuple(value) if type(value) is list else value
