"""Classification of Batch's answers: pure functions of status, headers and body. Callers act on the verdict.

Reading is lenient: optional keys may be missing, unknown keys are ignored, 200, 201 and 202 are equivalent,
and numbers may be strings. Where Batch documents neither the status nor the content of a success, any 2xx
counts as one unless its content says otherwise. Believing is strict: a write counts as accepted only if
nothing in the answer contradicts it, and required information (which entries were refused, which audiences
exist) must be present.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from target_batch.common.plain_text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ACCEPTED_STATUSES: Final = frozenset({200, 201, 202})
SUCCESSES: Final = frozenset(range(200, 300))
ERRORS: Final = frozenset(range(400, 600))
REDIRECTS: Final = frozenset(range(300, 400))
SERVER_ERRORS: Final = frozenset(range(500, 600))
RETRYABLE: Final = frozenset({408, 425})
THROTTLED: Final = 429
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
MALFORMED: Final = frozenset({400, 422})
NOT_FOUND: Final = 404
TOO_LARGE: Final = 413
MISROUTED: Final = frozenset({NOT_FOUND, 405, 410, 501, 505})
ERROR_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,59}\Z")
MEDIA_TYPE = re.compile(r"[A-Za-z0-9.+-]{1,40}/[A-Za-z0-9.+-]{1,40}")
KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_.$-]{0,39}\Z")
SHOWN_KEYS: Final = 8
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}\Z")


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer; `received_at` is the local time in epoch seconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    received_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Batch's objection to one entry; `attribute` is None if Batch did not name one.

    `alone` means that a whole call was refused that contained only this entry, so none of it was applied.
    """

    reason: str
    attribute: str | None = None
    category: str | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """A success: `refusals` by the entry's index in the request, and the decoded body as `document`.

    `doubted` means that an earlier attempt was not answered and may take effect as well. `sent` is false if
    there was nothing left to send, so Batch was not asked.
    """

    refusals: dict[int, tuple[Refusal, ...]] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    doubted: bool = False
    sent: bool = True


@dataclass(frozen=True, slots=True)
class Failure:
    """Anything but a success: `what` is a description for people, `status` is None if there was no answer.

    `code` is Batch's own error code, empty if a proxy or another server answered. `doubted` has the same
    meaning as in `Accepted`.
    """

    what: str
    status: int | None = None
    code: str = ""
    doubted: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Retry(Failure):
    """A temporary failure: retry after at least `after` seconds; `ambiguous` if the call may have applied."""

    after: float | None = None
    throttled: bool = False
    ambiguous: bool = True


@dataclass(frozen=True, slots=True)
class Malformed(Failure):
    """The whole call was refused because of its content: the caller has to single out the invalid entry.

    `detail` is Batch's message, which may quote a record.
    """

    detail: str = ""


@dataclass(frozen=True, slots=True)
class TooLarge(Failure):
    """The body is too large: split it."""

    what: str = "413"


@dataclass(frozen=True, slots=True)
class Denied(Failure):
    """401 or 403: the key does not grant access."""


@dataclass(frozen=True, slots=True)
class Misrouted(Failure):
    """An unknown route or version, or a redirect: the address is wrong, not the records."""


@dataclass(frozen=True, slots=True)
class Undocumented(Failure):
    """An answer that Batch does not document: never a success, and a retry would not clarify it."""


Verdict: TypeAlias = Accepted | Failure


def leaves_doubt(verdict: Verdict) -> bool:
    """Return whether an attempt may have reached Batch without being answered."""
    unclear = isinstance(verdict, Undocumented) or (isinstance(verdict, Retry) and verdict.ambiguous)
    return unclear or verdict.doubted


def classify_bulk(answer: Answer, entries: int) -> Verdict:
    """Read the answer to a bulk call of `entries` entries, which must say which of them were refused."""
    return _unsuccessful(answer) or _success(answer, lambda document: _bulk(document, entries))


def classify_write(answer: Answer) -> Verdict:
    """Read the answer to an audience write or an erasure: any 2xx is a success unless its content objects.

    Batch documents an `indexing_token` for most audience writes, and no content for the others.
    """
    return _unsuccessful(answer) or _success(answer, _write, needs_object=False)


def classify_creation(answer: Answer) -> Verdict:
    """Read the answer to the creation of an audience; a 403 may mean that this audience already exists."""
    verdict = classify_write(answer)
    if isinstance(verdict, Denied) and verdict.status == FORBIDDEN:
        return Undocumented(verdict.what, verdict.status, verdict.code)
    return verdict


def classify_document(answer: Answer, *required: str) -> Verdict:
    """Read the answer to a GET: an object that contains the `required` keys and no error."""

    def read(document: dict[str, Any]) -> Accepted | str:
        if problem := _contradiction(document):
            return problem
        missing = [f"`{key}`" for key in required if key not in document]
        return f"without {' and '.join(missing)}" if missing else Accepted(document=document)

    return _unsuccessful(answer) or _success(answer, read)


