"""The golden files of ``tests/wire``: reading them, filling them in and comparing requests with them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Iterator

WIRE = Path(__file__).parents[1] / "wire"

PLACEHOLDERS = {
    "VERSION": r"2\.\d+",
    "APP_KEY": r"[^/]+",
    "NAME": r"[A-Za-z0-9_-]{1,255}",
    "REST_API_KEY": r"\S+",
    "PROJECT_KEY": r"\S+",
    "CURSOR": r".+",
    "TOKEN": r".+",
    "FIRST_TOKEN": r".+",
    "EXPORT_ID": r"export_\S+",
    "FILE_ID": r"file_\S+",
    "REQUEST_ID": r"[^/]+",
    "NOW": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
}
"""Words in capitals that stand for a value, and the pattern of such a value."""
_WORD = re.compile(rf"\b({'|'.join(sorted(PLACEHOLDERS, key=len, reverse=True))})\b")
_FORMS = (
    re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
    re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"),
    re.compile(r"\d+"),
)
"""A text of one of these forms stands for any text of the same form."""


@dataclass(frozen=True)
class Golden:
    """One exchange; ``tests/wire/README.md`` describes the fields."""

    name: str
    title: str
    page: str
    mark: str
    request: dict[str, Any]
    answer: dict[str, Any]
    reading: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)
    scripted: bool = False
    fixed: list[str] = field(default_factory=list)
    any_of: dict[str, list[Any]] = field(default_factory=dict)
    optional: list[str] = field(default_factory=list)
    free: list[str] = field(default_factory=list)

    def differences(self, part: str, actual: Any) -> list[str]:
        """Compare a value with a part of the file.

        Args:
            part: ``request/body``, ``request/query`` or ``answer/body``.
            actual: The value that was sent.

        Returns:
            A sentence for each difference; empty when the shapes are the same.
        """
        shown: Any = {"request": self.request, "answer": self.answer}
        for step in part.split("/"):
            shown = shown.get(step, {} if step == "query" else None)
        return list(self._compare(shown, actual, f"/{part}"))

    def is_about(self, method: str, path: str) -> bool:
        """Return whether a call has the route of this exchange."""
        return method == self.request["method"] and bool(_pattern(self.request["path"]).fullmatch(path))

    def request_differences(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> list[str]:
        """Compare a sent request with the one of this exchange.

        Args:
            method: Its HTTP method.
            url: Path and query as sent.
            headers: Its headers; those that HTTP itself needs are ignored.
            body: Its body.
        """
        path, _, query = url.partition("?")
        if not self.is_about(method, path):
            return [f"{method} {path} is another route"]
        found = self.differences("request/query", dict(parse_qsl(query, keep_blank_values=True)))
        found += self._header_differences(headers)
        if "body" in self.request:
            found += self.differences("request/body", json.loads(body or b"null"))
        elif body:
            found.append("/request/body: none is expected")
        return found

    def _header_differences(self, headers: dict[str, str]) -> list[str]:
        named = {name.lower(): value for name, value in headers.items()}
        given: dict[str, str] = self.request["headers"]
        wrong = [
            f"/request/headers/{name}"
            for name, value in given.items()
            if not _pattern(value).fullmatch(named.get(name.lower(), ""))
        ]
        unknown = {"authorization", "x-authorization", "x-batch-project", "content-type"} & named.keys()
        return wrong + sorted(unknown - {name.lower() for name in given})

    def _compare(self, shown: Any, actual: Any, at: str) -> Iterator[str]:
        if at in self.any_of or at in self.fixed:
            if actual not in self.any_of.get(at, [shown]):
                yield f"{at}: another value than {self.any_of.get(at, shown)!r}"
        elif _kind(shown) != _kind(actual):
            yield f"{at}: {_kind(actual)} instead of {_kind(shown)}"
        elif at not in self.free:
            yield from self._compare_alike(shown, actual, at)
        elif isinstance(shown, dict):
            yield from _date_differences(shown, actual, at)

    def _compare_alike(self, shown: Any, actual: Any, at: str) -> Iterator[str]:
        """Compare two values of the same kind."""
        if isinstance(shown, dict):
            yield from self._compare_objects(shown, actual, at)
        elif isinstance(shown, list):
            for item in actual:
                yield from self._compare_item(shown, item, f"{at}/*")
        elif isinstance(shown, str) and not _has_form_of(shown, actual):
            yield f"{at}: not of the form of {shown!r}"

    def _compare_objects(self, shown: dict[str, Any], actual: dict[str, Any], at: str) -> Iterator[str]:
        yield from (f"{at}/{key}: unknown" for key in actual.keys() - shown.keys())
        for key, value in shown.items():
            if key in actual:
                yield from self._compare(value, actual[key], f"{at}/{key}")
            elif f"{at}/{key}" not in self.optional:
                yield f"{at}/{key}: missing"

    def _compare_item(self, shown: list[Any], item: Any, at: str) -> Iterator[str]:
        """Compare an item with every shown item, and report the fewest differences."""
        attempts = [list(self._compare(one, item, at)) for one in shown]
        yield from min(attempts, key=len, default=[f"{at}: no items are expected"])


def _date_differences(shown: dict[str, Any], actual: dict[str, Any], at: str) -> Iterator[str]:
    """Compare the dates of an object with free keys with the date shown in it."""
    form = next((value for key, value in shown.items() if key.startswith("date(")), None)
    for key, value in actual.items():
        if form and key.startswith("date(") and isinstance(value, str) and not _has_form_of(form, value):
            yield f"{at}/{key}: not of the form of {form!r}"


def goldens() -> dict[str, Golden]:
    """Read every golden file, by name."""
    return {
        path.stem: Golden(path.stem, **json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(WIRE.glob("*.json"))
    }


def documented(method: str, url: str, headers: dict[str, str], body: bytes | None) -> list[str]:
    """Return the names of the files whose request has the form of a sent one; empty if it is undocumented.

    Args:
        method: Its HTTP method.
        url: Path and query as sent.
        headers: Its headers.
        body: Its body.
    """
    return [
        name
        for name, golden in goldens().items()
        if not golden.request_differences(method, url, headers, body)
    ]


def fill(shown: Any, values: dict[str, str]) -> Any:
    """Replace the words in capitals by values, everywhere in a part of a golden file."""
    if isinstance(shown, dict):
        return {key: fill(value, values) for key, value in shown.items()}
    if isinstance(shown, list):
        return [fill(item, values) for item in shown]
    if isinstance(shown, str):
        return _WORD.sub(lambda word: values.get(word[0], word[0]), shown)
    return shown


def _pattern(shown: str) -> re.Pattern[str]:
    parts = _WORD.split(shown)
    return re.compile("".join(PLACEHOLDERS.get(part, re.escape(part)) for part in parts))


def _has_form_of(shown: str, actual: str) -> bool:
    if _WORD.search(shown):
        return bool(_pattern(shown).fullmatch(actual))
    form = next((form for form in _FORMS if form.fullmatch(shown)), None)
    return form is None or bool(form.fullmatch(actual))


def _kind(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "a boolean", False: "a boolean", None: "null"}[value]
    names = {str: "a text", int: "a number", float: "a number", list: "an array", dict: "an object"}
    return names[type(value)]
