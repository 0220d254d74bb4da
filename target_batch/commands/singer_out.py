"""Singer messages on standard output, so that any Singer target can load reports of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_encode = msgspec.json.Encoder(decimal_format="number").encode

TEXT = {"type": ["string", "null"]}
INTEGER = {"type": ["integer", "null"]}
NUMBER = {"type": ["number", "null"]}
BOOLEAN = {"type": ["boolean", "null"]}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
OBJECT = {"type": ["object", "null"]}


def write(
    stream: str, properties: Mapping[str, Any], keys: Sequence[str], records: Iterable[dict[str, Any]]
) -> None:
    """Write the SCHEMA message of a stream, then a RECORD message for each record."""
    schema = {"type": "object", "properties": dict(properties)}
    _line({"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": list(keys)})
    for record in records:
        _line({"type": "RECORD", "stream": stream, "record": record})


def _line(message: dict[str, Any]) -> None:
    click.echo(_encode(message))
