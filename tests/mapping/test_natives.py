"""Batch's native attributes: the properties that fill them, and the values that are understood or refused."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from target_batch.common.operations import ProfileUpdate

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.mapping import Plan

ANY: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("name", "value", "attributes"),
    [
        ("email", " a.b+c@d-e.co.uk ", {"$email_address": "a.b+c@d-e.co.uk"}),
        ("email_address", "jane@example.com", {"$email_address": "jane@example.com"}),
        ("Email", "Jane@Example.COM", {"$email_address": "Jane@Example.COM"}),
        ("email", "", {"$email_address": None}),
        ("email", "a@b..de", {"$email_address": "a@b..de"}),
        ("email", "o'brien+x@a-b.co", {"$email_address": "o'brien+x@a-b.co"}),
        ("email", "jané@b.fr", {"$email_address": "jané@b.fr"}),
        ("email", "x" * 121 + "@b.fr2", {"$email_address": "x" * 121 + "@b.fr2"}),
        ("email", None, {"$email_address": None}),
        ("phone", "+33612345678", {"$phone_number": "+33612345678"}),
        ("phone_number", "+33 6 12 34 56 78", {"$phone_number": "+33612345678"}),
        ("phoneNumber", "06 12 34 56 78", {"$phone_number": "+33612345678"}),
        ("phone", "0033612345678", {"$phone_number": "+33612345678"}),
        ("phone", None, {"$phone_number": None}),
        ("phone", 33612345678.0, {"$phone_number": "+33612345678"}),
        ("phone", 33612345678, {"$phone_number": "+33612345678"}),
        ("phone", Decimal("33612345678.0"), {"$phone_number": "+33612345678"}),
        ("phone", Decimal("3.3612345678E+10"), {"$phone_number": "+33612345678"}),
        ("phone", "33612345678.0", {"$phone_number": "+33612345678"}),
        ("phone", 612345678, {"$phone_number": "+33612345678"}),
        ("phone", "612345678.0", {"$phone_number": "+33612345678"}),
        ("phone", 447911123456, {"$phone_number": "+447911123456"}),
        ("phone", "", {"$phone_number": None}),
        ("language", "FR", {"$language": "fr"}),
        ("language", "fr-CA", {"$language": "fr"}),
        ("language", "fra", {"$language": "fr"}),
        ("language", "cmn", {"$language": "zh"}),
        ("language", "fil", {"$language": "tl"}),
        ("language", "iw", {"$language": "he"}),
        ("language", "tl", {"$language": "tl"}),
        ("region", "fr", {"$region": "FR"}),
        ("region", "uk", {"$region": "GB"}),
        ("region", "en-GB", {"$region": "GB"}),
        ("locale", "fr-FR", {"$language": "fr", "$region": "FR"}),
        ("locale", "fr_FR", {"$language": "fr", "$region": "FR"}),
        ("locale", "fr_FR.UTF-8", {"$language": "fr", "$region": "FR"}),
        ("locale", "zh-Hant-TW", {"$language": "zh", "$region": "TW"}),
        ("locale", "es-419", {"$language": "es"}),
        ("locale", "en_US_POSIX", {"$language": "en", "$region": "US"}),
        ("locale", "en-US-u-ca-buddhist", {"$language": "en", "$region": "US"}),
        ("locale", "sr_Latn_RS", {"$language": "sr", "$region": "RS"}),
        ("locale", "sr_RS@latin", {"$language": "sr", "$region": "RS"}),
        ("locale", "zh_TW.Big5", {"$language": "zh", "$region": "TW"}),
        ("locale", "en-EU", {"$language": "en"}),
        ("locale", "PT_br", {"$language": "pt", "$region": "BR"}),
        ("locale", "fr", {"$language": "fr"}),
        ("locale", "haw_US", {"$language": "haw", "$region": "US"}),
        ("language", "gsw", {"$language": "gsw"}),
        ("locale", None, {"$language": None, "$region": None}),
        ("timezone", "Europe/Paris", {"$timezone": "Europe/Paris"}),
        ("time_zone", "america/new york", {"$timezone": "America/New_York"}),
        ("timeZone", "UTC", {"$timezone": "UTC"}),
        ("topic_preferences", ["news", "sport"], {"$topic_preferences": ["news", "sport"]}),
        ("topic_preferences", {"$add": ["a"]}, {"$topic_preferences": {"$add": ["a"]}}),
        ("topic_preferences", {"$remove": []}, {}),
        ("topic_preferences", [], {"$topic_preferences": None}),
        ("$language", "fr", {"$language": "fr"}),
    ],
)
def test_native_attributes_are_filled_by_default(
    plan_of: Callable[..., Plan], name: str, value: Any, attributes: Any
) -> None:
    plan = plan_of("profiles", {"id": ANY, name: ANY}, default_country="FR")
    assert plan({"id": "u", name: value}, 0.0) == ProfileUpdate("u", attributes, [])


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("email", "jane", "invalid_email"),
        ("email", "jane@localhost", "invalid_email"),
        ("email", "a b@c.de", "invalid_email"),
        ("email", "a@b@c.de", "invalid_email"),
        ("email", "a@b.xn--p1ai", "invalid_email"),
        ("email", "a@b.c-d", "invalid_email"),
        ("email", "a@bücher.de", "invalid_email"),
        ("email", "a@[1.2.3.4]", "invalid_email"),
        ("email", "a\u00a0b@c.de", "invalid_email"),
        ("email", "a@b.de, c@d.de", "invalid_email"),
        ("email", "a@b.\ud800", "invalid_email"),
        ("email", "x" * 120 + "@longer.de", "invalid_email"),
        ("email", 7, "invalid_email"),
        ("phone", "0612345678", "invalid_phone"),
        ("phone", "hello", "invalid_phone"),
        ("phone", 612345678, "invalid_phone"),
        ("phone", 2025550123, "invalid_phone"),
        ("phone", 33612345678.5, "invalid_phone"),
        ("phone", "33612345678", "invalid_phone"),
        ("phone", 0, "invalid_phone"),
        ("phone", -33612345678, "invalid_phone"),
        ("phone", True, "invalid_phone"),
        ("phone", 10**30, "invalid_phone"),
        ("phone", float("nan"), "invalid_phone"),
        ("phone", Decimal("NaN"), "invalid_phone"),
        ("phone", "+1" + "2" * 300, "invalid_phone"),
        ("language", "French", "invalid_language"),
        ("language", "zz", "invalid_language"),
        ("language", "mul", "invalid_language"),
        ("language", "qaa", "invalid_language"),
        ("language", True, "invalid_language"),
        ("region", "Bretagne", "invalid_region"),
        ("region", "ZZ", "invalid_region"),
        ("region", "EU", "invalid_region"),
        ("region", "XK", "invalid_region"),
        ("region", "UN", "invalid_region"),
        ("region", "419", "invalid_region"),
        ("locale", "C", "invalid_language"),
        ("locale", ["fr"], "invalid_language"),
        ("timezone", "Paris", "invalid_timezone"),
        ("timezone", "+02:00", "invalid_timezone"),
        ("timezone", "localtime", "invalid_timezone"),
        ("timezone", "Factory", "invalid_timezone"),
        ("timezone", "posixrules", "invalid_timezone"),
        ("timezone", "posix/Europe/Paris", "invalid_timezone"),
        ("timezone", "CEST", "invalid_timezone"),
        ("email_marketing", "maybe", "invalid_consent"),
        ("email_marketing", "n/a", "invalid_consent"),
        ("email_marketing", "none", "invalid_consent"),
        ("email_marketing", "reset", "invalid_consent"),
        ("email_marketing", "pending", "invalid_consent"),
        ("email_marketing", "not subscribed", "invalid_consent"),
        ("email_marketing", "x", "invalid_consent"),
        ("sms_marketing", 2, "invalid_consent"),
        ("topic_preferences", ["News"], "invalid_topic"),
        ("topic_preferences", "news", "invalid_topic"),
        ("topic_preferences", ["a"] * 26, "too_many_items"),
    ],
)
def test_only_the_bad_value_of_a_native_attribute_is_rejected(
    plan_of: Callable[..., Plan], name: str, value: Any, code: str
) -> None:
    plan = plan_of("profiles", {"id": ANY, name: ANY, "q": ANY})
    update = plan({"id": "u", name: value, "q": 1}, 0.0)
    assert isinstance(update, ProfileUpdate)
    assert update.attributes == {"q": 1}
    assert [(f.reason.code, f.property) for f in update.issues] == [(code, name)]
    assert update.issues[0].attribute is not None
    assert update.issues[0].attribute.startswith("$")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (33612345678, "+33612345678"),
        (33612345678.0, "+33612345678"),
        ("33612345678.0", "+33612345678"),
        (14255550006123, None),  # too long for North America, and not a number of any other country
        (6123456789, None),  # ten digits: an American or Indian number, or one with a country code
    ],
)
def test_a_numeric_phone_number_with_a_country_code_needs_no_default_country(
    plan_of: Callable[..., Plan], value: Any, number: str | None
) -> None:
    update = plan_of("profiles", {"id": ANY, "phone": {"type": ["number", "string"]}})(
        {"id": "u", "phone": value}, 0.0
    )
    assert isinstance(update, ProfileUpdate)
    assert update.attributes == ({"$phone_number": number} if number else {})
    assert [issue.reason.code for issue in update.issues] == ([] if number else ["invalid_phone"])


YES = [
    True, 1, Decimal(1), 1.0, "1", "1.0", "yes", "Y", "TRUE", "T", " yes ", "subscribed", "opt-in", "opt_in",
    "Opted In", "accepted", "OK", "granted", "Oui", "O", "V", "vrai", "abonné", "Inscrite", "ja", "J", "wahr",
    "sí", "Si", "S", "sì",
]  # fmt: skip
NO = [
    False, 0, 0.0, "0", "0.0", "no", "N", "false", "F", "unsubscribed", "opt-out", "OPTOUT", "opted_out",
    "denied", "revoked", "withdrawn", "Non", "faux", "désabonné", "Désinscrit", "nein", "falsch",
    "widerrufen", "falso", "revocado", "rifiutato",
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "word"), [(v, "subscribed") for v in YES] + [(v, "unsubscribed") for v in NO]
)
def test_every_usual_word_for_a_consent_is_understood(
    plan_of: Callable[..., Plan], value: Any, word: str
) -> None:
    plan = plan_of("profiles", {"id": ANY, "email_marketing": ANY})
    expected = ProfileUpdate("u", {"$email_marketing": word}, [])
    assert plan({"id": "u", "email_marketing": value}, 0.0) == expected


@pytest.mark.parametrize("nulls", ["delete", "skip"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_null_consent_is_never_sent(plan_of: Callable[..., Plan], nulls: str, value: Any) -> None:
    plan = plan_of("profiles", {"id": ANY, "sms_marketing": ANY}, nulls=nulls)
    assert plan({"id": "u", "sms_marketing": value}, 0.0) == ProfileUpdate("u", {}, [])


@pytest.mark.parametrize(
    ("policy", "value", "attributes"),
    [
        ("send", True, {"$email_marketing": "subscribed"}),
        ("unsubscribe_only", True, {}),
        ("unsubscribe_only", False, {"$email_marketing": "unsubscribed"}),
        ("ignore", False, {}),
        ("ignore", "nonsense", {}),
    ],
)
def test_the_setting_consent_decides_which_consents_are_sent(
    plan_of: Callable[..., Plan], policy: str, value: Any, attributes: Any
) -> None:
    plan = plan_of("profiles", {"id": ANY, "email_marketing": ANY}, consent=policy)
    assert plan({"id": "u", "email_marketing": value}, 0.0) == ProfileUpdate("u", attributes, [])


def test_a_native_value_that_contradicts_its_schema_is_rejected(plan_of: Callable[..., Plan]) -> None:
    properties = {"id": ANY, "phone": {"type": "integer"}, "email_marketing": {"type": "boolean"}}
    plan = plan_of("profiles", properties)
    update = plan({"id": "u", "phone": "+33612345678", "email_marketing": "yes"}, 0.0)
    assert isinstance(update, ProfileUpdate)
    assert update.attributes == {}
    assert {issue.reason.code for issue in update.issues} == {"schema_violation"}


NAMED_TWICE = ("locale", "email", "email_address", "language")


@pytest.mark.parametrize(
    ("record", "attributes", "lost"),
    [
        (
            {"email": "a@b.co", "email_address": "c@d.co", "language": "en", "locale": "fr-FR"},
            {"$email_address": "c@d.co", "$language": "en", "$region": "FR"},
            ["email"],
        ),
        ({"email": "a@b.co", "email_address": None}, {"$email_address": "a@b.co"}, []),
        ({"email": "a@b.co", "email_address": ""}, {"$email_address": "a@b.co"}, []),
        ({"email": "a@b.co", "email_address": "a@b.co"}, {"$email_address": "a@b.co"}, []),
        ({"email": None, "email_address": None}, {"$email_address": None}, []),
        ({"language": None, "locale": "fr-CH"}, {"$language": "fr", "$region": "CH"}, []),
        ({"language": None, "locale": None}, {"$language": None, "$region": None}, []),
        ({"language": "de", "locale": None}, {"$language": "de", "$region": None}, []),
    ],
)
def test_of_several_properties_for_one_native_attribute_the_first_with_a_value_is_sent(
    plan_of: Callable[..., Plan], record: Any, attributes: Any, lost: list[str]
) -> None:
    """A different value of another one is counted, but not written to the rejects for each row."""
    plan = plan_of("profiles", {"id": ANY, **dict.fromkeys(NAMED_TWICE, ANY)})
    assert plan.notes == (
        "Property `locale`: sent where `language` has no value.",
        "Property `email`: sent where `email_address` has no value.",
    )
    update = plan({"id": "u", **record}, 0.0)
    assert isinstance(update, ProfileUpdate)
    assert update.attributes == attributes
    assert [issue.property for issue in update.issues] == lost
    assert all(issue.counted_only for issue in update.issues)


def test_an_invalid_value_leaves_the_native_attribute_to_the_next_property(
    plan_of: Callable[..., Plan],
) -> None:
    plan = plan_of("profiles", {"id": ANY, **dict.fromkeys(NAMED_TWICE, ANY)})
    update = plan({"id": "u", "email": "a@b.co", "email_address": "none"}, 0.0)
    assert isinstance(update, ProfileUpdate)
    assert update.attributes == {"$email_address": "a@b.co"}
    assert [(issue.property, issue.counted_only) for issue in update.issues] == [("email_address", False)]


@pytest.mark.parametrize("properties", [{"id": ANY}, {"id": ANY, "email_address": ANY}, {}])
def test_a_collision_that_no_note_announced_is_written_to_the_rejects(
    plan_of: Callable[..., Plan], properties: Any
) -> None:
    plan = plan_of("profiles", properties, options={"custom_id": "id"})
    assert plan.notes == ()
    for _ in range(2):
        update = plan({"id": "u", "email": "a@b.co", "email_address": "c@d.co"}, 0.0)
        assert isinstance(update, ProfileUpdate)
        assert update.attributes == {"$email_address": "c@d.co"}
        (issue,) = update.issues
        assert (issue.reason.code, issue.property, issue.counted_only) == ("name_collision", "email", False)


def test_a_declared_property_never_yields_to_an_undeclared_one(plan_of: Callable[..., Plan]) -> None:
    """The name of the undeclared one would come first; what it loses is written to the rejects."""
    plan = plan_of("profiles", {"id": ANY, "locale": ANY, "email": ANY})
    record = {"id": "u", "language": "de", "locale": "fr-CH", "email_address": "a@b.co", "email": "c@d.co"}
    for _ in range(2):
        update = plan(record, 0.0)
        assert isinstance(update, ProfileUpdate)
        assert update.attributes == {"$language": "fr", "$region": "CH", "$email_address": "c@d.co"}
        assert {(issue.property, issue.counted_only) for issue in update.issues} == {
            ("language", False),
            ("email_address", False),
        }


def test_an_explicit_mapping_overrides_the_default_names(plan_of: Callable[..., Plan]) -> None:
    options = {"attributes": {"mail": "$email_address", "region": "county", "email": None}}
    plan = plan_of("profiles", {"id": ANY, "email": ANY, "mail": ANY, "region": ANY}, options=options)
    record = {"id": "u", "email": "x", "mail": "a@b.co", "region": "Bretagne"}
    attributes = {"$email_address": "a@b.co", "county": "Bretagne"}
    assert plan(record, 0.0) == ProfileUpdate("u", attributes, [])
    assert plan.notes == ()
