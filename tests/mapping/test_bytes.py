"""The exact operations that the mapping makes of typical records."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.mapping import Plan

NOW = 1_700_000_000.0
decode = msgspec.json.Decoder(float_hook=Decimal).decode
encode = msgspec.json.Encoder(decimal_format="number").encode

TEXT = {"type": ["null", "string"]}
MOMENT = {"type": ["null", "string"], "format": "date-time"}
USER = {
    "id": {"type": "integer"}, "firstName": TEXT, "email": TEXT, "locale": TEXT, "signup": MOMENT,
    "balance": {"type": "number"}, "tags": {"type": "array"}, "email_marketing": TEXT,
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "properties", "line", "expected"),
    [
        pytest.param(
            "profiles", USER,
            b'{"id":7,"firstName":"Am\\u00e9lie","email":"a@b.co","locale":"fr_FR","signup":'
            b'"2024-01-02 03:04:05+02","balance":0.10000000000000000000001,"tags":["a","b"]}',
            '{"custom_id":"7","attributes":{"first_name":"Amélie","$email_address":"a@b.co",'
            '"$language":"fr","$region":"FR","date(signup)":"2024-01-02T01:04:05Z",'
            '"balance":0.10000000000000000000001,"tags":["a","b"]},"events":[],"issues":[],"event_identity":""}',
            id="profile",
        ),
        pytest.param(
            "profiles", USER, b'{"id":7,"email_marketing":"opt-out","locale":null,"tags":[]}',
            '{"custom_id":"7","attributes":{"$email_marketing":"unsubscribed","$language":null,'
            '"$region":null,"tags":null},"events":[],"issues":[],"event_identity":""}',
            id="consent-and-nulls",
        ),
        pytest.param(
            "events", {"id": {}, "event": TEXT, "time": MOMENT, "cart": {}},
            b'{"id":"u","event":"Order Done","time":"2023-11-14T22:00:00.5Z",'
            b'"cart":{"total":19.90,"lines":[{"sku":"a","n":2}],"coupon":null}}',
            '{"custom_id":"u","attributes":{},"events":[{"name":"order_done",'
            '"time":"2023-11-14T22:00:00.500000Z","attributes":{"cart":{"total":19.90,'
            '"lines":[{"sku":"a","n":2}]}}}],"issues":[],"event_identity":""}',
            id="event",
        ),
        pytest.param(
            "segment", {"type": {}},
            b'{"type":"identify","userId":"u","traits":{"plan":"x","since":"2024-01-02"},'
            b'"context":{"locale":"zh-Hant-TW"}}',
            '{"custom_id":"u","attributes":{"plan":"x","date(since)":"2024-01-02T00:00:00Z",'
            '"$language":"zh","$region":"TW"},"events":[],"issues":[],"event_identity":""}',
            id="identify",
        ),
        pytest.param(
            "segment", {"type": {}},
            b'{"type":"track","userId":"u","event":"User Registered","properties":{"n":9007199254740993},'
            b'"timestamp":"2023-11-14T22:00:00Z"}',
            '{"custom_id":"u","attributes":{},"events":[{"name":"user_registered",'
            '"time":"2023-11-14T22:00:00Z","attributes":{"n":9007199254740993}}],"issues":[],"event_identity":""}',
            id="track",
        ),
        pytest.param(
            "audiences", {"id": {}, "cohort": {}, "action": {}},
            b'{"id":7,"cohort":"Big Spenders","action":"exited"}',
            '{"audience":"Big_Spenders","display_name":"Big Spenders","member":"7","add":false,'
            '"attributes":{},"tags":[],"issues":[]}',
            id="audience-change",
        ),
    ],
)  # fmt: skip
def test_a_record_is_mapped_to_exactly_this_operation(
    plan_of: Callable[..., Plan], kind: str, properties: Any, line: bytes, expected: str
) -> None:
    plan = plan_of(kind, properties)
    assert encode(plan(decode(line), NOW)).decode() == expected
