"""Helpers that make Singer messages."""

from __future__ import annotations

import json
from typing import Any

STRING = {"type": ["string", "null"]}
INTEGER = {"type": ["integer", "null"]}
NUMBER = {"type": ["number", "null"]}
BOOLEAN = {"type": ["boolean", "null"]}
DATE_TIME = {"type": ["string", "null"], "format": "date-time"}


def schema(stream: str, properties: dict[str, Any], keys: list[str] | None = None) -> str:
    """Make a SCHEMA line."""
    return json.dumps(
        {
            "type": "SCHEMA",
            "stream": stream,
            "schema": {"type": "object", "properties": properties},
            "key_properties": keys or [],
        }
    )


def record(stream: str, **values: Any) -> str:
    """Make a RECORD line."""
    return json.dumps({"type": "RECORD", "stream": stream, "record": values})


def state(value: Any) -> str:
    """Make a STATE line."""
    return json.dumps({"type": "STATE", "value": value})


def users(first: int, last: int, *, every: int = 0) -> list[str]:
    """Make a stream of users `u<first>` to `u<last>`, with a STATE {"seen": n} after each `every` records."""
    lines = [schema("users", {"user_id": STRING, "seat": INTEGER})]
    for number in range(first, last + 1):
        lines.append(record("users", user_id=f"u{number}", seat=number))
        if every and (number - first + 1) % every == 0:
            lines.append(state({"seen": number}))
    return lines
