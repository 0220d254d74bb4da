"""Warnings for the SCHEMA message; they contain property names, never values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from target_batch.common.redaction import clean
from target_batch.config.settings import StreamOptions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

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


def notes(columns: Columns) -> tuple[str, ...]:
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
    """Yield a note on the stream's options that do not apply to its kind."""
    stream, options = plan.route.stream, plan.route.options
    idle = list(_idle(options, plan.route.kind))
    if idle and stream in plan.settings.streams:
        listed = ", ".join(f"`{option}`" for option in idle)
        yield (
            f"No meaning for a stream of kind `{plan.route.kind}`: {listed}. "
            f"Set `streams.{stream}.kind` if it is of another kind."
        )


def _idle(options: StreamOptions, kind: str) -> Iterator[str]:
    if kind not in FOR_KIND:
        return
    default = StreamOptions()
    for field in msgspec.structs.fields(StreamOptions):
        name = field.name
        if name not in FOR_ALL | FOR_KIND[kind] and getattr(options, name) != getattr(default, name):
            yield name


def surplus(columns: Columns, limit: int, uncounted: Collection[str] = ()) -> tuple[str, ...]:
    """Return a note on the attributes beyond the limit if a record has all; `uncounted` ones do not count."""
    keys = [key for row in columns.rows if row.target for key in row.target.split(", ")]
    keys = [key for key in keys if key not in uncounted]
    beyond = sorted(keys, key=columns.place)[limit:]
    if not beyond:
        return ()
    listed = ", ".join(f"`{key}`" for key in beyond)
    return (f"Batch takes {limit} attributes here; the surplus is rejected: {listed}.",)


def foreign_references(plan: Plan) -> Iterator[str]:
    """Yield a note on each reference that points outside the SCHEMA; nothing is fetched."""
    for reference in plan.schema.foreign:
        yield (
            f"The SCHEMA refers to `{clean(reference, 80)}`, which is not inside it and is not fetched: the "
            "property's values are sent by their JSON types."
        )
