"""The meaning of every answer of Batch; the table below can be read as documentation."""

from __future__ import annotations

import json
import re
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_batch.batch_api.answers import (
    Accepted,
    Answer,
    Denied,
    Failure,
    Malformed,
    Misrouted,
    Refusal,
    Retry,
    TooLarge,
    Undocumented,
    batch_time,
    classify_bulk,
    classify_creation,
    classify_document,
    classify_write,
    retry_after,
)

KEYS = ("code", "errors", "bulk_index", "reason", "attribute", "indexing_token", "error_code", "Date")


def answer(status: int, body: Any = b"", **headers: str) -> Answer:
    """Make an answer; a body that is not bytes is written as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw, 1000.0)


def partial(*errors: Any) -> dict[str, Any]:
    """Make the body of a partial success."""
    return {"code": "SUCCESS_WITH_PARTIAL_ERRORS", "errors": list(errors)}


def error(index: Any) -> dict[str, Any]:
    """Make one partial error."""
    return {"category": "BAD", "bulk_index": index, "reason": "no", "attribute": "x"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(answer(202, {"code": "SUCCESS"}), Accepted, id="documented success"),
        pytest.param(answer(202, {"code": "SUCCESS", "errors": []}), Accepted, id="success, no errors"),
        pytest.param(answer(200, {"code": "SUCCESS"}), Accepted, id="200"),
        pytest.param(answer(201, {"code": "SUCCESS"}), Accepted, id="201"),
        pytest.param(answer(203, {"code": "SUCCESS"}), Undocumented, id="another 2xx"),
        pytest.param(answer(204), Undocumented, id="204"),
        pytest.param(answer(202, {"code": "SUCCESS", "errors": [error(0)]}), Undocumented, id="both"),
        pytest.param(answer(202, {"code": "OK"}), Undocumented, id="unknown code"),
        pytest.param(answer(202, {}), Undocumented, id="no code"),
        pytest.param(answer(202, b"null"), Undocumented, id="null"),
        pytest.param(answer(202, []), Undocumented, id="list"),
        pytest.param(answer(202, b"<html>welcome</html>"), Retry, id="HTML, perhaps cut off"),
        pytest.param(answer(202, b"<html></html>", Content_Length="13"), Undocumented, id="HTML"),
        pytest.param(answer(202, b"OK", Content_Length="2"), Undocumented, id="text"),
        pytest.param(answer(202, b"", Content_Length="0"), Undocumented, id="empty"),
        pytest.param(answer(202, b""), Retry, id="cut in its headers"),
        pytest.param(answer(202, b'{"code": "SUCC'), Retry, id="truncated"),
        pytest.param(answer(202, b"[" * 5000), Retry, id="nested beyond reading"),
        pytest.param(answer(202, b"x", Content_Encoding="gzip"), Undocumented, id="gzip unasked"),
        pytest.param(
            answer(202, {"code": "SUCCESS"}, Content_Encoding="Identity"), Accepted, id="not encoded"
        ),
        pytest.param(answer(103), Undocumented, id="103"),
        pytest.param(answer(205), Undocumented, id="205"),
        pytest.param(answer(202, partial()), Undocumented, id="partial without errors"),
        pytest.param(answer(202, partial(error(3))), Undocumented, id="index too high"),
        pytest.param(answer(202, partial(error(-1))), Undocumented, id="negative index"),
        pytest.param(answer(202, partial(error("1"))), Accepted, id="index as text"),
        pytest.param(answer(202, partial(error("one"))), Undocumented, id="index in words"),
        pytest.param(answer(202, {"code": "SUCCESS", "error_code": "X"}), Undocumented, id="an error code"),
        pytest.param(answer(202, {"code": "SUCCESS", "trace": {"id": 1}}), Accepted, id="an unknown key"),
        pytest.param(answer(202, {"code": "SUCCESS", "rejected": "0"}), Accepted, id="no rejected one"),
        pytest.param(answer(202, {"code": "SUCCESS", "failed": 1}), Undocumented, id="one failed, unnamed"),
        pytest.param(answer(202, {**partial(error(0)), "failed": 1}), Accepted, id="one failed, named"),
        pytest.param(answer(202, {**partial(error(0)), "failed": "2"}), Undocumented, id="two, one named"),
        pytest.param(answer(202, {"code": "SUCCESS", "errors": "0"}), Accepted, id="no errors, as text"),
        pytest.param(answer(202, {"code": "SUCCESS", "errors": "1"}), Undocumented, id="an error, as text"),
        pytest.param(answer(202, b'{"code": "SUCCESS", "x": "\xff"}'), Retry, id="not UTF-8"),
        pytest.param(answer(503, b'{"error_message": "\xff"}'), Retry, id="503, not UTF-8"),
        pytest.param(answer(202, partial(error(True))), Undocumented, id="index as boolean"),  # noqa: FBT003
        pytest.param(answer(202, partial(error(1.0))), Undocumented, id="index as float"),
        pytest.param(answer(202, partial(error(None))), Undocumented, id="no index"),
        pytest.param(answer(202, partial(error(10**30))), Undocumented, id="huge index"),
        pytest.param(answer(202, partial("x")), Undocumented, id="an error that is not an object"),
        pytest.param(answer(400, {"error_code": "BAD_REQUEST"}), Malformed, id="400"),
        pytest.param(answer(422), Malformed, id="422"),
        pytest.param(answer(401, {"error_code": "AUTHENTICATION_INVALID"}), Denied, id="401"),
        pytest.param(answer(403), Denied, id="403"),
        pytest.param(answer(404), Misrouted, id="404"),
        pytest.param(answer(405), Misrouted, id="405"),
        pytest.param(answer(301, Location="https://elsewhere.test"), Misrouted, id="301"),
        pytest.param(answer(308, Location="/x"), Misrouted, id="308"),
        pytest.param(answer(413), TooLarge, id="413"),
        pytest.param(answer(429), Retry, id="429"),
        pytest.param(answer(500), Retry, id="500"),
        pytest.param(answer(503, b"<html>"), Retry, id="503 by a proxy"),
        pytest.param(answer(599), Retry, id="599"),
        pytest.param(answer(408), Retry, id="408"),
        pytest.param(answer(409), Undocumented, id="409"),
        pytest.param(answer(100), Undocumented, id="100"),
    ],
)
def test_a_bulk_answer_has_this_meaning(given: Answer, expected: type) -> None:
    """Only the documented forms are a success."""
    assert type(classify_bulk(given, 3)) is expected


def test_several_errors_may_name_one_entry() -> None:
    """Every reason is kept under the entry's index."""
    verdict = classify_bulk(answer(202, partial(error(1), error(1), {"bulk_index": 2, "reason": "r"})), 3)
    assert isinstance(verdict, Accepted)
    assert verdict.refusals == {1: (Refusal("no", "x", "BAD"),) * 2, 2: (Refusal("r", None, None),)}


