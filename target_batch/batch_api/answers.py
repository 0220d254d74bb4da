"""What an answer means, by pure functions over status, headers and body; acting on it is elsewhere.

Tolerant in what is read: a key that nothing depends on may be missing, unknown keys may be there, 200, 201
and 202 mean the same, a number may come as text; where neither status nor content of a success is documented,
every 2xx is one that does not contradict it. Strict in what is believed: a write counts as
accepted only where nothing in the answer contradicts it, and what has to be known (which entries were
refused, which audiences exist) must be there.
"""

from __future__ import annotations

import re
from collections.abc import Callable  # noqa: TC003 - an alias below is evaluated
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from target_batch.common.plain_text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCEPTED_STATUSES: Final = frozenset({200, 201, 202})
SUCCESSES: Final = frozenset(range(200, 300))
ERRORS: Final = frozenset(range(400, 600))
REDIRECTS: Final = frozenset(range(300, 400))
SERVER_ERRORS: Final = frozenset(range(500, 600))
RETRYABLE: Final = frozenset({408, 425})
THROTTLED: Final = 429
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
BAD_REQUEST: Final = 400
MALFORMED: Final = frozenset({BAD_REQUEST, 422})
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
    """One HTTP answer, read whole: `received_at` is the local time in epoch seconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    received_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """What Batch says against one entry; without `attribute` it does not say what of it.

    With `alone` the call that held nothing but this entry was refused, so that nothing of it was applied.
    """

    reason: str
    attribute: str | None = None
    category: str | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """A success; `refusals` by the entry's index in the request, `document` the body.

    `doubted` if an attempt before it was not answered, and may take effect as well. `sent` is false where
    nothing was left to send, so that Batch has said nothing.
    """

    refusals: dict[int, tuple[Refusal, ...]] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    doubted: bool = False
    sent: bool = True


@dataclass(frozen=True, slots=True)
class Failure:
    """Anything but a success: `what` is for people only; `status` is None where no answer came.

    `code` is Batch's own name for the error, which a proxy or a foreign server does not give.
    `doubted` as for a success.
    """

    what: str
    status: int | None = None
    code: str = ""
    doubted: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Retry(Failure):
    """A temporary failure: try again, not before `after` seconds; `ambiguous` if it may be applied."""

    after: float | None = None
    throttled: bool = False
    ambiguous: bool = True


@dataclass(frozen=True, slots=True)
class Malformed(Failure):
    """Batch refuses the whole call for what is in it: the guilty entry has to be singled out.

    `detail` is Batch's message, which may quote a record.
    """

    detail: str = ""


@dataclass(frozen=True, slots=True)
class TooLarge(Failure):
    """The body is too large: split it."""

    what: str = "413"


@dataclass(frozen=True, slots=True)
class Denied(Failure):
    """401 or 403: the key does not open this."""


@dataclass(frozen=True, slots=True)
class Misrouted(Failure):
    """No such route or version, or a redirect: the address is wrong, not the records."""


@dataclass(frozen=True, slots=True)
class Undocumented(Failure):
    """Not what Batch documents: never a success, and trying again would not make it clearer."""


Verdict: TypeAlias = Accepted | Failure


def leaves_doubt(verdict: Verdict) -> bool:
    """Whether an attempt may have reached Batch that Batch has not answered for."""
    unclear = isinstance(verdict, Undocumented) or (isinstance(verdict, Retry) and verdict.ambiguous)
    return unclear or verdict.doubted


def classify_bulk(answer: Answer, entries: int) -> Verdict:
    """Read the answer to a bulk call of `entries` entries: it has to say which of them were refused."""
    return _unsuccessful(answer) or _success(answer, lambda document: _bulk(document, entries))


def classify_change(answer: Answer) -> Verdict:
    """Read the answer to an audience write: every 2xx that does not contradict it, with a token or without.

    Batch documents an `indexing_token` for most writes, for others nothing.
    """
    return _unsuccessful(answer) or _success(answer, _change, needs_object=False)


def classify_creation(answer: Answer) -> Verdict:
    """Read the answer to a creation: a 403 is about this one audience, it may exist already."""
    if answer.status == FORBIDDEN:
        return Undocumented(_described(answer), answer.status, _error(answer.body)[0])
    return classify_change(answer)


def classify_acceptance(answer: Answer) -> Verdict:
    """Read the answer to an erasure, whose success is not documented, as that to an audience write."""

    def read(document: dict[str, Any]) -> Accepted | str:
        return _refusal_of(document) or Accepted(document=document)

    return _unsuccessful(answer) or _success(answer, read, needs_object=False)


def classify_document(answer: Answer, *required: str) -> Verdict:
    """Read the answer to a GET: an object that has the `required` keys and names no error."""

    def complete(document: dict[str, Any]) -> str:
        missing = [key for key in required if key not in document]
        return f"without {' and '.join(f'`{key}`' for key in missing)}" if missing else ""

    def read(document: dict[str, Any]) -> Accepted | str:
        return _contradiction(document) or complete(document) or Accepted(document=document)

    return _unsuccessful(answer) or _success(answer, read)


def undocumented(answer: Answer, problem: str) -> Undocumented:
    """Describe an answer that is not what Batch documents: its form only, never a value of it."""
    return Undocumented(f"{problem}: {_form(answer)}", answer.status)


def whole_number(value: Any) -> int | None:
    """Read a whole number, which may come as text; None for anything else."""
    if type(value) is int:
        return value
    return int(value) if isinstance(value, str) and WHOLE_NUMBER.match(value) else None


def _unsuccessful(answer: Answer) -> Verdict | None:
    status = answer.status
    if status in SUCCESSES:
        return None
    what, (code, message) = _described(answer), _error(answer.body)
    if status in MALFORMED:
        return Malformed(what, status, code, message)
    if status == THROTTLED or status in RETRYABLE or status in SERVER_ERRORS - MISROUTED:
        throttled = status == THROTTLED
        return Retry(what, status, code, _asked_pause(answer), throttled, ambiguous=not throttled)
    if status in REDIRECTS:
        return Misrouted(what, status, code)
    return BY_STATUS.get(status, Undocumented)(what, status, code)


BY_STATUS: Final[dict[int, Callable[[str, int, str], Verdict]]] = {
    **dict.fromkeys((UNAUTHORIZED, FORBIDDEN), Denied),
    **dict.fromkeys(MISROUTED, Misrouted),
    TOO_LARGE: TooLarge,
}


NO_CONTENT: Final = frozenset({204, 205})
LENGTHS: Final = ("Content-Length", "Transfer-Encoding")
"""Headers that say where a body ends; every answer with a body has one of them."""


def _says_its_length(answer: Answer) -> bool:
    return any(_header(answer, name) for name in LENGTHS)


def _success(
    answer: Answer, read: Callable[[dict[str, Any]], Accepted | str], *, needs_object: bool = True
) -> Verdict:
    """Read a 2xx; `read` returns what was accepted, or the problem with it.

    An answer that broke off is asked for again. One that came whole is not: the request may have counted.
    """
    if answer.status not in ACCEPTED_STATUSES and needs_object:
        return undocumented(answer, "another status than documented")
    if _header(answer, "Content-Encoding").lower() not in {"", "identity"}:
        return undocumented(answer, "compressed although that was not asked for")
    body, is_whole = answer.body.strip(), answer.status in NO_CONTENT or _says_its_length(answer)
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
"""Finds what speaks against a success in a word that Batch does not document."""


def _is_word(answer: Answer) -> bool:
    """Whether an answer says nothing, or one word that does not contradict its status; a page is none."""
    body, media_type = answer.body.strip(), _header(answer, "Content-Type").lower()
    is_word = ONE_WORD(body) is not None and "html" not in media_type
    return not body or (is_word and not _contradicts(body.decode().strip('"')))


def _contradicts(word: Any) -> bool:
    """Whether a word or a number that is not documented speaks against a success."""
    return whole_number(word) in ERRORS or (isinstance(word, str) and SAYS_NO(word) is not None)


def _bulk(document: dict[str, Any], entries: int) -> Accepted | str:
    code = document.get("code")
    if problem := _contradiction(document):
        return problem
    if code == "SUCCESS_WITH_PARTIAL_ERRORS":
        return _partly(document, entries)
    if code != "SUCCESS":
        return "a success without a known `code`"
    return _refused(document) or Accepted(document=document)


def _partly(document: dict[str, Any], entries: int) -> Accepted | str:
    errors = document.get("errors")
    if not isinstance(errors, list) or not errors:
        return "partial errors that name no error"
    if any((whole_number(document.get(key)) or 0) > len(errors) for key in REFUSED_KEYS):
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


def _change(document: dict[str, Any]) -> Accepted | str:
    if problem := _refusal_of(document):
        return problem
    token = document.get("indexing_token")
    known = isinstance(token, str) or whole_number(token) is not None
    return Accepted(document={**document, "indexing_token": str(token) if known else ""})


def _refusal_of(document: dict[str, Any]) -> str:
    """Say what speaks against the success of a write that is accepted as a whole or not at all."""
    if problem := _contradiction(document) or _refused(document):
        return problem
    against = [key for key in ("code", "status") if _contradicts(document.get(key))]
    if str(document.get("success", True)).lower() in {"false", "0"}:
        against = ["success"]
    return f"a success whose `{against[0]}` says otherwise" if against else ""


def _contradiction(document: dict[str, Any]) -> str:
    """Say what in an answer speaks against the success that its status claims."""
    errors = [key for key in ERROR_KEYS if document.get(key) not in NOTHING]
    return f"a success with `{errors[0]}`" if errors else ""


def _refused(document: dict[str, Any]) -> str:
    """Say what an answer that names no refusal has refused all the same."""
    refused = [key for key in ("errors", *REFUSED_KEYS) if document.get(key) not in NOTHING]
    return f"a success with `{refused[0]}`" if refused else ""


NOTHING: Final[tuple[Any, ...]] = (None, False, 0, "", "0", [], {})
"""Contents of a key that mean the same as its absence; a number may come as text."""

ERROR_KEYS: Final = ("error_code", "error_message", "error")
REFUSED_KEYS: Final = ("failed", "rejected")
"""Keys that speak against a success: by any content, by what they count. Batch documents `error_code` and
`error_message`; the others are common elsewhere, and to doubt them costs no data."""


def _described(answer: Answer) -> str:
    code = _error(answer.body)[0]
    return f"{answer.status} {code}" if code else _form(answer)


def _form(answer: Answer) -> str:
    """Describe an answer by status, content type and the names of its top-level keys."""
    media_type = MEDIA_TYPE.match(_header(answer, "Content-Type"))
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


def _header(answer: Answer, name: str) -> str:
    wanted = name.lower()
    return next((value.strip() for key, value in answer.headers.items() if key.lower() == wanted), "")


_NOT_JSON: Final = object()


def _decoded(body: bytes) -> Any:
    """Read JSON; an answer is bytes until it proves to be text."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _NOT_JSON


def _error(body: bytes) -> tuple[str, str]:
    """Return code and message of an error body, in the spelling of either platform."""
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
    """Return when Batch answered by its own clock (`Date`), in epoch seconds."""
    date = _http_date(_header(answer, "Date"))
    return None if date is None else date.timestamp()


def _asked_pause(answer: Answer) -> float | None:
    """Return the seconds of `Retry-After`; a date in it is by the clock that wrote the answer."""
    now = batch_time(answer)
    return retry_after(_header(answer, "Retry-After"), answer.received_at if now is None else now)


def retry_after(text: str, now: float) -> float | None:
    """Read `Retry-After`, seconds or an HTTP date, as seconds from `now`; None if absurd or absent."""
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,30}(\.[0-9]{1,9})?", text):
        return float(text)
    date = _http_date(text)
    return None if date is None else max(0.0, date.timestamp() - now)


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
        return date.replace(tzinfo=timezone.utc) if date.tzinfo is None else date
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
