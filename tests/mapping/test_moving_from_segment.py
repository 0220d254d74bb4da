"""The table of differences in docs/moving-from-segment.md is true with `attribute_naming: segment`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_batch.common.operations import ProfileUpdate

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.mapping import Plan

NOW = 1_700_000_000.0
TIMESTAMP, TIME = "2023-11-14T22:00:00.000Z", "2023-11-14T22:00:00Z"
SCHEMA: dict[str, Any] = {name: {} for name in ("type", "userId", "traits", "context", "properties")}
PAGE = Path(__file__).parents[2] / "docs" / "moving-from-segment.md"


def identify(traits: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": "u", "traits": traits, **fields}


def track(properties: dict[str, Any], **fields: Any) -> dict[str, Any]:
    message = {"type": "track", "userId": "u", "event": "E", "timestamp": TIMESTAMP, "properties": properties}
    return {**message, **fields}


def event(attributes: dict[str, Any]) -> dict[str, Any]:
    return {"name": "e", "time": TIME, "attributes": attributes}


MANY = {f"p{n:02}": n for n in range(60)}
ROWS: dict[str, list[tuple[dict[str, Any], Any, list[str]]]] = {
    "names of numbers, booleans and nulls": [
        (identify({"nbOrders": 1, "isVIP": True, "Foo-Bar": None}),
         {"nborders": 1, "isvip": True, "foobar": None}, []),
        (track({"nbOrders": 1}), [event({"nborders": 1})], []),
    ],
    "names that would be empty or too long": [
        (identify({"éà": 1, "---": 1, "x" * 31: 1}), {"ea": 1}, ["invalid_name", "invalid_name"]),
    ],
    "two traits with one name": [
        (identify({"first name": "a", "firstname": "b"}), {"firstname": "b"}, ["name_collision"]),
        (identify({"firstname": "b", "first name": "a"}), {"firstname": "b"}, ["name_collision"]),
    ],
    "traits that nobody mapped": [(identify({"plan": "gold"}), {"plan": "gold"}, [])],
    "arrays in traits": [(identify({"tags": ["a", "b"]}), {"tags": ["a", "b"]}, [])],
    "objects in traits": [(identify({"o": {"a": 1}}), {}, ["object_not_allowed"])],
    "more than 50 attributes": [
        (identify(MANY), dict(list(MANY.items())[:50]), ["too_many_attributes"] * 10),
    ],
    "nulls": [(identify({"plan": None, "email": None}), {"plan": None, "$email_address": None}, [])],
    "dates with an offset, or without a time": [
        (identify({"a": "2024-01-02T03:04:05+02:00", "b": "2024-01-02"}),
         {"date(a)": "2024-01-02T01:04:05Z", "date(b)": "2024-01-02T00:00:00Z"}, []),
    ],
    "dates that the calendar lacks": [(identify({"a": "2024-02-30T00:00:00Z"}), {}, ["invalid_date"])],
    "`ftp://` addresses": [
        (identify({"a": "ftp://a.b/c", "b": "https://a.b/c"}),
         {"a": "ftp://a.b/c", "url(b)": "https://a.b/c"}, []),
    ],
    "`fr_FR`, `fr`, `zh-Hant-TW`": [
        (identify({}, context={"locale": "fr_FR"}), {"$language": "fr", "$region": "FR"}, []),
        (identify({}, context={"locale": "fr"}), {"$language": "fr"}, []),
        (identify({}, context={"locale": "zh-Hant-TW"}), {"$language": "zh", "$region": "TW"}, []),
    ],
    "empty `context.locale` and `context.timezone`": [
        (identify({}, context={"locale": "", "timezone": ""}), {}, []),
    ],
    "phone numbers": [
        (identify({"phone": "+33 6 12 34 56 78"}), {"$phone_number": "+33612345678"}, []),
        (identify({"phone": "0612345678", "a": 1}), {"a": 1}, ["invalid_phone"]),
    ],
    "a bad e-mail address": [(identify({"email": "nope", "a": 1}), {"a": 1}, ["invalid_email"])],
    "true, `Subscribed`, `yes` as consent": [
        (identify({"email_marketing": word}), {"$email_marketing": "subscribed"}, [])
        for word in (True, "Subscribed", "yes")
    ],
    "`reset` or null as consent": [
        (identify({"email_marketing": None, "sms_marketing": "reset"}), {}, ["invalid_consent"]),
    ],
    "integers beyond 2^53": [
        (identify({"a": 2**53 + 1, "b": 2**64}), {"a": 2**53 + 1}, ["invalid_number"]),
    ],
    "blanks around an ID": [(identify({"a": 1}, userId=" u "), {"a": 1}, [])],
    "an empty ID": [(identify({"a": 1}, userId=word), None, ["missing_custom_id"]) for word in ("", " ")],
    "a message with only an `anonymousId`": [
        (identify({"a": 1}, userId=None, anonymousId="x"), None, ["anonymous_message"]),
    ],
    "an event's time": [
        (track({"a": 1}), [event({"a": 1})], []),
        (track({"a": 1}, timestamp="2020-01-01T00:00:00Z"), None, ["event_outside_window"]),
        (track({"a": 1}, timestamp=None), None, ["missing_event_time"]),
    ],
    "`context.traits` and `context.locale` of a track": [
        (track({"a": 1}, context={"traits": {"email": "a@b.co"}, "locale": "fr-FR"}), [event({"a": 1})], []),
    ],
    "`$label` and `$tags`": [
        (track({"$label": "x", "$tags": ["a"]}), [event({"$label": "x", "$tags": ["a"]})], []),
    ],
    "arrays of numbers in events": [(track({"a": [1, 2]}), [event({"a": ["1", "2"]})], [])],
    "objects in objects in events": [
        (track({"a": {"b": {"c": {"d": 1}}}}), [event({"a": {"b": {"c": {"d": 1}}}})], []),
    ],
    "more than 20 attributes of an event": [
        (track(MANY), [event(dict(list(MANY.items())[:20]))], ["too_many_attributes"] * 40),
    ],
}  # fmt: skip
"""Row of the page → messages, their attributes or events (None if rejected as a whole), and reasons."""


def rows() -> list[str]:
    """Return the first column of the page's table."""
    return re.findall(r"^\| (?!there|-)(.+?) \| .+ \| .+ \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_row_of_the_page_is_tested() -> None:
    assert rows() == list(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_the_mapping_behaves_as_the_page_says(plan_of: Callable[..., Plan], row: str) -> None:
    for message, wanted, reasons in ROWS[row]:
        found: Any = plan_of("segment", SCHEMA, attribute_naming="segment")(message, NOW)
        assert [issue.reason.code for issue in found.issues] == reasons
        if wanted is None:
            assert not isinstance(found, ProfileUpdate)
        else:
            assert found.custom_id == "u"
            assert (found.events or found.attributes) == wanted


@pytest.mark.parametrize(
    ("name", "of_segment"),
    [
        ("User Registered", "user_registered"),
        ("Achat terminé !", "achat_termin___"),
        ("🎉 Party", "___party"),
        ("👨‍👩‍👧", "________"),
        ("e\u0301te", "e_te"),
        ("Already_valid_1", "already_valid_1"),
        ("x" * 31, None),
    ],
)
def test_event_names_equal_those_of_segment(
    plan_of: Callable[..., Plan], name: str, of_segment: str | None
) -> None:
    found: Any = plan_of("segment", SCHEMA, attribute_naming="segment")(track({}, event=name), NOW)
    if of_segment is None:
        assert [issue.reason.code for issue in found.issues] == ["invalid_event_name"]
    else:
        assert found.events[0]["name"] == of_segment
