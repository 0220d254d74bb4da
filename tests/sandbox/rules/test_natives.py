"""Native attributes."""

import pytest

from target_batch.sandbox.rules.natives import native_violation


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("$email_address", "a@b.co"),
        ("$email_address", "first.last+tag@sub.example.com"),
        ("$email_address", "x" * 122 + "@ab.co"),
        ("$email_address", ".a@b.co"),
        ("$email_address", "a@b..co"),
        ("$email_address", "a\"'<>@-b.c0"),
        ("$email_address", "é@b.co"),
        ("$email_marketing", "subscribed"),
        ("$sms_marketing", "unsubscribed"),
        ("$phone_number", "+33612345678"),
        ("$phone_number", "+0612345678"),
        ("$phone_number", "+1"),
        ("$language", "haw"),
        ("$phone_number", "+123456789012345"),
        ("$language", "en"),
        ("$region", "FR"),
        ("$timezone", "Europe/Paris"),
        ("$timezone", "UTC"),
        ("$topic_preferences", ["a", "b_1"]),
        ("$topic_preferences", ["x" * 300]),
        ("$topic_preferences", {"$add": ["a"], "$remove": ["b"]}),
    ],
)
def test_a_native_is_accepted_and_null_removes_it(name: str, value: object) -> None:
    assert native_violation(name, value) is None
    assert native_violation(name, None) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("$email_address", ""),
        ("$email_address", "a.co"),
        ("$email_address", "a@b"),
        ("$email_address", "a@b@c.co"),
        ("$email_address", "a b@c.co"),
        ("$email_address", "@b.co"),
        ("$email_address", "a@é.co"),
        ("$email_address", "a@b_c.co"),
        ("$email_address", "a@b.co-"),
        ("$email_address", "a@b.co\n"),
        ("$email_address", "a@b.co\x00"),
        ("$email_address", "x" * 123 + "@ab.co"),
        ("$email_address", 5),
        ("$email_marketing", "Subscribed"),
        ("$email_marketing", True),
        ("$sms_marketing", ["subscribed"]),
        ("$phone_number", "0612345678"),
        ("$phone_number", "+33 6 12"),
        ("$phone_number", "+1234567890123456"),
        ("$phone_number", "+"),
        ("$phone_number", 33612345678),
        ("$language", "EN"),
        ("$language", "en-US"),
        ("$language", "english"),
        ("$language", "xx"),
        ("$language", "HAW"),
        ("$language", "hawa"),
        ("$region", "fr"),
        ("$region", "FRA"),
        ("$region", "XX"),
        ("$timezone", "Europe/Nowhere"),
        ("$timezone", "CEST"),
        ("$timezone", "+02:00"),
        ("$topic_preferences", []),
        ("$topic_preferences", "a"),
        ("$topic_preferences", ["A"]),
        ("$topic_preferences", [""]),
        ("$topic_preferences", ["x" * 301]),
        ("$topic_preferences", [f"t{n}" for n in range(26)]),
        ("$topic_preferences", {}),
        ("$topic_preferences", {"$set": ["a"]}),
        ("$topic_preferences", {"$add": []}),
        ("$custom", "x"),
        ("$email", None),
    ],
)
def test_a_native_is_refused(name: str, value: object) -> None:
    assert native_violation(name, value)
