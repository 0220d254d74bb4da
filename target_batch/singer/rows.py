"""Rows without a schema: the names and cells of CSV, and types inferred from values.

A tap's own SCHEMA says more and may differ, so a command that shows inferred types says where they are from.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from target_batch.common.errors import InputError
from target_batch.common.redaction import clean
from target_batch.singer.reader import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    """Return a JSON schema that fits every row, with every property nullable."""
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
        form = next((name for name, pattern in FORMATS if _all(pattern, texts)), None)
        if form:
            found["format"] = form
    return found


def typed_columns(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Convert rows of text: columns that hold only numbers or only booleans get that type.

    Values with leading zeros or a plus sign stay text: they are identifiers and phone numbers.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    kinds = {name: {"type": _kind([row[name] for row in rows if row.get(name)])} for name in names}
    return [typed(row, {"properties": kinds}) for row in rows]


def _kind(texts: list[str]) -> str:
    if texts and all(text.lower() in TRUTHS for text in texts):
        return "boolean"
    if _all(INTEGER, texts):
        return "integer"
    return "number" if _all(NUMBER, texts) else "string"


def _all(pattern: re.Pattern[str], texts: list[str]) -> bool:
    return bool(texts) and all(pattern.fullmatch(text) for text in texts)


DELIMITERS: Final = ",;\t|"
"""Possible delimiters of cells: the one most frequent in the head is used."""


class Table:
    """A CSV table: `names` from its head, and rows with the number of the line that each ends on.

    Raises:
        InputError: it is not CSV in UTF-8, two columns share a name, or a row has more cells than the head.
    """

    def __init__(self, lines: Iterable[bytes], whence: str) -> None:
        self._whence = whence
        texts = (_text(line, number, whence) for number, line in enumerate(lines, 1))
        head = next((text for text in texts if text.strip()), "")
        csv.field_size_limit(LONGEST_LINE)  # the default refuses cells of 128 KiB
        delimiter = max(DELIMITERS, key=head.count)
        self._reader = csv.reader(chain([head], texts), delimiter=delimiter, strict=True)
        self.names = [name.strip() for name in next(self._rows(), ())]
        if twins := [f"`{clean(name, 60)}`" for name, uses in Counter(self.names).items() if uses > 1]:
            raise InputError(
                f"The head of {whence} has several columns of one name: {', '.join(twins)}. "
                "Rename all but one of them."
            )

    def __iter__(self) -> Iterator[tuple[dict[str, str], int]]:
        for row in self._rows():
            if len(row) > len(self.names):
                raise InputError(
                    f"Line {self._reader.line_num} of {self._whence} has {len(row)} cells, the head has "
                    f"{len(self.names)}. Is there a delimiter inside a text that is not in quotes?"
                )
            if row:
                yield dict(zip(self.names, row, strict=False)), self._reader.line_num

    def _rows(self) -> Iterator[list[str]]:
        first = self._reader.line_num + 1
        try:
            for row in self._reader:
                yield row
                first = self._reader.line_num + 1
        except csv.Error:
            raise InputError(
                f"The row from line {first} of {self._whence} is not CSV. It and what follows are not sent. "
                "Look for a quote that is not closed, text after a closed one, or a lone carriage return."
            ) from None


def _text(line: bytes, number: int, whence: str) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        raise InputError(f"Line {number} of {whence} is not UTF-8. Save the file as UTF-8.") from None


def typed(row: Mapping[str, str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a row to the types of its schema; empty cells become null, those that do not fit stay text."""
    declared = schema.get("properties") or {}
    return {name: _typed(text, declared.get(name)) if text else None for name, text in row.items()}


def _typed(text: str, declared: Any) -> Any:
    named = declared.get("type") if isinstance(declared, dict) else None
    kinds = {named} if isinstance(named, str) else set(named or ())
    if "string" in kinds:
        return text
    if "boolean" in kinds and text.lower() in TRUTHS:
        return TRUTHS[text.lower()]
    if kinds & {"integer", "number"} and INTEGER.fullmatch(text):
        return int(text)
    return Decimal(text) if "number" in kinds and NUMBER.fullmatch(text) else text