@pytest.mark.parametrize(
    "body",
    [
        [1],
        "FAILED",
        {"indexing_token": "t", "failed": 2},
        {"indexing_token": "t", "success": False},
        {"indexing_token": "t", "success": "0"},
        {"indexing_token": "t", "status": "rejected"},
        {"indexing_token": "t", "code": 500},
        {"error_code": "INTERNAL", "error_message": "later"},
        {"indexing_token": "t", "code": "SUCCESS_WITH_PARTIAL_ERRORS", "errors": [error(0)]},
        {"indexing_token": "t", "errors": {"0": "refused"}},
        {"indexing_token": "t", "code": "QUOTA_EXCEEDED"},
    ],
)
def test_a_contradictory_audience_answer_is_not_a_success(body: Any) -> None:
    assert isinstance(classify_write(answer(202, body)), Undocumented)


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize(
    ("body", "token"),
    [
        ({"indexing_token": "t"}, "t"),
        ({"indexing_token": 3, "trace": {}}, "3"),
        ({"code": "SUCCESS", "indexing_token": None}, ""),
        ({"code": "CREATED", "indexing_token": {"id": "t"}}, ""),
        ({"code": 0, "success": 1, "status": "1", "indexing_token": "t"}, "t"),
        ({"code": "QUEUED", "indexing_token": "t", "status": "PENDING"}, "t"),
        ({}, ""),
    ],
)
def test_an_audience_answer_may_lack_its_token(status: int, body: Any, token: str) -> None:
    """The app platform answers a creation with an empty object."""
    verdict = classify_write(answer(status, body))
    assert isinstance(verdict, Accepted)
    assert verdict.document["indexing_token"] == token


