"""Options that `init` proposes for the streams of a sample. Each proposal is tried with the real target."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from target_batch.commands.options import placeholders
from target_batch.commands.samples import SampleRow, Schema, read_sample
from target_batch.commands.study import survey
from target_batch.common.limits import NAME_LENGTH
from target_batch.common.properties import words
from target_batch.common.reasons import Reason
from target_batch.config.routing import kind_by_name, kind_by_shape
from target_batch.singer.rows import schema_of, typed_columns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from target_batch.commands.study import Study

IDENTIFYING: Final = frozenset({"id", "uid", "uuid", "guid", "key", "number", "no", "code"})
"""Last words of the names of properties that may hold an ID."""

READ_FROM_TEXT: Final = frozenset({"integer", "number", "boolean"})
"""JSON types that the setting `attributes` can read from text: `integer(name)`."""


@dataclass
class Sample:
    """The schemas and rows of a sample, read once."""

    schemas: dict[str, Schema] = field(default_factory=dict)
    rows: list[SampleRow] = field(default_factory=list)

    def take(self, found: Schema | SampleRow) -> None:
        """Take a SCHEMA or a record."""
        if isinstance(found, Schema):
            self.schemas[found.stream] = found
        else:
            self.rows.append(found)

    def of(self, stream: str) -> list[dict[str, Any]]:
        """Return the records of a stream."""
        return [row.row.record for row in self.rows if row.stream == stream]

    def properties(self, stream: str) -> dict[str, Any]:
        """Return the properties in the SCHEMA of a stream."""
        found: dict[str, Any] = self.schemas[stream].schema.get("properties") or {}
        return found


def read(file: IO[bytes], stream: str | None, most: int) -> Sample:
    """Read a sample.

    Raises:
        InputError: the sample cannot be read, or has no stream.
    """
    sample = Sample()
    read_sample(file, stream, most, sample.take)
    return sample


def tried(sample: Sample, config: dict[str, Any]) -> dict[str, Study]:
    """Run a sample through the real target with a configuration, without sending anything.

    Raises:
        ConfigurationError: the target would refuse the configuration.
    """
    target = survey(config | placeholders(config), time.time())
    for schema in sample.schemas.values():
        target.show(schema)
    for row in sample.rows:
        target.show(row)
    return target.run.studies


def kind_of(sample: Sample, stream: str) -> str | None:
    """Return the kind that the target would detect from a stream's properties or name."""
    return kind_by_shape(sample.properties(stream)) or kind_by_name(stream)


def custom_ids(sample: Sample, stream: str) -> list[str]:
    """Return the properties that may hold the custom ID, those with the most distinct values first."""
    rows = sample.of(stream)

    def distinct(name: str) -> float:
        values = [str(row[name]) for row in rows if row.get(name) is not None and row[name] != ""]
        return len(set(values)) / len(rows) if rows else 0.0

    named = [name for name in sample.properties(stream) if set(words(name)[-1:]) & IDENTIFYING]
    return sorted(named, key=distinct, reverse=True)


def attributes(sample: Sample, stream: str, study: Study) -> dict[str, str]:
    """Return names for properties without a valid one, and types for those that a tap sends as text.

    Properties that the mapping already handles well are left out.
    """
    taken = {name for row in study.rows if row.target for name in row.target.split(", ")}
    found: dict[str, str] = {}
    for row in study.rows:
        if row.reason is Reason.INVALID_NAME:
            found[row.property] = name = _shortened(row.property, taken)
            taken.add(name)
    if study.route is not None and study.route.kind == "profiles":
        found |= dict(_typed_texts(sample, stream, study))
    return {name: target for name, target in found.items() if target}


def _shortened(name: str, taken: set[str]) -> str:
    """Return as many words of a name as Batch accepts, "" if there are none or the name is taken."""
    short = ""
    for word in words(name):
        longer = f"{short}_{word}" if short else word
        if len(longer) > NAME_LENGTH:
            break
        short = longer
    return "" if short in taken else short


def _typed_texts(sample: Sample, stream: str, study: Study) -> Iterator[tuple[str, str]]:
    """Yield conversions for properties declared as text that only hold numbers or booleans."""
    texts = [
        {name: value for name, value in row.items() if isinstance(value, str)} for row in sample.of(stream)
    ]
    seen = schema_of(typed_columns(texts))["properties"]
    for row in study.rows:
        kinds = set(seen.get(row.property, {}).get("type", ())) - {"null"}
        plain = row.target is not None and row.type == "string" and row.target.replace("_", "").isalnum()
        if plain and len(kinds) == 1 and kinds <= READ_FROM_TEXT:
            yield row.property, f"{kinds.pop()}({row.target})"
