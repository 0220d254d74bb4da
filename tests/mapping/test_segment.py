"""Messages of the Segment spec: identify and track are mapped by default, other types on request."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from target_batch.common.errors import ConfigurationError
from target_batch.common.operations import Ignored, ProfileUpdate, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.mapping import Plan

NOW = 1_700_000_000.0
TIME = "2023-11-14T22:00:00Z"
TIMESTAMP = "2023-11-14T22:00:00.000Z"
EVERY_TYPE = {"types": ("identify", "track", "page", "screen", "group")}
SCHEMA: dict[str, Any] = {"type": {}, "userId": {}, "traits": {}, "context": {}, "properties": {}}


def identify(**fields: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": "u", **fields}


def track(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "userId": "u", "event": "E", "timestamp": TIMESTAMP, **fields}


def test_the_identify_message_of_the_documentation(plan_of: Callable[..., Plan]) -> None:
    message = identify(
        userId="97980cfea0067",
        traits={
            "name": "Peter Gibbons", "email": "peter@example.com", "phone": "+33612345678",
            "email_marketing": "subscribed", "sms_marketing": "unsubscribed", "plan": "premium",
            "logins": 5,
        },
        context={"timezone": "Europe/Paris", "locale": "fr-FR", "ip": "127.0.0.1"},
        messageId="m", timestamp=TIMESTAMP,
    )  # fmt: skip
    attributes = {
        "name": "Peter Gibbons", "$email_address": "peter@example.com",
        "$phone_number": "+33612345678", "$email_marketing": "subscribed",
        "$sms_marketing": "unsubscribed", "plan": "premium", "logins": 5,
        "$language": "fr", "$region": "FR", "$timezone": "Europe/Paris",
    }  # fmt: skip
    for naming in ("snake_case", "segment"):
        plan = plan_of("segment", SCHEMA, attribute_naming=naming)
        assert plan(message, NOW) == ProfileUpdate("97980cfea0067", attributes, [])


def test_the_track_message_of_the_documentation(plan_of: Callable[..., Plan]) -> None:
    message = track(
        event="User Registered",
        timestamp=TIMESTAMP,
        properties={"plan": "Pro Annual", "accountType": "Facebook"},
        context={"locale": "fr-FR", "traits": {"email": "a@b.co"}},
    )
    event = {
        "name": "user_registered",
        "time": TIME,
        "attributes": {"plan": "Pro Annual", "account_type": "Facebook"},
    }
    assert plan_of("segment", SCHEMA)(message, NOW) == ProfileUpdate("u", {}, [event])


@pytest.mark.parametrize(
    ("traits", "attributes"),
    [
        pytest.param({"at": "2024-01-02T03:04:05+02:00"}, {"date(at)": "2024-01-02T01:04:05Z"}, id="date"),
        pytest.param({"at": "2024-01-02"}, {"date(at)": "2024-01-02T00:00:00Z"}, id="day"),
        pytest.param({"u": "https://a.b/c"}, {"url(u)": "https://a.b/c"}, id="url"),
        pytest.param({"u": "see https://a.b"}, {"u": "see https://a.b"}, id="text-with-a-url"),
        pytest.param({"a": ["x", 1]}, {"a": ["x", "1"]}, id="array"),
        pytest.param({"a": {"$add": ["x"]}}, {"a": {"$add": ["x"]}}, id="add"),
        pytest.param({"n": Decimal("1.10")}, {"n": Decimal("1.10")}, id="decimal"),
        pytest.param({"x": None, "y": ""}, {"x": None, "y": None}, id="null-deletes"),
        pytest.param({"language": "en", "locale": "fr-FR"}, {"$language": "en", "$region": "FR"},
                     id="language-before-locale"),
        pytest.param({"email": None, "email_address": "a@b.co"}, {"$email_address": "a@b.co"},
                     id="a-null-yields"),
        pytest.param({"vip_customers": True}, {"vip_customers": True}, id="engage-cohort"),
        pytest.param({"total_revenue_90_days": 42}, {"total_revenue_90_days": 42}, id="computed"),
    ],
)  # fmt: skip
def test_traits_become_attributes_by_name_and_value(
    plan_of: Callable[..., Plan], traits: Any, attributes: Any
) -> None:
    plan = plan_of("segment", SCHEMA)
    for _ in range(2):
        assert plan(identify(traits=traits), NOW) == ProfileUpdate("u", attributes, [])


def test_context_traits_complete_the_traits(plan_of: Callable[..., Plan]) -> None:
    message = identify(
        traits={"plan": "gold", "email": "new@b.co", "gone": None},
        context={"traits": {"plan": "free", "email": "old@b.co", "gone": 1, "only": 1}},
    )
    attributes = {"plan": "gold", "$email_address": "new@b.co", "gone": None, "only": 1}
    assert plan_of("segment", SCHEMA)(message, NOW) == ProfileUpdate("u", attributes, [])


@pytest.mark.parametrize("value", [None, "", " "])
def test_an_empty_locale_or_timezone_of_the_device_is_ignored(
    plan_of: Callable[..., Plan], value: Any
) -> None:
    message = identify(traits={"plan": "x"}, context={"locale": value, "timezone": value})
    assert plan_of("segment", SCHEMA)(message, NOW) == ProfileUpdate("u", {"plan": "x"}, [])


def test_traits_win_over_the_context_of_the_device(plan_of: Callable[..., Plan]) -> None:
    message = identify(traits={"language": "en"}, context={"locale": "fr-FR", "timezone": None})
    attributes = {"$language": "en", "$region": "FR"}
    assert plan_of("segment", SCHEMA)(message, NOW) == ProfileUpdate("u", attributes, [])


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (identify(traits={"o": {"a": 1}}), "traits.o"),
        (identify(context={"traits": {"o": {"a": 1}}}), "context.traits.o"),
        (identify(context={"timezone": "Paris"}), "context.timezone"),
        (identify(traits={"a b": 1, "a_b": 2}), "traits.a b"),
        (identify(traits={"at": "2024-02-30T00:00:00Z"}), "traits.at"),
        (track(properties={"o": {"p": [[1]]}}), "properties.o.p"),
        ({**track(), "type": "page", "name": "A", "properties": {"name": "B"}}, "name"),
        ({**track(), "type": "screen", "category": "x" * 301}, "category"),
        ({"type": "group", "userId": "u", "groupId": [[1]]}, "groupId"),
    ],
)
def test_an_issue_has_the_path_in_the_message(plan_of: Callable[..., Plan], message: Any, path: str) -> None:
    plan = plan_of("segment", SCHEMA, options=EVERY_TYPE)
    update = plan(message, NOW)
    assert isinstance(update, ProfileUpdate)
    assert [issue.property for issue in update.issues] == [path]


@pytest.mark.parametrize(
    ("message", "operation"),
    [
        pytest.param({"type": "page", "name": "Home", "category": "Docs", "properties": {"url": "http://a.b"}},
                     ProfileUpdate("u", {}, [{"name": "page_viewed", "time": TIME, "attributes": {
                         "url(url)": "http://a.b", "name": "Home", "category": "Docs"}}]), id="page"),
        pytest.param({"type": "screen", "name": "Home", "properties": {"name": "Home"}},
                     ProfileUpdate("u", {}, [
                         {"name": "screen_viewed", "time": TIME, "attributes": {"name": "Home"}}]),
                     id="screen"),
        pytest.param({"type": "group", "groupId": "g1", "traits": {"industry": "Tech", "email": "c@d.co"}},
                     ProfileUpdate("u", {"industry": "Tech", "email": "c@d.co", "group_id": "g1"}, []),
                     id="group-feeds-no-natives"),
        pytest.param({"type": "page", "name": None, "properties": {"name": "Home", "category": "Docs"}},
                     ProfileUpdate("u", {}, [{"name": "page_viewed", "time": TIME, "attributes": {
                         "name": "Home", "category": "Docs"}}]), id="page-named-by-its-properties"),
        pytest.param({"type": "group", "groupId": None, "traits": {"groupId": "g1"}},
                     ProfileUpdate("u", {"group_id": "g1"}, []), id="group-named-by-its-traits"),
        pytest.param({"type": "group", "traits": {"industry": "Tech"}},
                     ProfileUpdate("u", {"industry": "Tech"}, []), id="group-without-a-name-deletes-none"),
    ],
)  # fmt: skip
def test_page_screen_and_group_are_mapped_only_if_types_lists_them(
    plan_of: Callable[..., Plan], message: Any, operation: Any
) -> None:
    message |= {"userId": "u", "timestamp": TIMESTAMP}
    assert plan_of("segment", SCHEMA, options=EVERY_TYPE)(message, NOW) == operation
    assert plan_of("segment", SCHEMA)(message, NOW) == Ignored("segment_type_not_selected")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "alias", "userId": "u", "previousId": "v"}, "alias_not_supported"),
        ({"type": "delete", "userId": "u"}, "unknown_segment_type"),
        ({"type": None, "userId": "u"}, "unknown_segment_type"),
        ({"userId": "u"}, "unknown_segment_type"),
        ({"type": "track", "anonymousId": "a", "event": "E"}, "anonymous_message"),
        ({"type": "track", "event": "E"}, "missing_custom_id"),
        ({"type": "identify", "userId": None, "anonymousId": "a"}, "anonymous_message"),
        (identify(traits="{}"), "invalid_segment_message"),
        (identify(context=[1]), "invalid_segment_message"),
        (track(properties=[1]), "invalid_segment_message"),
        (track(event=None), "missing_event_name"),
        (track(timestamp="2020-01-01T00:00:00Z"), "event_outside_window"),
        (track(timestamp=None), "missing_event_time"),
        (track(timestamp=""), "missing_event_time"),
        (track(timestamp=" ", sentAt=None), "missing_event_time"),
        (track(timestamp="soon"), "invalid_event_time"),
    ],
)
def test_a_message_that_cannot_be_sent_is_rejected(
    plan_of: Callable[..., Plan], message: Any, code: str
) -> None:
    rejected = plan_of("segment", SCHEMA)(message, NOW)
    assert isinstance(rejected, Rejected)
    assert [issue.reason.code for issue in rejected.issues] == [code]


@pytest.mark.parametrize("field", ["timestamp", "originalTimestamp", "sentAt", "receivedAt"])
def test_every_time_of_a_message_can_be_the_time_of_the_event(
    plan_of: Callable[..., Plan], field: str
) -> None:
    later = {"receivedAt": "2023-11-14T22:10:00Z"}
    update = plan_of("segment", SCHEMA)(track(**{**later, "timestamp": None, field: TIMESTAMP}), NOW)
    assert isinstance(update, ProfileUpdate)
    assert update.events[0]["time"] == TIME


def test_two_traits_for_one_native_attribute_are_never_lost_silently(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("segment", SCHEMA)
    traits = {"email": "a@b.co", "email_address": "c@d.co"}
    for _ in range(2):
        update = plan(identify(traits=traits), NOW)
        assert isinstance(update, ProfileUpdate)
        assert update.attributes == {"$email_address": "c@d.co"}
        assert [(issue.property, issue.counted_only) for issue in update.issues] == [("traits.email", False)]


def test_attribute_naming_segment_makes_the_names_of_segment(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("segment", SCHEMA, attribute_naming="segment")
    traits = {"firstName": "a", "nb_orders": 1, "Foo-Bar baz": "c", "language": "fr", "éà": 1}
    attributes = {"firstname": "a", "nb_orders": 1, "foobarbaz": "c", "language": "fr", "ea": 1}
    assert plan(identify(traits=traits), NOW) == ProfileUpdate("u", attributes, [])
    update = plan(track(event="Achat terminé !"), NOW)
    assert isinstance(update, ProfileUpdate)
    assert update.events == [{"name": "achat_termin___", "time": TIME}]


def test_the_option_attributes_maps_traits_and_properties_by_name_and_by_path(
    plan_of: Callable[..., Plan],
) -> None:
    options = {
        "attributes": {
            "mail": "$email_address", "traits.plan": "tier", "properties.plan": None,
            "note": "$label", "day": "date(day)",
        }
    }  # fmt: skip
    plan = plan_of("segment", SCHEMA, options=options)
    traits = {"mail": "a@b.co", "plan": "x", "note": "n"}
    attributes = {"$email_address": "a@b.co", "tier": "x", "note": "n"}
    assert plan(identify(traits=traits), NOW) == ProfileUpdate("u", attributes, [])
    event = {"name": "e", "time": TIME, "attributes": {"mail": "m", "$label": "n"}}
    properties = {"mail": "m", "plan": "x", "note": "n"}
    assert plan(track(properties=properties), NOW) == ProfileUpdate("u", {}, [event])


def test_a_wrong_mapping_is_refused_before_the_first_message(plan_of: Callable[..., Plan]) -> None:
    with pytest.raises(ConfigurationError):
        plan_of("segment", SCHEMA, options={"attributes": {"a": "$nope"}})


def test_properties_outside_the_segment_spec_are_reported_once(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("segment", {**SCHEMA, "plan": {}})
    assert plan.notes == ("Property `plan` is not part of the Segment spec and is not sent.",)
    for _ in range(2):
        plan(identify(other=1), NOW)
    assert plan.take_new_notes() == ("Property `other` is not part of the Segment spec and is not sent.",)
    assert plan.take_new_notes() == ()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("traits.plan", identify(traits={"plan": {"name": "gold", "tier": 1}})),
        ("traits.plan", {"type": "group", "userId": "u", "traits": {"plan": {"name": "gold", "tier": 1}}}),
        ("context.timezone", identify(context={"timezone": {"name": "gold", "tier": 1}})),
    ],
)
def test_a_note_reports_the_dropped_parts_of_an_object_in_every_part_of_a_message(
    plan_of: Callable[..., Plan], path: str, message: dict[str, Any]
) -> None:
    options = {**EVERY_TYPE, "attributes": {f"{path}.name": "plan_name"}}
    plan = plan_of("segment", SCHEMA, options=options)
    for notes in (1, 0):
        assert plan(message, NOW) == ProfileUpdate("u", {"plan_name": "gold"}, [])
        assert len(plan.columns.new_notes) == notes
        assert [f"the object `{path}`" in note for note in plan.take_new_notes()] == [True] * notes


def test_an_attribute_is_traced_back_to_its_paths(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("segment", SCHEMA)
    plan(identify(traits={"Plan": 1}, context={"timezone": "UTC"}), NOW)
    assert plan.properties_of("plan") == ("traits.Plan", "context.traits.Plan")
    assert plan.properties_of("$timezone") == ("context.timezone",)
    assert ("traits.Plan", "plan") in [(row.property, row.target) for row in plan.rows]


def test_ever_new_names_of_traits_do_not_fill_the_memory(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("segment", SCHEMA)
    for number in range(5_000):
        plan(identify(traits={f"t{number}": 1}), NOW)
    assert len(plan.columns.by_name) < 2_500
    assert plan(identify(traits={"a b": 1, "aB": 2}), NOW) == plan(identify(traits={"aB": 2, "a b": 1}), NOW)


def test_a_computed_trait_may_come_as_a_track_message(plan_of: Callable[..., Plan]) -> None:
    message = track(event="Trait Computed", properties={"trait_key": "ltv", "ltv": Decimal("9.5")})
    event = {
        "name": "trait_computed",
        "time": TIME,
        "attributes": {"trait_key": "ltv", "ltv": Decimal("9.5")},
    }
    assert plan_of("segment", SCHEMA)(message, NOW) == ProfileUpdate("u", {}, [event])


@pytest.mark.parametrize("empty", [None, ""])
def test_two_empty_traits_of_one_attribute_delete_it_once(
    plan_of: Callable[..., Plan], empty: str | None
) -> None:
    """The attribute is sent under one of its spellings only."""
    plan = plan_of("segment", SCHEMA, options={"attributes": {"traits.x": "date(a)"}})
    update = plan(identify(traits={"x": empty, "a": empty}), NOW)
    assert isinstance(update, ProfileUpdate)
    assert len(update.attributes) == 1


def test_a_url_with_a_port_of_thousands_of_digits_rejects_only_its_trait(
    plan_of: Callable[..., Plan],
) -> None:
    traits = {"site": f"http://h:{'9' * 5000}/", "plan": "plus"}
    update = plan_of("segment", SCHEMA)(identify(traits=traits), NOW)
    assert isinstance(update, ProfileUpdate)
    assert update.attributes == {"plan": "plus"}
    assert [issue.reason.code for issue in update.issues] == ["value_too_long"]


def test_a_number_in_the_form_of_a_date_is_not_a_date(plan_of: Callable[..., Plan]) -> None:
    """With a month above 12 or a day above 31 a text is not a date; 30 February would be a bad date."""
    traits = {"order": "2024-57-12", "part": "1234-12-78"}
    assert plan_of("segment", SCHEMA)(identify(traits=traits), NOW) == ProfileUpdate("u", traits, [])


@pytest.mark.parametrize("trait", ["2024-01-01T00:00:00Z", "https://example.com", "plain"])
def test_a_trait_and_a_property_of_the_device_are_never_sent_as_two_spellings(
    plan_of: Callable[..., Plan], trait: str
) -> None:
    """The trait wins, because Batch does not accept two spellings of one attribute."""
    options = {"attributes": {"context.timezone": "tz"}}
    plan = plan_of("segment", SCHEMA, options=options)
    update = plan(identify(traits={"tz": trait}, context={"timezone": "Europe/Paris"}), NOW)
    assert isinstance(update, ProfileUpdate)
    (value,) = update.attributes.values()
    assert value.startswith(trait[:8])
