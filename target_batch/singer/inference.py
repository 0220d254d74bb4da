"""A schema made from rows that bring none: the types that their values have, no more.

A tap's own SCHEMA says more and may say otherwise, so whoever shows a result says where it is from.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DATE = re.compile(r"\d{4}-\d\d-\d\d")
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")
URL = re.compile(r"https?://[^\s/]+\S*", re.IGNORECASE)
INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")
NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d+)?")
FORMATS: Final = (("date", DATE), ("date-time", DATE_TIME), ("uri", URL))
KINDS: Final[dict[type, str]] = {
    bool: "boolean",
    int: "integer",
    Decimal: "number",
    float: "number",
    list: "array",
    dict: "object",
}
TRUTHS: Final = {"true": True, "false": False}


def schema_of(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a JSON schema that every row fits; every property may be null."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {
        "type": "object",
        "properties": {name: _property(row.get(name) for row in rows) for name in names},
    }


def _property(values: Iterable[Any]) -> dict[str, Any]:
    present = [value for value in values if value is not None]
    kinds = {KINDS.get(type(value), "string") for value in present} or {"string"}
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    found: dict[str, Any] = {"type": [*sorted(kinds), "null"]}
    if kinds == {"string"}:
        texts = [value for value in present if value]
        form = next((name for name, pattern in FORMATS if texts and _all(pattern, texts)), None)
        if form:
            found["format"] = form
    return found


def typed_columns(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of text with numbers and booleans where a whole column holds nothing else.

    Leading zeros and signs stay text: they are identifiers and phone numbers.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    readers = {name: _reader([row[name] for row in rows if row.get(name)]) for name in names}
    return [{name: readers[name](text) if text else None for name, text in row.items()} for row in rows]


def _reader(texts: list[str]) -> Any:
    if texts and all(text.lower() in TRUTHS for text in texts):
        return lambda text: TRUTHS[text.lower()]
    if _all(INTEGER, texts):
        return int
    return Decimal if _all(NUMBER, texts) else str


def _all(pattern: re.Pattern[str], texts: list[str]) -> bool:
    return bool(texts) and all(pattern.fullmatch(text) for text in texts)
