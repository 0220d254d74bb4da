"""View of one request: its entries, its answer and the partial errors of each entry."""

from collections import defaultdict
from typing import Any, Final, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.exchange import entry_id
from target_batch.sandbox.refusals import UNREADABLE
from target_batch.sandbox.store.requests import Content
from target_batch.web import amount, fail, flag, number_in, position, show

LARGEST_PAGE: Final = 100
"""Largest ``limit`` of a request's entries."""
LONGEST_TEXT: Final = 20_000
"""Maximum characters shown of an entry, of the body around the entries, and of an answer."""
ERRORS_SHOWN: Final = 100
"""Maximum partial errors shown per entry."""

Errors = dict[int, list[Any]]
"""Partial errors by the index of the entry that they name."""


class Page(NamedTuple):
    """The entries to show: start, maximum number, and whether only those with partial errors."""

    start: int
    limit: int
    refused: bool


def exchange(batch: LocalBatch, request: Request) -> Response:
    """Show the request named in the path, with a page of its entries."""
    number = number_in(request.path_params["number"])
    found = None if number is None else batch.requests.one(number)
    if found is None:
        return fail(404, "request not found")
    row, content = found
    if content is None:
        return show({"row": row, "kept": False})
    page = Page(position(request), amount(request, "limit", 20, LARGEST_PAGE), flag(request, "refused"))
    body, entries = _body(content.body)
    answer, errors = _answer(content, len(entries or ()))
    if entries is not None:
        body |= _entries(entries, errors, page)
    query = _cut(content.query)
    return show({"row": row, "kept": True, "query": query, "body": body, "answer": answer})


def _body(body: bytes) -> tuple[dict[str, Any], list[Any] | None]:
    """Describe a body and return its entries; a body without entries is shown as text."""
    shown: dict[str, Any] = {"bytes": len(body)}
    try:
        decoded = msgspec.json.decode(body)
    except UNREADABLE:
        return shown | {"text": _raw(body)}, None
    if isinstance(decoded, list):
        return shown | {"around": ""}, decoded
    if isinstance(decoded, dict) and isinstance(decoded.get("ids"), list):
        entries = decoded.pop("ids")
        return shown | {"around": _text(decoded)}, entries
    return shown | {"text": _text(decoded)}, None


def _answer(content: Content, entries: int) -> tuple[dict[str, Any], Errors]:
    """Describe an answer, and return its partial errors separately, by the index of their entry."""
    shown: dict[str, Any] = {"bytes": content.answer_bytes}
    try:
        decoded = msgspec.json.decode(content.answer)
    except UNREADABLE:
        return shown | {"text": _raw(content.answer)}, {}
    if not isinstance(decoded, dict) or not isinstance(decoded.get("errors"), list):
        return shown | {"text": _text(decoded)}, {}
    placed: Errors = defaultdict(list)
    others: list[Any] = []
    for error in decoded["errors"]:
        place = _place(error)
        (placed[place] if place is not None and place < entries else others).append(error)
    if placed:
        others.insert(0, f"… {sum(map(len, placed.values()))}, beside their entries")
    decoded["errors"] = others
    return shown | {"text": _text(decoded)}, placed


def _entries(entries: list[Any], errors: Errors, page: Page) -> dict[str, Any]:
    """Describe a page of the entries."""
    places = sorted(errors) if page.refused else range(len(entries))
    wanted = places[page.start : page.start + page.limit]
    shown = [_entry(place, entries[place], errors) for place in wanted]
    return {"total": len(entries), "refused": len(errors), "found": len(places), "entries": shown}


def _place(error: Any) -> int | None:
    """Return the index of the entry that a partial error names, given as a number or as text."""
    return number_in(str(error.get("bulk_index"))) if isinstance(error, dict) else None


def _entry(place: int, entry: Any, errors: Errors) -> dict[str, Any]:
    return {
        "index": place,
        "id": entry_id(entry),
        "text": _text(entry),
        "errors": errors.get(place, [])[:ERRORS_SHOWN],
    }


def _text(content: Any) -> str:
    """Return content as indented JSON, cut off if it is very long."""
    return _cut(msgspec.json.format(msgspec.json.encode(content), indent=2).decode())


def _raw(content: bytes) -> str:
    """Return bytes that are not JSON as text, cut off if it is very long."""
    return _cut(content[: 4 * LONGEST_TEXT + 4].decode(errors="replace"))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}\n…"
