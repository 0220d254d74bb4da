"""Notes at a SCHEMA: options without meaning, properties left out, names shared, limits exceeded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from target_batch.common.redaction import clean
from target_batch.config.settings import StreamOptions
from target_batch.mapping import natives

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_batch.mapping.columns import Columns
    from target_batch.mapping.plan import Plan

ABOUT_PROPERTY: Final = "Property `"
"""The beginning of every note about a single property."""

FOR_ALL: Final = frozenset({"kind", "custom_id", "attributes", "only_mapped", "time", "deleted_at"})
FOR_KIND: Final = {
    "profiles": frozenset({"on_delete"}),
    "events": frozenset({"event", "event_property"}),
    "segment": frozenset({"types"}),
}
"""The options that apply to each kind, besides `FOR_ALL`; the remaining ones are for audiences."""


def column_notes(columns: Columns) -> tuple[str, ...]:
    """Return notes on properties that are left out or share a name, and on unknown `attributes`."""
    notes = [
        f"Property `{row.property}` is left out: {row.note}."
        for row in columns.rows
        if row.reason is not None
    ]
    notes += [
        f"Property `{row.property}`: {row.note}."
        for row in columns.rows
        if row.target is not None and row.note
    ]
    known = {row.property for row in columns.rows}
    unknown = [name for name in columns.container.mapping if name not in known]
    if unknown and known:
        listed = ", ".join(f"`{name}`" for name in unknown)
        notes.append(f"The stream's `attributes` name what the SCHEMA does not have: {listed}.")
    return tuple(notes)


def idle_options(plan: Plan) -> Iterator[str]:
    """Yield a note on options set for the stream by its name that do not apply to its kind."""
    stream, kind, default = plan.route.stream, plan.route.kind, StreamOptions()
    if kind not in FOR_KIND or stream not in plan.settings.streams:
        return
    others = [name for name in StreamOptions.__struct_fields__ if name not in FOR_ALL | FOR_KIND[kind]]
    idle = [name for name in others if getattr(plan.route.options, name) != getattr(default, name)]
    if idle:
        listed = ", ".join(f"`{option}`" for option in idle)
        yield (
            f"No meaning for a stream of kind `{kind}`: {listed}. "
            f"Set `streams.{stream}.kind` if it is of another kind."
        )


def surplus_note(columns: Columns, limit: int) -> tuple[str, ...]:
    """Return a note on the attributes beyond the limit if a record has all; an event's tags do not count."""
    keys = [key for row in columns.rows if row.target for key in row.target.split(", ")]
    keys = [key for key in keys if key not in natives.OF_EVENTS]
    beyond = sorted(keys, key=columns.place)[limit:]
    if not beyond:
        return ()
    listed = ", ".join(f"`{key}`" for key in beyond)
    return (f"Batch takes {limit} attributes here; the surplus is rejected: {listed}.",)


def unknown_types(plan: Plan) -> Iterator[str]:
    """Yield a note on each type that JSON Schema lacks, and each reference that points outside the SCHEMA."""
    for name in plan.schema.unknown:
        yield (
            f"The SCHEMA declares the type `{clean(name, 40)}`, which JSON Schema does not have: such values "
            "are sent by their JSON types."
        )
    for reference in plan.schema.foreign:
        yield (
            f"The SCHEMA refers to `{clean(reference, 80)}`, which is not inside it and is not fetched: the "
            "property's values are sent by their JSON types."
        )
