"""What an answer means, by pure functions over status, headers and body; acting on it is elsewhere.

An answer counts as success only in the form that Batch documents. Whatever else arrives with a 2xx,
nothing behind it is delivered.
"""

from __future__ import annotations

import re
from collections.abc import Callable  # noqa: TC003 - an alias below is evaluated
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCEPTED_STATUS: Final = 202
SUCCESSES: Final = frozenset(range(200, 300))
REDIRECTS: Final = frozenset(range(300, 400))
SERVER_ERRORS: Final = frozenset(range(500, 600))
RETRYABLE: Final = frozenset({408, 425})
THROTTLED: Final = 429
DENIED: Final = frozenset({401, 403})
MALFORMED: Final = frozenset({400, 422})
TOO_LARGE: Final = 413
MISROUTED: Final = frozenset({404, 405, 410, 501, 505})
ERROR_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,59}\Z")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, read whole: `received_at` is epoch seconds, for `Retry-After` dates."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    received_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """What Batch says against one entry; without `attribute` the whole entry is refused."""

    reason: str
    attribute: str | None = None
    category: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A documented success; `refusals` by the entry's index in the request, `document` the body."""

    refusals: dict[int, tuple[Refusal, ...]] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retry:
    """A passing trouble: try again, not before `after` seconds; `ambiguous` when it may be applied."""

    what: str
    after: float | None = None
    throttled: bool = False
    ambiguous: bool = True


@dataclass(frozen=True, slots=True)
class Malformed:
    """Batch refuses the whole call for what is in it: the guilty entry has to be singled out."""

    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The body is too large: split it."""

    what: str = "413"


@dataclass(frozen=True, slots=True)
class Denied:
    """401 or 403: the key does not open this."""

    what: str


@dataclass(frozen=True, slots=True)
class Misrouted:
    """No such route or version, or a redirect: the address is wrong, not the records."""

    what: str


@dataclass(frozen=True, slots=True)
class Undocumented:
    """Not what Batch documents: never a success, and trying again would not make it clearer."""

    what: str


Verdict: TypeAlias = Accepted | Retry | Malformed | TooLarge | Denied | Misrouted | Undocumented


def classify_bulk(answer: Answer, entries: int) -> Verdict:
    """Read the answer to a bulk call of `entries` entries."""
    return _unsuccessful(answer) or _success(answer, lambda document: _bulk(document, entries))


def classify_token(answer: Answer) -> Verdict:
    """Read the answer to an audience write, which documents an `indexing_token`."""
    return _unsuccessful(answer) or _success(answer, _token)


def classify_document(answer: Answer, *required: str) -> Verdict:
    """Read the answer to a GET: an object that has the `required` keys."""

    def complete(document: dict[str, Any]) -> Verdict:
        if any(key not in document for key in required):
            return Undocumented("an answer without the documented keys")
        return Accepted(document=document)

    return _unsuccessful(answer) or _success(answer, complete, statuses=(200, ACCEPTED_STATUS))


def _unsuccessful(answer: Answer) -> Verdict | None:
    status = answer.status
    if status in SUCCESSES:
        return None
    what = _described(answer)
    if status in MALFORMED:
        return Malformed(what, _error(answer.body)[1])
    if status == THROTTLED or status in RETRYABLE or status in SERVER_ERRORS - MISROUTED:
        after = retry_after(answer.headers.get("Retry-After"), answer.received_at)
        return Retry(what, after, status == THROTTLED, ambiguous=status != THROTTLED)
    if status in REDIRECTS:
        return Misrouted(what)
    return BY_STATUS.get(status, Undocumented)(what)


BY_STATUS: Final[dict[int, Callable[[str], Verdict]]] = {
    **dict.fromkeys(DENIED, Denied),
    **dict.fromkeys(MISROUTED, Misrouted),
    TOO_LARGE: TooLarge,
}


def _success(
    answer: Answer,
    read: Callable[[dict[str, Any]], Verdict],
    statuses: tuple[int, ...] = (ACCEPTED_STATUS,),
) -> Verdict:
    if answer.status not in statuses:
        return Undocumented(f"status {answer.status} where Batch documents {statuses[-1]}")
    if any(
        name.lower() == "content-encoding" and value.strip().lower() != "identity"
        for name, value in answer.headers.items()
    ):
        return Undocumented("a compressed answer that nobody asked for")
    try:
        document = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, RecursionError):
        return Retry("a success answer that is not JSON")
    if not isinstance(document, dict):
        return Undocumented("a success answer that is not an object")
    return read(document)


def _bulk(document: dict[str, Any], entries: int) -> Verdict:
    code, errors = document.get("code"), document.get("errors")
    if code == "SUCCESS" and not errors:
        return Accepted()
    if code != "SUCCESS_WITH_PARTIAL_ERRORS":
        return Undocumented("a success answer with an unknown code")
    if not isinstance(errors, list) or not errors:
        return Undocumented("partial errors that name no error")
    refusals: dict[int, list[Refusal]] = {}
    for error in errors:
        index = error.get("bulk_index") if isinstance(error, dict) else None
        if type(index) is not int or not 0 <= index < entries:
            return Undocumented("a partial error for an entry that was not in the request")
        refusals.setdefault(index, []).append(_refusal(error))
    return Accepted({index: tuple(found) for index, found in refusals.items()})


def _refusal(error: dict[str, Any]) -> Refusal:
    attribute, category = error.get("attribute"), error.get("category")
    return Refusal(
        reason=str(error.get("reason", "")),
        attribute=attribute if isinstance(attribute, str) and attribute else None,
        category=category if isinstance(category, str) else None,
    )


def _token(document: dict[str, Any]) -> Verdict:
    token = document.get("indexing_token")
    if not isinstance(token, str) or not token:
        return Undocumented("an audience answer without its indexing token")
    if document.get("errors") or document.get("code", "SUCCESS") != "SUCCESS":
        return Undocumented("an audience answer that names errors")
    return Accepted(document=document)


def _described(answer: Answer) -> str:
    code = _error(answer.body)[0]
    return f"{answer.status} {code}" if code else f"{answer.status}"


def _error(body: bytes) -> tuple[str, str]:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return "", ""
    if not isinstance(document, dict):
        return "", ""
    code, message = document.get("error_code"), document.get("error_message")
    named = isinstance(code, str) and ERROR_CODE.match(code)
    return (str(code) if named else ""), (message if isinstance(message, str) else "")


def retry_after(value: str | None, now: float) -> float | None:
    """Read `Retry-After`, seconds or an HTTP date, as seconds from `now`; None when absurd."""
    if value is None:
        return None
    text = value.strip()
    if re.fullmatch(r"[0-9]{1,30}(\.[0-9]{1,9})?", text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    return max(0.0, (date - datetime.fromtimestamp(now, timezone.utc)).total_seconds())
