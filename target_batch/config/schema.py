"""The JSON schema of the settings, made from their declaration, as the SDK shows it in `--about`."""

from __future__ import annotations

from typing import Any

import msgspec

from target_batch.common.redaction import Secret
from target_batch.config.settings import Settings


def json_schema() -> dict[str, Any]:
    """Return a schema with one property per setting: title, description, type, default, and `secret`."""
    properties: dict[str, Any] = {}
    required = []
    for field in msgspec.structs.fields(Settings):
        (schema,), parts = msgspec.json.schema_components([field.type], schema_hook=_schema_of)
        shown = _inlined(schema, parts)
        if field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT:
            required.append(field.name)
        elif isinstance(field.default, str | int | float):
            shown["default"] = field.default
        properties[field.name] = shown
    return {"type": "object", "properties": properties, "required": required}


def _schema_of(kind: type) -> dict[str, Any]:
    """Return the schema of a secret, which is text in a configuration."""
    if kind is Secret:
        return {"type": "string"}
    raise NotImplementedError(f"no schema for {kind.__name__}")


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:
    """Replace references by their targets, and `anyOf [X, null]` by X with two types."""
    if isinstance(schema, list):
        return [_inlined(item, parts) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(parts[schema["$ref"].rsplit("/", 1)[-1]], parts)
    plain = {key: _inlined(value, parts) for key, value in schema.items()}
    choices = plain.pop("anyOf", None)
    if choices is not None:
        (chosen,) = (choice for choice in choices if choice != {"type": "null"})
        plain = {**chosen, **plain}
    kind = plain.get("type", "string" if "enum" in plain else None)
    if kind is not None:
        plain["type"] = [kind, "null"] if choices is not None else kind
    return plain
