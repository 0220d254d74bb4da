"""For any record and SCHEMA, the mapping's result follows all rules of Batch, and no value is lost silently.

The checks below implement Batch's rules independently; they do not use the mapping.
"""

from __future__ import annotations

import copy
import re
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target_batch.common.operations import AudienceChange, Ignored, ProfileUpdate, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.mapping import Plan

NOW = 1_700_000_000.0
encode = msgspec.json.Encoder(decimal_format="number").encode
moderate = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

REFUSED_IDS = {
    "undefined", "null", "nil", "(null)", "[object object]", "true", "false", "nan", "infinity",
    "-infinity", "none",
}  # fmt: skip
NATIVES = {
    "$email_address": r"[^@\s]+@[A-Za-z0-9.-]+\.[A-Za-z0-9]+",
    "$phone_number": r"\+[0-9]{1,15}",
    "$email_marketing": r"subscribed|unsubscribed",
    "$sms_marketing": r"subscribed|unsubscribed",
    "$language": r"[a-z]{2,3}",
    "$region": r"[A-Z]{2}",
    "$timezone": r"[A-Za-z0-9_+/-]+",
}
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)


def check_text(value: Any, limit: int = 300) -> None:
    assert isinstance(value, str)
    assert 1 <= len(value) <= limit
    value.encode()


def check_date(value: Any) -> datetime:
    assert RFC3339.fullmatch(value)
    return datetime.strptime(value[:19], "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007 - compared as UTC


def check_texts(value: Any, limit: int = 25, length: int = 300) -> None:
    assert isinstance(value, list)
    assert 1 <= len(value) <= limit
    for item in value:
        check_text(item, length)


def check_key(key: str) -> str:
    """Return the kind of a custom attribute by its key."""
    found = re.fullmatch(r"(?:(date|url)\(([a-z0-9_]{1,30})\)|([a-z0-9_]{1,30}))", key)
    assert found, key
    return found[1] or ""


def check_scalar(kind: str, value: Any) -> None:
    if kind == "date":
        check_date(value)
    elif kind == "url":
        check_text(value, 2048)
        assert re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#\s]+", value)
    elif isinstance(value, str):
        check_text(value)
    else:
        assert isinstance(value, (bool, int, float, Decimal))
        assert value == value and abs(value) != Decimal("inf")  # noqa: PLR0124, PT018 - NaN


def check_native(name: str, value: Any) -> None:
    if name == "$topic_preferences":
        for names in value.values() if isinstance(value, dict) else [value]:
            assert 1 <= len(names) <= 25
            assert all(re.fullmatch(r"[a-z0-9_]{1,300}", topic) for topic in names)
    else:
        assert re.fullmatch(NATIVES[name], value)
        assert name != "$email_address" or len(value) <= 128


def check_profile(attributes: dict[str, Any]) -> None:
    assert len(attributes) <= 50
    bases = [re.sub(r"^(date|url)\((.*)\)$", r"\2", key) for key in attributes]
    assert len(bases) == len(set(bases))
    arrays = [k for k, v in attributes.items() if isinstance(v, (list, dict)) and k[0] != "$"]
    assert len(arrays) <= 15
    for key, value in attributes.items():
        if key.startswith("$"):
            assert value is None or key in {*NATIVES, "$topic_preferences"}
            assert value is not None or not key.endswith("_marketing")
        kind = "" if key.startswith("$") else check_key(key)
        if value is None:
            continue
        if key.startswith("$"):
            check_native(key, value)
        elif isinstance(value, dict):
            assert set(value) in ({"$add"}, {"$remove"}, {"$add", "$remove"})
            for items in value.values():
                check_texts(items)
        elif isinstance(value, list):
            check_texts(value)
        else:
            check_scalar(kind, value)


def check_event_attributes(attributes: dict[str, Any], path_length: int = 1) -> None:
    assert attributes
    assert len(attributes.keys() - {"$label", "$tags"}) <= 20
    for key, value in attributes.items():
        if key in {"$label", "$tags"}:
            assert path_length == 1
            if key == "$label":
                check_text(value, 200)
            else:
                check_texts(value, 10, 64)
            continue
        kind = check_key(key)
        if isinstance(value, dict):
            assert path_length <= 3
            check_event_attributes(value, path_length + 1)
        elif isinstance(value, list):
            assert path_length <= 3
            assert 1 <= len(value) <= 25
            if isinstance(value[0], dict):
                for item in value:
                    check_event_attributes(item, path_length + 1)
            else:
                check_texts(value)
        else:
            assert value is not None
            check_scalar(kind, value)


def check_event(event: dict[str, Any]) -> None:
    assert set(event) <= {"name", "time", "attributes"}
    assert re.fullmatch(r"[a-z0-9_]{1,30}", event["name"])
    assert len(encode(event)) <= 25_000
    if "time" in event:
        age = datetime(2023, 11, 14, 22, 13, 20) - check_date(event["time"])  # noqa: DTZ001 - UTC
        assert -1 < age.total_seconds() <= 86_400
        assert age.total_seconds() >= 0
    if "attributes" in event:
        check_event_attributes(event["attributes"])


def check_id(custom_id: str) -> None:
    check_text(custom_id, 512)
    assert custom_id == custom_id.strip()
    assert custom_id.lower() not in REFUSED_IDS
    assert len(custom_id.splitlines()) == 1


def check(operation: Any) -> None:
    """Check an operation against all rules of Batch."""
    for issue in getattr(operation, "issues", ()):
        assert issue.message
    if isinstance(operation, ProfileUpdate):
        check_id(operation.custom_id)
        check_profile(operation.attributes)
        for event in operation.events:
            check_event(event)
        encode([operation.attributes, operation.events])
    elif isinstance(operation, AudienceChange):
        check_id(operation.member)
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,255}", operation.audience)
        check_text(operation.display_name, 10_000)
        assert operation.add or not (operation.attributes or operation.tags)
        assert len(operation.attributes) <= 15
        for key, value in operation.attributes.items():
            kind = check_key(key)
            assert not isinstance(value, bool)
            check_texts(value) if isinstance(value, list) else check_scalar(kind, value)
    elif isinstance(operation, Rejected):
        assert operation.issues
    else:
        assert isinstance(operation, Ignored)


