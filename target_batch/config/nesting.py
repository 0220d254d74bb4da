"""Nested settings as Meltano writes them into the environment: `{"users.kind": "profiles"}`, put back."""

from __future__ import annotations

from typing import Any

from target_batch.config.options import StreamOptions

ATTRIBUTES = ".attributes."
REMOVED = "__NULL__"
"""What stands in a stream map for a property, or a stream, that is taken out."""


def nested(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration whose `streams` and `stream_maps` are objects of objects again."""
    found = dict(config)
    for name, put_back in (("streams", _streams), ("stream_maps", _stream_maps)):
        if isinstance(config.get(name), dict):
            found[name] = put_back(config[name])
    return found


def _streams(flat: dict[str, Any]) -> dict[str, Any]:
    """Put options back: the name behind the last dot is an option's, or `attributes` stands before it."""
    options = set(StreamOptions.__struct_fields__)
    found: dict[str, Any] = {}
    for key, value in flat.items():
        stream, marked, name = key.partition(ATTRIBUTES)
        head, _, option = key.rpartition(".")
        if isinstance(value, dict):
            found.setdefault(key, {}).update(value)
        elif marked:
            found.setdefault(stream, {}).setdefault("attributes", {})[name] = value
        elif head and option in options:
            found.setdefault(head, {})[option] = value
        else:
            found[key] = value
    return found


def _stream_maps(flat: dict[str, Any]) -> dict[str, Any]:
    """Put properties back; a dotted name that is only ever removed is a whole stream's, as in a file."""
    found: dict[str, Any] = {}
    heads = {key.rpartition(".")[0] for key, value in flat.items() if _is_expression(value)}
    for key, value in flat.items():
        stream, _, name = key.rpartition(".")
        if stream in heads - {""} and not isinstance(value, dict):
            found.setdefault(stream, {})[name] = value
        else:
            found[key] = value
    return found


def _is_expression(value: Any) -> bool:
    return isinstance(value, str) and value != REMOVED
