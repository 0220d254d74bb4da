"""A document that describes records and holds none: a JSON schema, or the catalog of a tap's discovery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_batch.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


def described(document: Any, stream: str | None) -> list[tuple[str, dict[str, Any], tuple[str, ...]]]:
    """Return the streams of a catalog, or the one of a JSON schema: name, schema, key properties.

    Raises:
        InputError: it is a catalog without a stream.
    """
    if not isinstance(document, dict):
        return []
    if isinstance(document.get("streams"), list):
        found = list(_of_catalog(document["streams"]))
        if not found and document.keys() == {"streams"}:
            raise InputError(
                "The catalog describes no stream: none has a name and a schema with `properties`."
            )
        return found
    if stream and _is_schema(document):
        return [(stream, document, ())]
    return []


def _of_catalog(entries: list[Any]) -> Iterator[tuple[str, dict[str, Any], tuple[str, ...]]]:
    for entry in entries:
        schema = entry.get("schema") if isinstance(entry, dict) else None
        if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
            name = entry.get("stream") or entry.get("tap_stream_id")
            keys = entry.get("key_properties") or _table_keys(entry.get("metadata"))
            if isinstance(name, str) and isinstance(keys, list):
                yield name, schema, tuple(key for key in keys if isinstance(key, str))


def _table_keys(metadata: Any) -> Any:
    """Return the keys as a catalog's metadata has them, at the breadcrumb of the whole stream."""
    for part in metadata if isinstance(metadata, list) else ():
        if isinstance(part, dict) and part.get("breadcrumb") == []:
            of_stream = part.get("metadata")
            return (of_stream.get("table-key-properties") or []) if isinstance(of_stream, dict) else []
    return []


def _is_schema(document: Any) -> bool:
    """Tell a JSON schema of objects from a row, or a Segment message, that has `properties`."""
    if not isinstance(document, dict) or not isinstance(document.get("properties"), dict):
        return False
    kinds = document.get("type")
    return kinds == "object" or (isinstance(kinds, list) and "object" in kinds)
