"""Rewriting answers into the alternative forms that Batch's documentation leaves open."""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

import msgspec

from target_batch.sandbox.answers import JSON, Answer
from target_batch.sandbox.readings import Readings

Rewrite = Callable[[dict[str, Any]], dict[str, Any]]
"""Function that takes one JSON object of an answer and returns it in another form."""

UNKNOWN_KEY: Final = "trace"
"""Key added by the reading ``extra_keys``."""
_OPTIONAL: Final = frozenset(
    {"category", "type", "display_name", "description", "created", "updated", "nb_ids"}
)
_RETRY_AFTER: Final = ((b"retry-after", b"1"),)


def reshape(answer: Answer, readings: Readings, *, is_app: bool) -> Answer:
    """Return an answer in the form chosen by the readings.

    Args:
        answer: The answer in its default form.
        readings: The readings in force.
        is_app: Whether the answer comes from the app platform.
    """
    chosen = readings.deviating()
    if not chosen:
        return answer
    has_json = bool(answer.body) and answer.headers[: len(JSON)] == JSON
    content = msgspec.json.decode(answer.body) if has_json else {}
    if is_app and "app_errors" in chosen and isinstance(content, dict) and "error_code" in content:
        content = {"code": content["error_code"], "message": content["error_message"]}
    for (name, value), rewrite in _REWRITES.items():
        if chosen.get(name) == value:
            content = _everywhere(content, rewrite)
    status, headers = answer.status, answer.headers
    if status == HTTPStatus.ACCEPTED:
        status = int(readings["accepted_status"])
    if status == HTTPStatus.TOO_MANY_REQUESTS and "retry_after" in chosen:
        headers += _RETRY_AFTER
    body = msgspec.json.encode(content) if has_json else answer.body
    return replace(answer, status=status, body=body, headers=headers)


def _everywhere(content: Any, rewrite: Rewrite) -> Any:
    """Rewrite every JSON object, inner ones first."""
    if isinstance(content, list):
        return [_everywhere(item, rewrite) for item in content]
    if isinstance(content, dict):
        return rewrite({key: _everywhere(value, rewrite) for key, value in content.items()})
    return content


def _without(*keys: str) -> Rewrite:
    return lambda one: {key: value for key, value in one.items() if key not in keys}


def _with_texts_for_numbers(one: dict[str, Any]) -> dict[str, Any]:
    return {key: str(value) if type(value) in {int, float} else value for key, value in one.items()}


def _with_an_unknown_key(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, UNKNOWN_KEY: {"id": "x-1", "steps": [1, None]}}


def _unnamed(category: str) -> Rewrite:
    """Remove ``attribute`` from the partial errors of one category."""
    unnamed = _without("attribute")
    return lambda one: unnamed(one) if one.get("category") == category else one


def _in_process(one: dict[str, Any]) -> dict[str, Any]:
    pending = one.get("indexing_state") == "IN_PROGRESS"
    return {**one, "indexing_state": "IN_PROCESS"} if pending else one


_REWRITES: Final[dict[tuple[str, str], Rewrite]] = {
    ("refused_attribute", "unnamed"): _unnamed("attribute"),
    ("refused_event", "unnamed"): _unnamed("event"),
    ("numbers", "text"): _with_texts_for_numbers,
    ("optional_keys", "absent"): _without(*_OPTIONAL),
    ("indexing_token", "absent"): _without("indexing_token"),
    ("list_count", "absent"): _without("count"),
    ("pending_state", "IN_PROCESS"): _in_process,
    ("extra_keys", "present"): _with_an_unknown_key,
}
"""The rewrite of every JSON object for each reading and value, in the order of application."""