@pytest.mark.parametrize("status", [200, 203, 204, 207])
def test_any_2xx_without_a_contradiction_accepts_a_write(status: int) -> None:
    """Batch documents neither the status of an app's update nor that of an erasure."""
    for body in (b"", b"\n", {"code": "SUCCESS"}):
        for verdict in open_verdicts(answer(status, body, Content_Length="1")):
            assert isinstance(verdict, Accepted)


@pytest.mark.parametrize(
    "body",
    [
        {"error_code": "MISSING_PARAMETER"},
        {"code": "MISSING_PARAMETER", "message": "no such person"},
        {"error": "later"},
        {"id": "r1", "errors": ["refused"]},
        {"success": False},
        {"status": "ERROR", "message": "x"},
        {"status": "failed"},
        {"failed": [{"id": "u1"}]},
        {"rejected": ["u1"]},
        {"success": "no"},
        {"success": "failed"},
        {"ok": False},
        {"ok": 0},
        {"ok": "no"},
        {"result": "failed"},
        {"result": 404},
    ],
)
def test_a_2xx_that_names_an_error_is_not_a_success(body: Any) -> None:
    """A person who was not erased must not count as erased, although the form of the answer is open."""
    assert isinstance(classify_write(answer(200, body)), Undocumented)


@pytest.mark.parametrize("code", ["OK", "success", "ACCEPTED", None, 200, "202"])
def test_a_success_may_have_any_code_that_means_success(code: Any) -> None:
    for verdict in open_verdicts(answer(200, {"code": code, "errors": [], "rejected": "0"})):
        assert isinstance(verdict, Accepted)


@pytest.mark.parametrize(
    "body",
    [
        {"success": "yes", "ok": True},
        {"success": 450},
        {"success": None, "ok": None, "result": None, "message": None},
        {"result": {"id": "r1"}, "message": "Your request was accepted."},
    ],
)
def test_an_outcome_that_is_none_of_failure_accepts_a_write(body: Any) -> None:
    """A number above 0 may be the count of successes, even if it looks like a status."""
    for verdict in open_verdicts(answer(200, body)):
        assert isinstance(verdict, Accepted)


def open_verdicts(given: Answer) -> list[Any]:
    """Return the verdict on an answer for each kind of write whose answer is not documented."""
    return [classify_write(given), classify_creation(given)]


@pytest.mark.parametrize("status", [200, 202, 203])
@pytest.mark.parametrize(
    "body",
    [
        b"OK",
        b"ok\r\n",
        b'"OK"',
        b"null",
        b"[]",
        b"true",
        b"Accepted.",
        b"Updated",
        b'"QUEUED"',
        b"a008-77fe",
        b"200",
        b"12345678",
        b"0bad1f22",
    ],
)
def test_a_success_may_be_a_word_or_empty(status: int, body: bytes) -> None:
    for verdict in open_verdicts(answer(status, body, Content_Type="text/plain")):
        assert isinstance(verdict, Accepted)
        assert not verdict.document.get("indexing_token")


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"<html>welcome</html>", "text/plain"),
        (b"<html>welcome</html>", "text/html"),
        (b"Welcome", "text/html; charset=utf-8"),
        (b'<?xml version="1.0"?><ok/>', "application/xml"),
        (b"Welcome to the guest network.\nPlease log in.", "text/plain"),
        (b"x" * 101, "text/plain"),
        (b"Error: later", "text/plain"),
        (b"MISSING_PARAMETER", "text/plain"),
        (b'"AUTHENTICATION_INVALID"', "application/json"),
        (b"KO", "text/plain"),
        (b"person not found", "text/plain"),
        (b"false", "application/json"),
        (b'[{"id": "r1"}]', "application/json"),
        (b'{"id": "r1', "application/json"),
        (b"[" * 5000, "application/json"),
    ],
)
def test_a_web_page_or_an_error_is_not_a_success_and_is_not_retried(body: bytes, media_type: str) -> None:
    """The answer is complete, so the same request might count twice."""
    headers = {"Content_Type": media_type, "Content_Length": str(len(body))}
    for verdict in open_verdicts(answer(200, body, **headers)):
        assert isinstance(verdict, Undocumented)
        assert "r1" not in verdict.what


