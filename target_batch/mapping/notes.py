"""What a user must be told at the SCHEMA message; names of properties, never values."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_batch.mapping.columns import Columns


def notes(columns: Columns) -> tuple[str, ...]:
    """Return what the SCHEMA and the stream's `attributes` make of each other."""
    told = [
        f"Property `{row.property}` is left out: {row.note}."
        for row in columns.rows
        if row.reason is not None
    ]
    told += [
        f"Property `{row.property}`: {row.note}."
        for row in columns.rows
        if row.target is not None and row.note
    ]
    known = {row.property for row in columns.rows}
    unknown = [name for name in columns.scope.mapping if name not in known]
    if unknown and known:
        listed = ", ".join(f"`{name}`" for name in unknown)
        told.append(f"The stream's `attributes` name what the SCHEMA does not have: {listed}.")
    return tuple(told)


def surplus(columns: Columns, limit: int) -> tuple[str, ...]:
    """Return which properties go without in a record that has them all."""
    keys = [key for row in columns.rows if row.target for key in row.target.split(", ")]
    beyond = sorted(keys, key=columns.place)[limit:]
    if not beyond:
        return ()
    listed = ", ".join(f"`{key}`" for key in beyond)
    return (f"Batch takes {limit} attributes here; the surplus is rejected: {listed}.",)
