"""A flat record of a user becomes attributes with the types of the SCHEMA; bad values are rejected."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from target_batch.common.errors import ConfigurationError
from target_batch.common.operations import Ignored, ProfileUpdate, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.mapping import Plan

TEXT = {"type": ["null", "string"]}
WHOLE = {"type": "integer"}
NUMBER = {"type": ["number", "null"]}
TRUTH = {"type": "boolean"}
MOMENT = {"type": "string", "format": "date-time"}
MAYBE_MOMENT = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}
DAY = {"type": "string", "format": "date"}
LINK = {"type": "string", "format": "uri"}
WORDS = {"type": "array", "items": {"type": "string"}}
OBJECT = {"type": "object"}
PLAIN_DECIMAL = {"type": "string", "format": "singer.decimal"}
MOMENT_OR_TEXT = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string"}]}
BIG = 2**53 + 1


def one(operation: Any) -> ProfileUpdate:
    assert isinstance(operation, ProfileUpdate)
    return operation


@pytest.mark.parametrize(
    ("schema", "value", "attributes"),
    [
        pytest.param(TEXT, "x", {"p": "x"}, id="text"),
        pytest.param(TEXT, "é" * 300, {"p": "é" * 300}, id="300-characters"),
        pytest.param(TEXT, "2024-01-02", {"p": "2024-01-02"}, id="text-that-looks-like-a-date"),
        pytest.param(TEXT, "", {"p": None}, id="empty-text-is-null"),
        pytest.param(TEXT, None, {"p": None}, id="null-deletes"),
        pytest.param(WHOLE, 7, {"p": 7}, id="integer"),
        pytest.param(WHOLE, BIG, {"p": BIG}, id="integer-beyond-a-float"),
        pytest.param(WHOLE, Decimal("7.0"), {"p": 7}, id="whole-decimal"),
        pytest.param(NUMBER, 7, {"p": 7}, id="integer-in-a-number"),
        pytest.param(NUMBER, Decimal("0.1000"), {"p": Decimal("0.1000")}, id="decimal-digits"),
        pytest.param(NUMBER, 1.5, {"p": 1.5}, id="float"),
        pytest.param(TRUTH, False, {"p": False}, id="boolean"),
        pytest.param(MOMENT, "2024-01-02T03:04:05Z", {"date(p)": "2024-01-02T03:04:05Z"}, id="time"),
        pytest.param(
            MAYBE_MOMENT, "2024-01-02 03:04+02", {"date(p)": "2024-01-02T01:04:00Z"}, id="any-of"
        ),
        pytest.param(MAYBE_MOMENT, None, {"date(p)": None}, id="null-deletes-a-date"),
        pytest.param(DAY, "2024-02-29", {"date(p)": "2024-02-29T00:00:00Z"}, id="midnight-utc"),
        pytest.param(LINK, "https://a.b/c?d", {"url(p)": "https://a.b/c?d"}, id="url"),
        *(
            pytest.param(LINK, address, {"url(p)": address}, id=f"url-{address}")
            for address in (
                "https://user:pw@a.b:8443/x?y#z",
                "https://[::ffff:1.2.3.4]/",
                "https://a.b?x=[1]",
                "https://é.fr/a\\b",
                "https://a.b/@c:d",
            )
        ),
        pytest.param(LINK, "https://[::1]:65535/", {"url(p)": "https://[::1]:65535/"}, id="url-of-an-ip"),
        pytest.param(LINK, "http://10.0.0.1:80/", {"url(p)": "http://10.0.0.1:80/"}, id="url-of-an-ipv4"),
        pytest.param(LINK, "http://1.2.3.4.example.com/%zz|", {"url(p)": "http://1.2.3.4.example.com/%zz|"},
                     id="url-odd-below-its-host"),
        pytest.param(LINK, "https://[::1]:/", {"url(p)": "https://[::1]:/"}, id="url-of-an-ip-empty-port"),
        pytest.param(LINK, "https://a.co/\u06cc\u200c\u062e", {"url(p)": "https://a.co/\u06cc\u200c\u062e"},
                     id="url-with-a-joiner"),
        pytest.param(LINK, "https://a.b:/x", {"url(p)": "https://a.b:/x"}, id="url-empty-port"),
        pytest.param(LINK, "http://caf%C3%A9.fr/", {"url(p)": "http://caf%C3%A9.fr/"}, id="url-escaped-host"),
        pytest.param(LINK, "app://settings", {"url(p)": "app://settings"}, id="deep-link"),
        pytest.param(LINK, "https://bücher.de/ü", {"url(p)": "https://bücher.de/ü"}, id="url-not-ascii"),
        pytest.param(NUMBER, Decimal("1.5e300"), {"p": Decimal("1.5e300")}, id="large-double"),
        pytest.param(NUMBER, 2**63 - 1, {"p": 2**63 - 1}, id="largest-integer"),
        pytest.param(WORDS, [2**64], {"p": ["18446744073709551616"]}, id="large-integer-as-text"),
        pytest.param(WORDS, [7 * 10**299], {"p": ["7" + "0" * 299]}, id="integer-of-300-digits-as-text"),
        pytest.param(WORDS, ["a", "b"], {"p": ["a", "b"]}, id="array"),
        pytest.param(WORDS, ["a", 1, True, Decimal("1.50"), None, ""], {"p": ["a", "1", "true", "1.50"]},
                     id="scalars-become-text-and-null-is-skipped"),
        pytest.param(WORDS, [Decimal("1E+999999999999"), Decimal("1E-9")],
                     {"p": ["1E+999999999999", "0.000000001"]}, id="huge-exponent-as-text"),
        pytest.param(WORDS, [], {"p": None}, id="empty-array-is-null"),
        pytest.param(WORDS, {"$add": ["a"]}, {"p": {"$add": ["a"]}}, id="add"),
        pytest.param(WORDS, {"$add": ["a"], "$remove": []}, {"p": {"$add": ["a"]}}, id="half-empty"),
        pytest.param(WORDS, {"$remove": []}, {}, id="empty-change-is-nothing"),
        pytest.param(PLAIN_DECIMAL, "12.50", {"p": Decimal("12.50")}, id="decimal-as-text"),
        pytest.param(MOMENT_OR_TEXT, "2024-01-02", {"date(p)": "2024-01-02T00:00:00Z"}, id="date-or-text"),
        pytest.param(MOMENT_OR_TEXT, "soon", {"p": "soon"}, id="text-or-date"),
        pytest.param({}, 7, {"p": 7}, id="no-type"),
        pytest.param({"type": "date"}, "2024-01-02", {"p": "2024-01-02"}, id="type-that-does-not-exist"),
        pytest.param({"type": ["date", "null"]}, 7, {"p": 7}, id="types-that-do-not-exist"),
        pytest.param({"type": ["integer", "bigint"]}, "x", {"p": "x"}, id="one-type-that-does-not-exist"),
        pytest.param({"type": ["string", "integer"]}, 7, {"p": 7}, id="either"),
    ],
)  # fmt: skip
def test_a_value_is_sent_with_the_type_of_its_schema(
    plan_of: Callable[..., Plan], schema: Any, value: Any, attributes: Any
) -> None:
    plan = plan_of("profiles", {"id": WHOLE, "p": schema})
    update = one(plan({"id": 1, "p": value}, 0.0))
    assert update == ProfileUpdate("1", attributes, [])
    assert [type(value) for value in update.attributes.values()] == [
        type(value) for value in attributes.values()
    ]


@pytest.mark.parametrize(
    ("schema", "value", "code"),
    [
        pytest.param(TEXT, "x" * 301, "value_too_long", id="301-characters"),
        pytest.param(TEXT, 7, "schema_violation", id="number-for-text"),
        pytest.param(WHOLE, "7", "schema_violation", id="text-for-integer"),
        pytest.param(WHOLE, True, "schema_violation", id="boolean-for-integer"),
        pytest.param(WHOLE, Decimal("7.5"), "schema_violation", id="fraction-for-integer"),
        pytest.param(NUMBER, math.nan, "invalid_number", id="nan"),
        pytest.param(NUMBER, -math.inf, "invalid_number", id="infinity"),
        pytest.param(NUMBER, Decimal("NaN"), "invalid_number", id="decimal-nan"),
        pytest.param(NUMBER, Decimal("1e400"), "invalid_number", id="beyond-a-double"),
        pytest.param(NUMBER, Decimal("-1e400"), "invalid_number", id="below-a-double"),
        pytest.param({}, Decimal("1e400"), "invalid_number", id="beyond-a-double-without-type"),
        pytest.param(NUMBER, 2**63, "invalid_number", id="beyond-64-bits"),
        pytest.param(WHOLE, -(2**63) - 1, "invalid_number", id="below-64-bits"),
        pytest.param(WHOLE, Decimal("9223372036854775808.0"), "invalid_number", id="whole-beyond-64-bits"),
        pytest.param(PLAIN_DECIMAL, "9223372036854775808", "invalid_number", id="text-beyond-64-bits"),
        pytest.param(LINK, "https://[x/", "invalid_url", id="half-an-address"),
        pytest.param(LINK, "https://a.b:99999/", "invalid_url", id="port-too-large"),
        pytest.param(LINK, "http://%zz", "invalid_url", id="host-half-escaped"),
        pytest.param(LINK, "http://a|b/", "invalid_url", id="host-with-a-bar"),
        pytest.param(LINK, "http://a<b>/", "invalid_url", id="host-with-brackets"),
        pytest.param(LINK, "http://a^b/", "invalid_url", id="host-with-a-caret"),
        pytest.param(LINK, "http://1.2.3.256/", "invalid_url", id="not-an-ipv4"),
        pytest.param(LINK, "http://1.2.3.4.5/", "invalid_url", id="five-numbers"),
        pytest.param(LINK, "https://a.b:x/", "invalid_url", id="port-of-letters"),
        pytest.param(LINK, "https://@/", "invalid_url", id="no-host-after-user"),
        pytest.param(LINK, "https://:443/", "invalid_url", id="no-host-before-port"),
        pytest.param(LINK, "https:///a", "invalid_url", id="no-host"),
        pytest.param(LINK, "https://[::1", "invalid_url", id="open-bracket"),
        pytest.param(LINK, "https://[::1]extra/", "invalid_url", id="host-0"),
        pytest.param(LINK, "https://x[::1]/", "invalid_url", id="host-1"),
        pytest.param(LINK, "https://[::1%eth0]/", "invalid_url", id="host-2"),
        pytest.param(LINK, "https://[::1%25eth0]/", "invalid_url", id="host-3"),
        pytest.param(LINK, "https://a\\b/", "invalid_url", id="host-4"),
        pytest.param(LINK, "https://a:b:80/", "invalid_url", id="host-5"),
        pytest.param(LINK, "https://[::1]]/", "invalid_url", id="host-6"),
        pytest.param(LINK, "https://u[@a.b/", "invalid_url", id="host-7"),
        pytest.param(LINK, "https://[x@::1]/", "invalid_url", id="host-8"),
        pytest.param(LINK, "https://a.b:+80/", "invalid_url", id="host-9"),
        pytest.param(LINK, "https://[1.2.3.4]/", "invalid_url", id="host-10"),
        pytest.param(LINK, "https://user@/", "invalid_url", id="host-11"),
        pytest.param(LINK, "https://a.b/\u200b", "invalid_url", id="invisible-blank"),
        pytest.param(LINK, "mailto:a@example.com", "invalid_url", id="mailto"),
        pytest.param(LINK, "urn:isbn:1", "invalid_url", id="urn"),
        pytest.param(LINK, "//a.b/c", "invalid_url", id="no-scheme-but-slashes"),
        pytest.param(TRUTH, 1, "schema_violation", id="one-for-true"),
        pytest.param(MOMENT, "2024-02-30T00:00:00Z", "invalid_date", id="30-february"),
        pytest.param(MOMENT, "soon", "invalid_date", id="not-a-date"),
        pytest.param(MOMENT, 1700000000, "schema_violation", id="number-for-date"),
        pytest.param(LINK, "a.b/c", "invalid_url", id="no-scheme"),
        pytest.param(LINK, "https://a b", "invalid_url", id="blank-in-url"),
        pytest.param(LINK, "https://a/" + "b" * 2048, "value_too_long", id="url-too-long"),
        pytest.param(WORDS, ["a"] * 26, "too_many_items", id="26-items"),
        pytest.param(WORDS, ["a" * 301], "value_too_long", id="item-too-long"),
        pytest.param(WORDS, [["a"]], "invalid_array", id="nested-array"),
        pytest.param(WORDS, [{"a": 1}], "invalid_array", id="array-of-objects"),
        pytest.param(WORDS, [math.nan], "invalid_number", id="nan-in-array"),
        pytest.param(WORDS, [10**400], "value_too_long", id="integer-beyond-a-double-in-array"),
        pytest.param(WORDS, [Decimal("sNaN")], "invalid_number", id="signalling-nan-in-array"),
        pytest.param(WORDS, "a", "schema_violation", id="text-for-array"),
        pytest.param(OBJECT, {"a": 1}, "object_not_allowed", id="object"),
        pytest.param({}, {"$add": ["a"], "b": 1}, "object_not_allowed", id="half-a-change"),
        pytest.param({"type": ["string", "integer"]}, True, "schema_violation", id="neither"),
    ],
)  # fmt: skip
def test_only_the_bad_attribute_is_rejected(
    plan_of: Callable[..., Plan], schema: Any, value: Any, code: str
) -> None:
    plan = plan_of("profiles", {"id": WHOLE, "p": schema, "q": TEXT})
    update = one(plan({"id": 1, "p": value, "q": "kept"}, 0.0))
    assert update.attributes == {"q": "kept"}
    assert [(issue.reason.code, issue.property) for issue in update.issues] == [(code, "p")]
    assert str(value) not in update.issues[0].message or len(str(value)) == 1


@pytest.mark.parametrize("schema", [{}, TEXT, WHOLE, MOMENT])
@pytest.mark.parametrize(
    ("mapped", "key", "code"),
    [
        ("score", "date(score)", "invalid_date"),
        ("date(score)", "date(score)", "invalid_date"),
        ("number(score)", None, "unsupported_value"),
        ("integer(score)", None, "unsupported_value"),
        ("boolean(score)", None, "invalid_boolean"),
    ],
)
def test_a_date_object_is_sent_as_a_date_unless_its_mapping_asks_for_another_type(
    plan_of: Callable[..., Plan], schema: Any, mapped: str, key: str | None, code: str
) -> None:
    """Stream maps create such objects; one that has no date in UTC is an issue of its property alone."""
    plan = plan_of("profiles", {"id": WHOLE, "p": schema}, options={"attributes": {"p": mapped}})
    update = one(plan({"id": 1, "p": date(2024, 1, 2)}, 0.0))
    assert update.attributes == ({key: "2024-01-02T00:00:00Z"} if key else {})
    assert len(update.issues) == (0 if key else 1)
    west = timezone(timedelta(hours=-1))
    update = one(plan({"id": 1, "p": datetime(9999, 12, 31, 23, 30, tzinfo=west)}, 0.0))
    assert update.attributes == {}
    assert [(issue.reason.code, issue.property) for issue in update.issues] == [(code, "p")]


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        (OBJECT, "a", "The SCHEMA says object; the value is string."),
        (OBJECT, 1, "The SCHEMA says object; the value is integer."),
        (WORDS, "a", "The SCHEMA says array; the value is string."),
    ],
)
@pytest.mark.parametrize("kind", ["profiles", "audiences", "events"])
def test_the_message_on_a_contradiction_names_the_type_in_the_schema(
    plan_of: Callable[..., Plan], kind: str, schema: Any, value: Any, message: str
) -> None:
    options = {"attributes": {"p": "p"}} | ({"audience": "vip"} if kind == "audiences" else {})
    plan = plan_of(kind, {"id": WHOLE, "action": TEXT, "p": schema}, options=options)
    operation: Any = plan({"id": 1, "action": "add", "p": value}, 0.0)
    assert [(issue.reason.code, issue.message) for issue in operation.issues] == [
        ("schema_violation", message)
    ]


def test_null_and_empty_values_are_not_sent_if_nulls_are_skipped(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("profiles", {"id": WHOLE, "p": TEXT, "q": WORDS, "email": TEXT}, nulls="skip")
    assert plan({"id": 1, "p": None, "q": [], "email": ""}, 0.0) == ProfileUpdate("1", {}, [])


def test_an_absent_property_is_not_changed(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("profiles", {"id": WHOLE, "p": TEXT})
    assert plan({"id": 1}, 0.0) == ProfileUpdate("1", {}, [])


@pytest.mark.parametrize(
    ("value", "custom_id"),
    [
        pytest.param(7, "7", id="integer"),
        pytest.param(2**64, "18446744073709551616", id="large-integer"),
        pytest.param(Decimal("7.0"), "7", id="never-7.0"),
        pytest.param("  Jane Doe ", "Jane Doe", id="surrounding-blanks"),
        pytest.param("a@b.co", "a@b.co", id="address"),
        pytest.param("x" * 512, "x" * 512, id="512-characters"),
        pytest.param("007", "007", id="leading-zeros-stay"),
    ],
)
def test_a_custom_id_is_text(plan_of: Callable[..., Plan], value: Any, custom_id: str) -> None:
    plan = plan_of("profiles", {"id": {}})
    assert one(plan({"id": value}, 0.0)).custom_id == custom_id
    assert plan.custom_id_of({"id": value}) == custom_id


@pytest.mark.parametrize(
    ("record", "code"),
    [
        pytest.param({}, "missing_custom_id", id="absent"),
        pytest.param({"id": None}, "missing_custom_id", id="null"),
        pytest.param({"id": " "}, "missing_custom_id", id="blank"),
        pytest.param({"id": "NULL"}, "invalid_custom_id", id="null-as-word"),
        pytest.param({"id": "[object Object]"}, "invalid_custom_id", id="object-as-word"),
        pytest.param({"id": "a\nb"}, "invalid_custom_id", id="line-break"),
        pytest.param({"id": "x" * 513}, "invalid_custom_id", id="513-characters"),
        pytest.param({"id": 10**513}, "invalid_custom_id", id="514-digits"),
        pytest.param({"id": True}, "invalid_custom_id", id="boolean"),
        pytest.param({"id": Decimal("7.5")}, "invalid_custom_id", id="fraction"),
        pytest.param({"id": ["a"]}, "invalid_custom_id", id="array"),
        pytest.param({"id": "\ud800"}, "invalid_custom_id", id="half-a-character"),
    ],
)
def test_a_record_without_a_valid_custom_id_is_rejected(
    plan_of: Callable[..., Plan], record: Any, code: str
) -> None:
    rejected = plan_of("profiles", {"id": {}})(record, 0.0)
    assert isinstance(rejected, Rejected)
    assert [(issue.reason.code, issue.property) for issue in rejected.issues] == [(code, "id")]


def test_the_custom_id_may_be_a_path_into_an_object(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("profiles", {"user": OBJECT, "p": TEXT}, custom_id="user.keys.id")
    assert plan.custom_id.property == "user"
    record = {"user": {"keys": {"id": 7}, "name": "x"}, "p": "y"}
    assert plan(record, 0.0) == ProfileUpdate("7", {"p": "y"}, [])
    assert isinstance(plan({"user": {"keys": 1}}, 0.0), Rejected)


def test_a_record_deleted_at_the_source_never_updates_a_profile(
    plan_of: Callable[..., Plan],
) -> None:
    plan = plan_of("profiles", {"id": WHOLE, "p": TEXT, "_sdc_deleted_at": MOMENT})
    deleted = {"id": 1, "p": "x", "_sdc_deleted_at": "2024-01-01T00:00:00Z"}
    assert plan(deleted, 0.0) == Ignored("deleted_at_source")
    kept = {"id": 1, "p": "x", "_sdc_deleted_at": None, "_sdc_batched_at": "x", "_batch_reject": []}
    assert plan(kept, 0.0) == ProfileUpdate("1", {"p": "x"}, [])


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        pytest.param({"p": "renamed"}, {"renamed": "2024-01-02"}, id="name"),
        pytest.param({"p": "date(day)"}, {"date(day)": "2024-01-02T00:00:00Z"}, id="date"),
        pytest.param({"p": "$email_address"}, None, id="native"),
        pytest.param({"p": None}, {}, id="left-out"),
        pytest.param({"id": "crm_id", "p": None}, {"crm_id": 1}, id="custom-id-too"),
    ],
)
def test_the_option_attributes_decides_the_target(
    plan_of: Callable[..., Plan], mapping: Any, expected: Any
) -> None:
    plan = plan_of("profiles", {"id": WHOLE, "p": TEXT}, options={"attributes": mapping})
    update = one(plan({"id": 1, "p": "2024-01-02"}, 0.0))
    if expected is None:
        assert [issue.reason.code for issue in update.issues] == ["invalid_email"]
    else:
        assert update == ProfileUpdate("1", expected, [])


def test_only_mapped_sends_only_the_mapped_properties(plan_of: Callable[..., Plan]) -> None:
    options = {"attributes": {"p": "q"}, "only_mapped": True}
    plan = plan_of("profiles", {"id": WHOLE, "p": TEXT, "email": TEXT}, options=options)
    record = {"id": 1, "p": "x", "email": "a@b.co", "unknown": 1}
    assert plan(record, 0.0) == ProfileUpdate("1", {"q": "x"}, [])
    assert plan.take_new_notes() == ()


@pytest.mark.parametrize("target", ["Not A Name", "x" * 31, "$unknown", "date(É)", "$label", "date()"])
def test_a_mapping_to_an_invalid_name_is_refused(plan_of: Callable[..., Plan], target: str) -> None:
    with pytest.raises(ConfigurationError, match=r"streams\.people\.attributes\.p"):
        plan_of("profiles", {"id": WHOLE}, options={"attributes": {"p": target}})


def test_of_two_properties_with_one_name_the_same_one_wins_and_the_other_is_reported(
    plan_of: Callable[..., Plan],
) -> None:
    properties = {"id": WHOLE, "First Name": TEXT, "firstName": TEXT, "first_name": TEXT}
    for order in (properties, dict(reversed(properties.items()))):
        plan = plan_of("profiles", order)
        assert "`first_name` feeds `first_name` already" in " ".join(plan.notes)
        record = {"id": 1, "firstName": "a", "first_name": "b", "First Name": None}
        update = one(plan(record, 0.0))
        assert update.attributes == {"first_name": "b"}
        assert [(f.reason.code, f.property) for f in update.issues] == [("name_collision", "firstName")]


def test_two_undeclared_properties_with_one_name_do_not_overwrite_each_other(
    plan_of: Callable[..., Plan],
) -> None:
    for record in ({"a b": 1, "aB": 2, "a_b": 3}, {"a_b": 3, "aB": 2, "a b": 1}):
        plan = plan_of("profiles", {"id": WHOLE})
        for _ in range(3):
            update = one(plan({"id": 1, **record}, 0.0))
            assert update.attributes == {"a_b": 3}
            assert {f.property for f in update.issues} == {"a b", "aB"}
        assert one(plan({"id": 1, "aB": 5}, 0.0)).attributes == {"a_b": 5}


def test_a_name_that_cannot_be_made_valid_is_reported_and_not_shortened(
    plan_of: Callable[..., Plan],
) -> None:
    plan = plan_of("profiles", {"id": WHOLE, "---": TEXT, "x" * 31: TEXT, "ok": TEXT})
    assert len(plan.notes) == 2
    update = one(plan({"id": 1, "---": "a", "x" * 31: "b", "ok": "c"}, 0.0))
    assert update.attributes == {"ok": "c"}
    assert [issue.reason.code for issue in update.issues] == ["invalid_name"] * 2


def test_a_property_that_is_missing_in_the_schema_is_sent_and_reported_once(
    plan_of: Callable[..., Plan],
) -> None:
    plan = plan_of("profiles", {"id": WHOLE})
    record = {"id": 1, "Extra": "2024-01-02", "count": 3}
    for _ in range(2):
        assert plan(record, 0.0) == ProfileUpdate("1", {"extra": "2024-01-02", "count": 3}, [])
    notes = plan.take_new_notes()
    assert len(notes) == 2
    assert "`Extra` is not in the SCHEMA: sent as `extra`" in notes[0]
    assert plan.take_new_notes() == ()


def test_attributes_beyond_50_are_rejected_and_reported_at_the_schema(
    plan_of: Callable[..., Plan],
) -> None:
    properties = {"id": WHOLE, **{f"p{n:02}": WHOLE for n in range(52)}, "email": TEXT}
    plan = plan_of("profiles", properties)
    assert "`p49`, `p50`, `p51`" in plan.notes[-1]
    update = one(plan({"id": 1, "email": "a@b.co", **{f"p{n:02}": n for n in range(52)}}, 0.0))
    attributes = update.attributes
    assert len(attributes) == 50
    assert attributes["$email_address"] == "a@b.co"
    assert [f.property for f in update.issues] == ["p49", "p50", "p51"]
    assert {f.reason.code for f in update.issues} == {"too_many_attributes"}


def test_sixteen_arrays_are_one_too_many(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("profiles", {"id": WHOLE, **{f"a{n:02}": WORDS for n in range(16)}})
    update = one(plan({"id": 1, **{f"a{n:02}": ["x"] for n in range(16)}}, 0.0))
    assert len(update.attributes) == 15
    assert [(f.reason.code, f.property) for f in update.issues] == [("too_many_arrays", "a15")]


def test_a_plan_lists_its_properties_with_target_and_type(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("profiles", {"id": WHOLE, "locale": TEXT, "signup": MAYBE_MOMENT, "é": WHOLE})
    assert [(row.property, row.target, row.type) for row in plan.rows] == [
        ("id", None, "integer"),
        ("locale", "$language, $region", "string"),
        ("signup", "date(signup)", "date-time"),
        ("é", "e", "integer"),
    ]


@pytest.mark.parametrize(
    ("attribute", "properties"),
    [("signup", ("Signup",)), ("date(signup)", ("Signup",)), ("$region", ("locale",)), ("no", ())],
)
def test_an_attribute_is_traced_back_to_its_properties(
    plan_of: Callable[..., Plan], attribute: str, properties: tuple[str, ...]
) -> None:
    plan = plan_of("profiles", {"id": WHOLE, "locale": TEXT, "Signup": MOMENT})
    assert plan.properties_of(attribute) == properties


def test_swapped_names_are_not_mixed(plan_of: Callable[..., Plan]) -> None:
    options = {"attributes": {"a": "b", "b": "a"}}
    plan = plan_of("profiles", {"id": WHOLE, "a": TEXT, "b": TEXT}, options=options)
    assert one(plan({"id": 1, "a": "x", "b": "y"}, 0.0)).attributes == {"b": "x", "a": "y"}