SPECIAL = st.sampled_from([
    "", " ", "a@b.co", "fr-FR", "fr", "Europe/Paris", "+33612345678", "06 12 34 56 78", "yes", "no",
    "2024-01-02", "2024-01-02T03:04:05Z", "2023-11-14 20:00:00+02", "2024-02-30T00:00:00Z",
    "https://a.b/c", "http://", "null", "x" * 301, "add", "remove", "identify", "track", "page",
    "group", "alias", "7", "$add", "é" * 300,
])  # fmt: skip
NUMBERS = (
    st.integers()
    | st.sampled_from([0, 1, 2**53 + 1, 10**30, 1_699_999_999, 1_699_999_999_000])
    | st.floats()
    | st.decimals(allow_nan=True, allow_infinity=True)
)
SCALARS = st.none() | st.booleans() | NUMBERS | SPECIAL | st.text(max_size=40)
NAMES = st.sampled_from([
    "id", "email", "Email", "email_address", "phone", "locale", "language", "region", "timezone",
    "email_marketing", "topic_preferences", "first_name", "firstName", "First Name", "date(x)", "x",
    "---", "y" * 31, "event", "time", "timestamp", "created_at", "$label", "$tags", "$language",
    "audience", "cohort", "action", "status", "type", "userId", "traits", "properties", "context",
    "name", "groupId", "_sdc_deleted_at", "_sdc_batched_at", "_batch_reject", "nested", "a.b",
    "x ", "X", "$email_address",
]) | st.text(max_size=12)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=28)
        | st.dictionaries(NAMES, inner, max_size=22)
        | st.fixed_dictionaries({}, optional={"$add": inner, "$remove": inner})
    ),
    max_leaves=12,
)
TYPES = st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null"])
SCHEMAS = st.recursive(
    st.just({})
    | st.fixed_dictionaries({"type": TYPES | st.lists(TYPES, max_size=3)})
    | st.fixed_dictionaries(
        {
            "type": st.just(["string", "null"]),
            "format": st.sampled_from(["date-time", "date", "uri", "time", "singer.decimal", "email"]),
        }
    ),
    lambda inner: (
        st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3))
        | st.builds(
            lambda inside: {"type": "object", "properties": inside},
            st.dictionaries(NAMES, inner, max_size=3),
        )
    ),
    max_leaves=4,
)
IDS = st.just({"id": "u", "userId": "u"}) | st.dictionaries(st.sampled_from(["id", "userId"]), SCALARS)
RECORDS = st.builds(
    lambda record, identity: {**record, **identity}, st.dictionaries(NAMES, VALUES, max_size=30), IDS
)
PROPERTIES = st.dictionaries(NAMES, SCHEMAS, max_size=12)
SETTINGS = st.fixed_dictionaries({}, optional={
    "nulls": st.sampled_from(["delete", "skip"]),
    "consent": st.sampled_from(["send", "unsubscribe_only", "ignore"]),
    "late_events": st.sampled_from(["reject", "now"]),
    "attribute_naming": st.sampled_from(["snake_case", "segment"]),
    "default_country": st.sampled_from(["FR", "us"]),
})  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "profiles": {},
    "events": {},
    "segment": {"types": ("identify", "track", "page", "screen", "group")},
    "audiences": {"attributes": {"x": "x", "first_name": "n", "nested": "url(link)"}},
}