def undocumented(answer: Answer, problem: str) -> Undocumented:
    """Describe an answer that Batch does not document, by its form only: values are never quoted."""
    return Undocumented(f"{problem}: {_form(answer)}", answer.status)


def whole_number(value: Any) -> int | None:
    """Read a whole number, which may be a string; return None for anything else."""
    if type(value) is int:
        return value
    return int(value) if isinstance(value, str) and WHOLE_NUMBER.match(value) else None


def _unsuccessful(answer: Answer) -> Verdict | None:
    status = answer.status
    if status in SUCCESSES:
        return None
    code, message = _error(answer.body)
    what = f"{status} {code}" if code else _form(answer)
    if status in MALFORMED:
        return Malformed(what, status, code, message)
    if status == THROTTLED or status in RETRYABLE or status in SERVER_ERRORS - MISROUTED:
        throttled = status == THROTTLED
        return Retry(what, status, code, _asked_pause(answer), throttled, ambiguous=not throttled)
    return BY_STATUS.get(status, Undocumented)(what, status, code)


BY_STATUS: Final[dict[int, type[Failure]]] = {
    **dict.fromkeys((UNAUTHORIZED, FORBIDDEN), Denied),
    **dict.fromkeys(REDIRECTS | MISROUTED, Misrouted),
    TOO_LARGE: TooLarge,
}

NO_CONTENT: Final = frozenset({204, 205})
LENGTHS: Final = ("Content-Length", "Transfer-Encoding")
"""Headers that say where a body ends; every answer with a body has one of them."""


def _success(
    answer: Answer, read: Callable[[dict[str, Any]], Accepted | str], *, needs_object: bool = True
) -> Verdict:
    """Read a 2xx; `read` returns the `Accepted` verdict, or a description of what is wrong with the body.

    If the answer was cut off, the call is retried. If it is complete, it is not: it may have been applied.
    """
    if answer.status not in ACCEPTED_STATUSES and needs_object:
        return undocumented(answer, "another status than documented")
    if header(answer, "Content-Encoding").lower() not in {"", "identity"}:
        return undocumented(answer, "compressed although that was not asked for")
    body = answer.body.strip()
    is_whole = answer.status in NO_CONTENT or any(header(answer, name) for name in LENGTHS)
    if not body and not is_whole:
        return Retry(f"cut off: {_form(answer)}", answer.status)
    if not body and needs_object:
        return undocumented(answer, "a success without a body")
    document = {} if not needs_object and _is_word(answer) else _decoded(body)
    if document is _NOT_JSON and not is_whole:
        return Retry(f"no JSON: {_form(answer)}", answer.status)
    found = read(document) if isinstance(document, dict) else "not an object"
    return undocumented(answer, found) if isinstance(found, str) else found


ONE_WORD: Final = re.compile(rb"(?:\[\]|\"?[A-Za-z0-9_.:=+/-]{1,100}!?\"?)?").fullmatch
SAYS_NO: Final = re.compile(
    r"error|fail|invalid|incorrect|refus|reject|denied|forbid|missing|misuse|unknown|unauth|exceed|limit"
    r"|maintenance|unavailable|abort|cancel|expired|partial|false|(?<![a-z0-9])(?:not|no|ko|bad)(?![a-z0-9])",
    re.IGNORECASE,
).search
"""Finds a sign of failure in a word that Batch does not document."""


def _is_word(answer: Answer) -> bool:
    """Return whether the body is empty, or a single word (not HTML) that does not contradict the status."""
    body = answer.body.strip()
    if not body:
        return True
    if "html" in header(answer, "Content-Type").lower() or not ONE_WORD(body):
        return False
    return not _contradicts(body.decode().strip('"'))


def _contradicts(word: Any) -> bool:
    """Return whether an undocumented word or number contradicts a success."""
    return whole_number(word) in ERRORS or (isinstance(word, str) and SAYS_NO(word) is not None)


def _denies(value: Any) -> bool:
    """Return whether the value of an undocumented `success` says no; a number above 0 may be a count."""
    return value in (0, "0") or (isinstance(value, str) and SAYS_NO(value) is not None)


def _bulk(document: dict[str, Any], entries: int) -> Accepted | str:
    code = document.get("code")
    if problem := _contradiction(document):
        return problem
    if code == "SUCCESS_WITH_PARTIAL_ERRORS":
        return _partly(document, entries)
    if code != "SUCCESS":
        return "a success without a known `code`"
    return _contradiction(document, *REFUSAL_KEYS) or Accepted(document=document)


def _partly(document: dict[str, Any], entries: int) -> Accepted | str:
    errors = document.get("errors")
    if not isinstance(errors, list) or not errors:
        return "partial errors that name no error"
    if any((whole_number(document.get(key)) or 0) > len(errors) for key in COUNT_KEYS):
        return "partial errors that name fewer than were refused"
    refusals: dict[int, list[Refusal]] = {}
    for error in errors:
        index = whole_number(error.get("bulk_index")) if isinstance(error, dict) else None
        if index is None or not 0 <= index < entries:
            return "a partial error for an entry that was not in the request"
        refusals.setdefault(index, []).append(_refusal(error))
    return Accepted({index: tuple(found) for index, found in refusals.items()}, document)