def test_a_call_whose_answer_broke_off_may_be_retried() -> None:
    """Without a `Content-Length` the answer may be incomplete."""
    for body in (b"", b'{"indexing_tok'):
        for verdict in open_verdicts(answer(200, body)):
            assert isinstance(verdict, Retry)


def test_a_document_with_an_error_is_not_a_success() -> None:
    found = answer(200, {"audiences": [], "error_code": "AUTHENTICATION_INVALID"})
    assert isinstance(classify_document(found, "audiences"), Undocumented)


def test_a_403_for_a_creation_does_not_mean_a_wrong_key() -> None:
    """It may mean that the name is taken."""
    assert isinstance(classify_creation(answer(403, {"error_code": "API_MISUSE"})), Undocumented)
    assert isinstance(classify_creation(answer(401)), Denied)


@pytest.mark.parametrize(
    ("given", "described"),
    [
        (answer(202, b"<html>hi</html>", Content_Type="text/html; charset=x"), "202, text/html"),
        (answer(200), "200, no content type, empty"),
        (answer(200, ["secret"], Content_Type="application/json"), "200, application/json, a list of 1 item"),
        (
            answer(200, {"login": "secret", "a b\n": 1}, Content_Type="application/json"),
            "200, application/json, keys login, ?",
        ),
        (answer(200, {}), "200, no content type, no keys"),
        (answer(200, {f"k{n}": n for n in range(12)}), "keys k0, k1, k2, k3, k4, k5, k6, k7 and 4 more"),
    ],
)
def test_an_undocumented_answer_is_described_by_its_form(given: Answer, described: str) -> None:
    """The description has the status, the content type and the names of keys, never a value."""
    verdict = classify_bulk(given, 1)
    assert isinstance(verdict, Failure)
    assert described in verdict.what
    assert "secret" not in verdict.what


@pytest.mark.parametrize(
    "body",
    [
        {"error_code": "MISSING_PARAMETER", "error_message": "why"},
        {"code": "MISSING_PARAMETER", "message": "why"},
        b'{"error_code": "MISSING_PARAMETER", "error_message": "why\xff"}',
    ],
)
def test_the_errors_of_both_platforms_are_read(body: Any) -> None:
    verdict = classify_write(answer(400, body))
    assert isinstance(verdict, Malformed)
    assert (verdict.status, verdict.code) == (400, "MISSING_PARAMETER")
    assert verdict.detail.startswith("why")


def test_an_error_of_another_shape_is_described_by_its_form() -> None:
    """An error code of Batch is shown instead."""
    verdicts = [classify_write(answer(409, body)) for body in ({"reason": "x"}, {"error_code": "BUSY"})]
    said = [verdict.what for verdict in verdicts if isinstance(verdict, Failure)]
    assert said == ["409, no content type, keys reason", "409 BUSY"]


def test_a_document_needs_its_keys() -> None:
    """A list without `audiences` is not an answer of Batch."""
    assert isinstance(classify_document(answer(200, {"audiences": []}), "audiences"), Accepted)
    verdict = classify_document(answer(200, {"other": []}), "audiences")
    assert isinstance(verdict, Undocumented)
    assert "`audiences`" in verdict.what


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("3", 3.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        (formatdate(1010, usegmt=True), 10.0),
        (formatdate(900, usegmt=True), 0.0),
        ("soon", None),
        ("-5", None),
        ("NaN", None),
        ("inf", None),
        ("3, 4", None),
        ("\u0663", None),
        ("9" * 12, 999_999_999_999.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_299_799.0),
        ("", None),
        ("1e99", None),
        ("9" * 40, None),
        ("Fri, 99 Foo 2099", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(value: str, expected: float | None) -> None:
    """An absurd value counts as missing."""
    assert retry_after(value, now=1000.0) == expected


def test_a_retry_after_date_is_relative_to_the_date_of_the_answer() -> None:
    """A wrong local clock does not matter."""
    headers = {"Date": formatdate(5000, usegmt=True), "Retry_After": formatdate(5007, usegmt=True)}
    verdict = classify_bulk(answer(503, **headers), 1)
    assert isinstance(verdict, Retry)
    assert verdict.after == 7


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"Date": formatdate(5000, usegmt=True)}, 5000.0), ({"date": "yesterday"}, None), ({}, None)],
)
def test_the_time_of_batch_is_read_from_the_date_header(
    given: dict[str, str], expected: float | None
) -> None:
    assert batch_time(answer(200, **given)) == expected