@pytest.mark.parametrize("kind", ["profiles", "events", "segment", "audiences"])
@moderate
@given(properties=PROPERTIES, chosen=SETTINGS, records=st.lists(RECORDS, min_size=1, max_size=3))
def test_the_result_of_the_mapping_follows_all_rules_of_batch(
    plan_of: Callable[..., Plan], kind: str, properties: Any, chosen: Any, records: Any
) -> None:
    properties = {**properties, "id": {}}
    if kind == "events":
        properties[
            "time"
        ] = {}  # without a time, or with a name that looks like an action, the SCHEMA is refused
    if kind == "audiences":
        properties["action"] = {}
    plan = plan_of(kind, properties, options=OPTIONS[kind], **chosen)
    for record in records:
        before = copy.deepcopy(record)
        operation = plan(record, NOW)
        assert repr(record) == repr(before)
        check(operation)
        assert sorted_out(plan(record, NOW)) == sorted_out(operation)
    plan.take_new_notes()
    assert plan.take_new_notes() == ()


def sorted_out(operation: Any) -> Any:
    """Return an operation with its issues sorted."""
    if isinstance(operation, ProfileUpdate):
        return ProfileUpdate(
            operation.custom_id,
            operation.attributes,
            operation.events,
            tuple(sorted(operation.issues, key=repr)),
        )
    return operation


@moderate
@given(properties=PROPERTIES, chosen=SETTINGS, record=RECORDS)
def test_every_property_of_a_user_is_sent_or_accounted_for(
    plan_of: Callable[..., Plan], properties: Any, chosen: Any, record: Any
) -> None:
    plan = plan_of("profiles", {**properties, "id": {}}, custom_id="id", **chosen)
    update = plan({**record, "_sdc_deleted_at": None, "id": "u"}, NOW)
    assert isinstance(update, ProfileUpdate)
    refused = {issue.property for issue in update.issues}
    fed = {name for key in update.attributes for name in plan.properties_of(key)}
    for name, value in record.items():
        left_out = name == "id" or name.startswith("_sdc_") or name == "_batch_reject"
        empty = value in (None, "", [], {}) or holds_nothing(value)
        consent = name.endswith("_marketing") and chosen.get("consent", "send") != "send"
        assert left_out or empty or consent or name in refused or name in fed, name


def holds_nothing(value: Any) -> bool:
    """Return whether a value contains nothing that could be sent."""
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, list):
        return all(item is None or item == "" for item in value)
    if isinstance(value, dict):
        return set(value) <= {"$add", "$remove"} and all(map(holds_nothing, value.values()))
    return value is None