def _refusal(error: dict[str, Any]) -> Refusal:
    attribute, category = error.get("attribute"), error.get("category")
    return Refusal(
        reason=str(error.get("reason", "")),
        attribute=attribute if isinstance(attribute, str) and attribute else None,
        category=category if isinstance(category, str) else None,
    )


def _write(document: dict[str, Any]) -> Accepted | str:
    """Read the success of a write that succeeds or fails as a whole."""
    if problem := _contradiction(document, *REFUSAL_KEYS):
        return problem
    against = [key for key in OUTCOME_KEYS if _contradicts(document.get(key))]
    against += [key for key in SUCCESS_KEYS if _denies(document.get(key))]
    if against:
        return f"a success whose `{against[0]}` says otherwise"
    token = document.get("indexing_token")
    known = isinstance(token, str) or whole_number(token) is not None
    return Accepted(document={**document, "indexing_token": str(token) if known else ""})


def _contradiction(document: dict[str, Any], *refusal_keys: str) -> str:
    """Describe the first key that contradicts the success that the status claims, if there is one."""
    found = [key for key in (*ERROR_KEYS, *refusal_keys) if document.get(key) not in NOTHING]
    return f"a success with `{found[0]}`" if found else ""


NOTHING: Final[tuple[Any, ...]] = (None, False, 0, "", "0", [], {})
"""Values that mean the same as a missing key; a number may be a string."""

OUTCOME_KEYS: Final = ("code", "status", "result")
SUCCESS_KEYS: Final = ("success", "ok")
"""Keys that Batch does not document for a success, and whose value may contradict one."""

ERROR_KEYS: Final = ("error_code", "error_message", "error")
COUNT_KEYS: Final = ("failed", "rejected")
REFUSAL_KEYS: Final = ("errors", *COUNT_KEYS)
"""Keys that contradict a success: `ERROR_KEYS` always, `REFUSAL_KEYS` unless the answer's code announces
partial errors. `COUNT_KEYS` hold a number. Batch documents `error_code` and `error_message`; the others are
common elsewhere, and distrusting them loses no data."""


def _form(answer: Answer) -> str:
    """Describe an answer by its status, content type and top-level keys."""
    media_type = MEDIA_TYPE.match(header(answer, "Content-Type"))
    parts = [str(answer.status), media_type[0] if media_type else "no content type"]
    document = _decoded(answer.body)
    if isinstance(document, dict):
        keys = [key if KEY.match(key) else "?" for key in list(document)[:SHOWN_KEYS]]
        more = len(document) - len(keys)
        parts.append(f"keys {', '.join(keys)}" + (f" and {more} more" if more else "") if keys else "no keys")
    elif isinstance(document, list):
        parts.append(f"a list of {counted(len(document), 'item')}")
    elif not answer.body:
        parts.append("empty")
    return ", ".join(parts)


def header(answer: Answer, name: str) -> str:
    """Return the value of a header, whose name may be in any case; empty if it is missing."""
    wanted = name.lower()
    return next((value.strip() for key, value in answer.headers.items() if key.lower() == wanted), "")


_NOT_JSON: Final = object()


def _decoded(body: bytes) -> Any:
    """Decode JSON; return `_NOT_JSON` if that fails, also for bytes that are not UTF-8."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _NOT_JSON


def _error(body: bytes) -> tuple[str, str]:
    """Return the code and message of an error body, in either platform's spelling."""
    document = _decoded(body)
    if document is _NOT_JSON:
        document = _decoded(body.decode("utf-8", "replace").encode())
    if not isinstance(document, dict):
        return "", ""
    code = document.get("error_code", document.get("code"))
    message = document.get("error_message", document.get("message"))
    named = isinstance(code, str) and ERROR_CODE.match(code)
    return (str(code) if named else ""), (message if isinstance(message, str) else "")


def batch_time(answer: Answer) -> float | None:
    """Return when Batch answered according to its own clock (the `Date` header), in epoch seconds."""
    return _http_date(header(answer, "Date"))


def _asked_pause(answer: Answer) -> float | None:
    """Return `Retry-After` in seconds; a date in it is compared with the clock of the server that sent it."""
    now = batch_time(answer)
    return retry_after(header(answer, "Retry-After"), answer.received_at if now is None else now)


def retry_after(text: str, now: float) -> float | None:
    """Read `Retry-After` (seconds or an HTTP date) as seconds from `now`; None if missing or invalid."""
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,30}(\.[0-9]{1,9})?", text):
        return float(text)
    date = _http_date(text)
    return None if date is None else max(0.0, date - now)


def _http_date(text: str) -> float | None:
    """Return an HTTP date in epoch seconds; None if it is not one."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (date.replace(tzinfo=timezone.utc) if date.tzinfo is None else date).timestamp()
