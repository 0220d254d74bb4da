"""Rows of Parquet files: a value that Python cannot hold becomes text, and does not end the run."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS: Final = 2000
"""Rows that are in memory at once, in addition to the columns of their row group."""


def rows_of(file: IO[bytes]) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of an open file in batches.

    Times are read to the microsecond. A value that no Python type can hold, such as a date after the
    year 9999, is read as text.
    """
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.parquet as pq  # noqa: PLC0415 - same

    reader = pq.ParquetFile(file, page_checksum_verification=True)
    schema = pa.schema([field.with_type(_in_micros(field.type)) for field in reader.schema_arrow])
    for batch in reader.iter_batches(batch_size=ROWS):
        yield _as_rows(batch if batch.schema.equals(schema) else batch.cast(schema, safe=False))


def _as_rows(batch: Any) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except (ValueError, ArithmeticError):  # pyarrow's own errors are ValueErrors too
        columns = [[_value(scalar) for scalar in column] for column in batch.columns]
        rows = [dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]
    return rows


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, ArithmeticError):
        return _text(scalar)


def _text(scalar: Any) -> str:
    import pyarrow as pa  # noqa: PLC0415 - an extra

    try:
        return str(scalar.cast(pa.string()).as_py())
    except (ValueError, ArithmeticError, NotImplementedError):
        return f"({scalar.type})"


def _in_micros(kind: Any) -> Any:
    """Return a type whose times are in microseconds, at any depth, instead of nanoseconds."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from pyarrow import types  # noqa: PLC0415 - same

    if types.is_struct(kind):
        return pa.struct([field.with_type(_in_micros(field.type)) for field in kind])
    if types.is_map(kind):
        return pa.map_(_in_micros(kind.key_type), _in_micros(kind.item_type))
    if types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_in_micros(kind.value_type)))
    if getattr(kind, "unit", None) != "ns":
        return kind
    if types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return pa.duration("us") if types.is_duration(kind) else pa.time64("us")