def test_only_a_call_that_may_have_been_applied_is_ambiguous() -> None:
    """A call with a 429 was certainly refused, one with a 500 may have been applied."""
    throttled, failed = classify_bulk(answer(429), 1), classify_bulk(answer(500), 1)
    assert isinstance(throttled, Retry)
    assert throttled.throttled
    assert not throttled.ambiguous
    assert isinstance(failed, Retry)
    assert failed.ambiguous


def test_the_error_message_of_batch_is_not_logged() -> None:
    """A message may contain personal data: it is written to the rejects, and the log shows the code only."""
    body = {"error_code": "BAD_REQUEST", "error_message": "ada@example.com is wrong"}
    verdict = classify_bulk(answer(400, body), 1)
    assert verdict == Malformed("400 BAD_REQUEST", 400, "BAD_REQUEST", "ada@example.com is wrong")
    hostile = classify_bulk(answer(401, {"error_code": "X\nada@example.com"}), 1)
    assert hostile == Denied("401, no content type, keys error_code", 401)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
)
PARTIAL = st.fixed_dictionaries(
    {"code": st.sampled_from(["SUCCESS", "SUCCESS_WITH_PARTIAL_ERRORS"])},
    optional={
        "errors": JSON
        | st.lists(
            st.fixed_dictionaries(
                {"bulk_index": st.integers(-1, 3)},
                optional={"attribute": JSON, "reason": JSON, "category": JSON},
            ),
            max_size=3,
        )
    },
)
BODIES = st.binary(max_size=20) | JSON | PARTIAL


@given(st.integers(200, 299), BODIES)
def test_a_complete_2xx_answer_is_never_retried(status: int, body: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    for verdict in open_verdicts(answer(status, raw, Content_Length=str(len(raw)))):
        assert isinstance(verdict, Accepted | Undocumented)


def read(raw: bytes) -> Any:
    """Return the JSON in a body, which bytes may be by chance; None if they are not."""
    try:
        return json.loads(raw)
    except ValueError:
        return None


@given(st.integers(100, 599), st.none() | st.text(max_size=20), BODIES)
@example(200, None, b'{"":""}')
def test_every_possible_answer_gets_a_verdict(status: int, after: str | None, body: Any) -> None:
    """A success needs a 2xx status, an object or a word, and valid indexes."""
    headers = {} if after is None else {"Retry-After": after}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    document = read(raw)
    given_answer = Answer(status, headers, raw, 1000.0)
    for verdict in (classify_bulk(given_answer, 3), classify_write(given_answer)):
        if isinstance(verdict, Accepted) and not isinstance(document, dict):
            assert status // 100 == 2
            word = raw.strip().strip(b'"')
            assert word in {b"", b"[]"} or re.fullmatch(rb"[!-~]{1,101}", word)
            assert not re.search(rb"(?i)error|fail|false|[<>{}]", word)
        elif isinstance(verdict, Accepted):
            assert status // 100 == 2
            assert all(0 <= index < 3 for index in verdict.refusals)
            assert not document.get("error_code")
            assert not verdict.refusals or document["code"] == "SUCCESS_WITH_PARTIAL_ERRORS"
            assert bool(document.get("errors")) == bool(verdict.refusals)
        if isinstance(verdict, Retry) and verdict.after is not None:
            assert verdict.after >= 0
