"""Records against their SCHEMA, by a compiled validator; what is wrong is named, never shown."""

from __future__ import annotations

from contextlib import suppress
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs

from target_batch.common.errors import InputError
from target_batch.common.reasons import Fault, Reason
from target_batch.common.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


TOLERATED: Final = frozenset({"additionalProperties", "unevaluatedProperties"})

OLDER: Final = (jsonschema_rs.Draft7Validator, jsonschema_rs.Draft4Validator)
"""How a SCHEMA is read that names no draft and is none of the newest: many taps still write draft 4."""


class Validator:
    """Finds the properties of a record that contradict the SCHEMA; quick where there are none.

    Formats restrict nothing, whatever the draft that a SCHEMA names: the mapping reads them, with more
    spellings than JSON schema knows.
    """

    def __init__(self, stream: str, schema: dict[str, Any]) -> None:
        validator = next(_compiled(schema), None)
        if validator is None:
            raise InputError(
                f"The SCHEMA of stream '{clean(stream)}' is not a valid JSON schema. "
                "Correct it in the tap, or set `validate_records` to false."
            )
        self._validator = validator
        self.is_valid: Callable[[dict[str, Any]], bool] = self._validator.is_valid

    def faults(self, record: dict[str, Any]) -> tuple[Fault, ...]:
        """Return a fault for each path that is wrong; one without a path blames the whole record.

        A property that the SCHEMA does not know is none: it is sent by its JSON type.
        """
        found: dict[str | None, Fault] = {}
        for error in self._validator.iter_errors(record):
            rule = next((str(step) for step in reversed(error.schema_path)), "schema")
            if rule in TOLERATED:
                continue
            path = ".".join(map(str, takewhile(_is_name, error.instance_path))) or None
            message = clean(f"It breaks the rule '{rule}' of the SCHEMA.")
            found.setdefault(path, Fault(Reason.SCHEMA_VIOLATION, path, None, message))
        return tuple(found.values())


def _compiled(schema: dict[str, Any]) -> Iterator[Any]:
    """Give the schema's validators, by the draft it names or else the newest one first."""
    for draft in (jsonschema_rs.validator_for, *(() if "$schema" in schema else OLDER)):
        with suppress(ValueError):
            yield draft(schema, validate_formats=False)


def without(record: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a record without what stands at a dotted path; the original stays as it is."""
    head, _, rest = path.partition(".")
    if path in record or not rest or not isinstance(record.get(head), dict):
        return {name: value for name, value in record.items() if name not in {path, head}}
    return {**record, head: without(record[head], rest)}


def _is_name(step: str | int) -> bool:
    return isinstance(step, str)
