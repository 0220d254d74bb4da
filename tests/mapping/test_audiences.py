"""Rows of memberships: the audience, the action, and the attributes and tags of a member."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from target_batch.common.errors import ConfigurationError
from target_batch.common.operations import AudienceChange, Ignored, ProfileUpdate, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.mapping import Plan

ANY: dict[str, Any] = {}
INSTALLS = {"destination": "app", "id_type": "install_ids"}


@pytest.mark.parametrize(
    ("properties", "options", "record", "name", "display_name"),
    [
        pytest.param({}, {}, {}, "people", "people", id="the-streams-name"),
        pytest.param({"audience": ANY}, {}, {"audience": "VIP été"}, "VIP_ete", "VIP été", id="cleaned"),
        pytest.param({"cohort_name": ANY, "segment": ANY}, {}, {"cohort_name": "a-B_1", "segment": "x"},
                     "a-B_1", "a-B_1", id="first-usual-name"),
        pytest.param({"label": ANY}, {"audience_property": "label"}, {"label": " Trimmed "},
                     "Trimmed", "Trimmed", id="chosen-property"),
        pytest.param({"audience": ANY}, {"audience": "Fixed"}, {"audience": "x"}, "Fixed", "Fixed",
                     id="fixed"),
        pytest.param({"cohort": ANY}, {}, {"cohort": 42}, "42", "42", id="number"),
        pytest.param({"cohort": ANY, "label": ANY}, {"display_name_property": "label"},
                     {"cohort": "c1", "label": "Big spenders"}, "c1", "Big spenders", id="display-name"),
    ],
)  # fmt: skip
def test_the_audience_is_named_by_option_property_or_stream(
    plan_of: Callable[..., Plan], properties: Any, options: Any, record: Any, name: str, display_name: str
) -> None:
    plan = plan_of("audiences", {"id": ANY, **properties}, options=options)
    assert plan({"id": 7, **record}, 0.0) == AudienceChange(name, display_name, "7", add=True)


ADD = ["add", "ADDED", "enter", "Entered", "in", "join", "joined", " active ", "true", "1", True, 1]
REMOVE = [
    "remove", "removed", "exit", "Exited", "out", "leave", "LEFT", "delete", "deleted", "inactive",
    "false", "0", False, 0, Decimal("0.0"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("action", "add"), [(word, True) for word in ADD] + [(word, False) for word in REMOVE]
)
def test_every_usual_word_for_adding_and_removing_is_understood(
    plan_of: Callable[..., Plan], action: Any, add: Any
) -> None:
    change = plan_of("audiences", {"id": ANY, "status": ANY})({"id": 7, "status": action}, 0.0)
    assert isinstance(change, AudienceChange)
    assert change.add is add


@pytest.mark.parametrize("action", ["churned", "", None, 2, [], "ad"])
def test_an_unknown_action_rejects_the_row(plan_of: Callable[..., Plan], action: Any) -> None:
    rejected = plan_of("audiences", {"id": ANY, "action": ANY})({"id": 7, "action": action}, 0.0)
    assert isinstance(rejected, Rejected)
    assert rejected.issues[0].reason.code == "unknown_action"
    assert rejected.issues[0].property == "action"


def test_an_action_that_is_missing_in_the_schema_is_obeyed(plan_of: Callable[..., Plan]) -> None:
    change = plan_of("audiences", {"id": ANY})({"id": 7, "operation": "remove"}, 0.0)
    assert isinstance(change, AudienceChange)
    assert not change.add


def test_a_row_deleted_at_the_source_is_a_removal(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("audiences", {"id": ANY, "action": ANY})
    change = plan({"id": 7, "action": "add", "_sdc_deleted_at": "2024-01-01"}, 0.0)
    assert change == AudienceChange("people", "people", "7", add=False)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (None, "missing_audience"), ("  ", "missing_audience"), ("x" * 256, "invalid_audience_name"),
        (["a"], "invalid_audience_name"), (True, "invalid_audience_name"),
    ],
)  # fmt: skip
def test_a_row_without_a_valid_audience_name_is_rejected(
    plan_of: Callable[..., Plan], name: Any, code: str
) -> None:
    rejected = plan_of("audiences", {"id": ANY, "audience": ANY})({"id": 7, "audience": name}, 0.0)
    assert isinstance(rejected, Rejected)
    assert [(f.reason.code, f.property) for f in rejected.issues] == [(code, "audience")]


def test_two_audiences_whose_cleaned_names_are_equal_are_not_mixed(plan_of: Callable[..., Plan]) -> None:
    names: dict[str, str] = {}
    plan = plan_of("audiences", {"id": ANY, "audience": ANY}, audience_names=names)
    assert isinstance(plan({"id": 7, "audience": "VIP é"}, 0.0), AudienceChange)
    again = plan_of("audiences", {"id": ANY, "audience": ANY}, audience_names=names)
    rejected = again({"id": 7, "audience": "VIP è"}, 0.0)
    assert isinstance(rejected, Rejected)
    assert rejected.issues[0].reason.code == "audience_name_collision"
    assert isinstance(again({"id": 8, "audience": "VIP é"}, 0.0), AudienceChange)


def test_members_have_the_mapped_attributes_only_when_they_are_added(
    plan_of: Callable[..., Plan],
) -> None:
    properties = {"id": ANY, "action": ANY, "score": {"type": "number"}, "city": ANY, "seen":
                  {"type": "string", "format": "date-time"}, "vip": {"type": "boolean"}}  # fmt: skip
    mapping = {"score": "points", "seen": "seen", "vip": "vip", "city": "city"}
    plan = plan_of("audiences", properties, options={"attributes": mapping})
    row = {"id": 7, "score": Decimal("1.5"), "seen": "2024-01-02", "vip": True, "city": None, "x": 1}
    change = plan({**row, "action": "add"}, 0.0)
    assert isinstance(change, AudienceChange)
    assert change.attributes == {"points": Decimal("1.5"), "date(seen)": "2024-01-02T00:00:00Z"}
    assert [(f.reason.code, f.property) for f in change.issues] == [("boolean_not_allowed", "vip")]
    assert plan({**row, "action": "out"}, 0.0) == AudienceChange("people", "people", "7", add=False)


def test_sixteen_member_attributes_are_one_too_many(plan_of: Callable[..., Plan]) -> None:
    names = [f"p{n:02}" for n in range(16)]
    options = {"attributes": {name: name for name in names}}
    plan = plan_of("audiences", {"id": ANY, **dict.fromkeys(names, ANY)}, options=options)
    change = plan({"id": 7, **dict.fromkeys(names, 1)}, 0.0)
    assert isinstance(change, AudienceChange)
    assert [(f.reason.code, f.property) for f in change.issues] == [("too_many_attributes", "p15")]


@pytest.mark.parametrize(
    ("destination", "attributes", "tags"),
    [
        pytest.param({}, {"city": "Paris"}, [], id="project"),
        pytest.param({"destination": "app"}, {}, [], id="app"),
        pytest.param(INSTALLS, {"city": "Paris"}, ["a", "1"], id="installs"),
    ],
)
def test_attributes_and_tags_are_sent_only_to_destinations_that_support_them(
    plan_of: Callable[..., Plan], destination: Any, attributes: Any, tags: Any
) -> None:
    options = {"attributes": {"city": "city"}, "tags": "labels", **destination}
    plan = plan_of("audiences", {"id": ANY, "city": ANY, "labels": ANY}, options=options)
    change = plan({"id": 7, "city": "Paris", "labels": ["a", 1]}, 0.0)
    assert isinstance(change, AudienceChange)
    assert (change.attributes, change.tags) == (attributes, tags)
    missing = 2 - bool(attributes) - bool(tags)
    assert len(change.issues) == len([note for note in plan.notes if "every row adds" not in note]) == missing


def test_a_native_attribute_of_a_member_is_refused(plan_of: Callable[..., Plan]) -> None:
    with pytest.raises(ConfigurationError, match="none"):
        plan_of("audiences", {"id": ANY}, options={"attributes": {"p": "$email_address"}})


@pytest.mark.parametrize(
    ("record", "attributes"),
    [
        ({"cohort": "Big Spenders", "action": "entered"}, {"big_spenders": True}),
        ({"cohort": "Big Spenders", "action": "exited"}, {"big_spenders": False}),
        ({"cohort": "VIP été", "_sdc_deleted_at": "x"}, {"vip_ete": False}),
    ],
)
def test_a_cohort_as_a_boolean_attribute(plan_of: Callable[..., Plan], record: Any, attributes: Any) -> None:
    properties = {"id": ANY, "cohort": ANY, "action": ANY}
    plan = plan_of("audiences", properties, options={"as_attribute": True})
    assert plan({"id": 7, **record}, 0.0) == ProfileUpdate("7", attributes, [])
    assert plan.only_attribute({"id": 7, **record}) == next(iter(attributes))


@pytest.mark.parametrize("cohort", ["x" * 31, "---"])
def test_a_cohort_name_that_is_not_a_valid_attribute_rejects_the_row(
    plan_of: Callable[..., Plan], cohort: str
) -> None:
    plan = plan_of("audiences", {"id": ANY, "cohort": ANY}, options={"as_attribute": True})
    rejected = plan({"id": 7, "cohort": cohort}, 0.0)
    assert isinstance(rejected, Rejected)
    assert rejected.issues[0].reason.code == "invalid_audience_name"


@pytest.mark.parametrize("options", [{}, {"destination": "app", "id_type": "install_ids"}])
@pytest.mark.parametrize("value", ["yes", "no", True, 1])
def test_boolean_attributes_of_members_are_rejected_even_if_converted_from_text(
    plan_of: Callable[..., Plan], options: dict[str, Any], value: Any
) -> None:
    """Batch would refuse the whole call, and its members would be rejected."""
    mapped = {"attributes": {"vip": "boolean(vip)"}, **options}
    plan = plan_of("audiences", {"id": ANY, "cohort": ANY, "vip": ANY, "plan": ANY}, options=mapped)
    change = plan({"id": 7, "cohort": "a", "vip": value, "plan": "x"}, 0.0)
    assert isinstance(change, AudienceChange)
    assert change.attributes == {}
    assert [(f.reason.code, f.property) for f in change.issues] == [("boolean_not_allowed", "vip")]


@pytest.mark.parametrize("name", ["ACTION", "Action", "operation", "OPERATION", "Status"])
def test_the_action_and_the_audience_are_recognised_in_any_case(
    plan_of: Callable[..., Plan], name: str
) -> None:
    for properties in ({"USER_ID": ANY, "COHORT": ANY, name: ANY}, {}):
        plan = plan_of("audiences", properties, options={"custom_id": "USER_ID"})
        change = plan({"USER_ID": 7, "COHORT": "vip", name: "remove"}, 0.0)
        assert change == AudienceChange("vip", "vip", "7", add=False)


@pytest.mark.parametrize(
    "name",
    [
        "change_type", "CHANGE_TYPE", "op", "Op", "__op", "operationType", "action_type", "event",
        "event_type", "is_member", "in_audience", "isActive", "active", "removed", "removed_at", "left_at",
        "deleted_at",
        "membership_status", "cohort_state", "dml", "end_date", "unsubscribed", "unsubscribed_at",
    ],
)  # fmt: skip
def test_a_property_that_looks_like_an_action_is_refused_at_the_schema(
    plan_of: Callable[..., Plan], name: str
) -> None:
    properties = {"id": ANY, "cohort": ANY, name: ANY}
    with pytest.raises(ConfigurationError) as stopped:
        plan_of("audiences", properties)
    assert f"`{name}`" in str(stopped.value)
    assert "streams.people.action_property" in str(stopped.value)
    for options in ({"action_property": name}, {"attributes": {name: None}}, {"deleted_at": name}):
        assert plan_of("audiences", properties, options=options)
    assert plan_of("audiences", properties, options={"mode": "mirror"})
    assert plan_of("audiences", {**properties, "action": ANY})


@pytest.mark.parametrize("name", ["city", "type", "shop", "country_state", "order_status", "opened_at"])
def test_other_properties_do_not_look_like_actions(plan_of: Callable[..., Plan], name: str) -> None:
    plan = plan_of("audiences", {"id": ANY, "cohort": ANY, name: ANY})
    assert [note for note in plan.notes if "every row adds" in note]


@pytest.mark.parametrize("options", [{}, {"as_attribute": True}])
@pytest.mark.parametrize(
    ("mark", "deleted_at", "note"),
    [
        ("city", None, "every row adds its user. If rows also remove, "),
        ("_sdc_deleted_at", None, "every row adds its user, or removes them if `_sdc_deleted_at` is set. "),
        ("gone", "gone", "every row adds its user, or removes them if `gone` is set. If other rows also "),
    ],
)
def test_the_note_that_every_row_adds_names_the_mark_of_those_that_remove(
    plan_of: Callable[..., Plan], mark: str, deleted_at: str | None, note: str, options: dict[str, Any]
) -> None:
    properties = {"id": ANY, "cohort": ANY, mark: ANY}
    plan = plan_of("audiences", properties, options={**options, "deleted_at": deleted_at})
    assert note in " ".join(plan.notes)


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("_sdc_deleted_at", "2024-01-01T00:00:00Z"),
        ("_SDC_DELETED_AT", "2024-01-01T00:00:00Z"),
        ("_sdc_lsn_deleted_at", "2024-01-01T00:00:00Z"),
        ("_ab_cdc_deleted_at", "2024-01-01T00:00:00Z"),
        ("_AB_CDC_DELETED_AT", 1_700_000_000),
        ("_fivetran_deleted", True),
        ("_FIVETRAN_DELETED", "true"),
    ],
)
def test_a_deleted_row_with_only_its_key_and_deletion_mark_removes_the_member(
    plan_of: Callable[..., Plan], name: str, mark: Any
) -> None:
    required = {"type": "string"}
    for announced in ({"id": ANY, "city": required, "status": required, name: ANY}, {}):
        plan = plan_of("audiences", announced, options={"audience": "vip", "custom_id": "id"})
        assert plan({"id": 7, name: mark}, 0.0) == AudienceChange("vip", "vip", "7", add=False)


@pytest.mark.parametrize("mark", [None, "", " ", False, 0, 0.0, Decimal(0), "false"])
def test_an_empty_deletion_mark_is_ignored(plan_of: Callable[..., Plan], mark: Any) -> None:
    plan = plan_of("audiences", {"id": ANY, "_fivetran_deleted": ANY})
    assert plan({"id": 7, "_fivetran_deleted": mark}, 0.0) == AudienceChange(
        "people", "people", "7", add=True
    )
    plan = plan_of("profiles", {"id": ANY, "_SDC_DELETED_AT": ANY, "a": ANY})
    assert plan({"id": 7, "_SDC_DELETED_AT": mark, "a": 1}, 0.0) == ProfileUpdate("7", {"a": 1}, [])


@pytest.mark.parametrize("kind", ["profiles", "events"])
def test_the_option_deleted_at_names_the_deletion_mark(plan_of: Callable[..., Plan], kind: str) -> None:
    properties = {"id": ANY, "gone": ANY, "time": ANY, "event": ANY}
    plan = plan_of(kind, properties, options={"deleted_at": "gone"})
    assert plan({"id": 7, "gone": "2024-01-01"}, 0.0) == Ignored("deleted_at_source")
    kept = plan({"id": 7, "gone": None, "time": 0, "event": "e"}, 0.0)
    assert isinstance(kept, ProfileUpdate)
    assert "gone" not in str(kept)


def test_a_deleted_row_without_an_audience_is_rejected_with_advice(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("audiences", {"id": ANY, "cohort": ANY, "_sdc_deleted_at": ANY})
    rejected = plan({"id": 7, "_sdc_deleted_at": "2024-01-01"}, 0.0)
    assert isinstance(rejected, Rejected)
    assert rejected.issues[0].reason.code == "missing_audience"
    assert "REPLICA IDENTITY FULL" in rejected.issues[0].reason.advice


@pytest.mark.parametrize(
    ("original", "name", "attribute"),
    [
        ("Été 2026", "Ete_2026", "ete_2026"),
        ("À risque", "A_risque", "a_risque"),
        ("Großkunden", "Grosskunden", "grosskunden"),
        ("niño", "nino", "nino"),
        ("東京", "DongJing", "dong_jing"),
        ("a.b/c", "a_b_c", "a_b_c"),
    ],
)
def test_names_of_audiences_are_transliterated(
    plan_of: Callable[..., Plan], original: str, name: str, attribute: str
) -> None:
    change = plan_of("audiences", {"id": ANY, "cohort": ANY})({"id": 7, "cohort": original}, 0.0)
    assert change == AudienceChange(name, original, "7", add=True)
    cohort = plan_of("audiences", {"id": ANY, "cohort": ANY}, options={"as_attribute": True})
    assert cohort({"id": 7, "cohort": original}, 0.0) == ProfileUpdate("7", {attribute: True}, [])


@pytest.mark.parametrize("other", ["Ete 2026", "Ete_2026", "Été_2026"])
@pytest.mark.parametrize("options", [{}, {"as_attribute": True}])
def test_two_audiences_whose_transliterated_names_are_equal_are_not_mixed(
    plan_of: Callable[..., Plan], other: str, options: dict[str, Any]
) -> None:
    plan = plan_of("audiences", {"id": ANY, "cohort": ANY}, options=options)
    assert not isinstance(plan({"id": 7, "cohort": "Été 2026"}, 0.0), Rejected)
    rejected = plan({"id": 7, "cohort": other}, 0.0)
    assert isinstance(rejected, Rejected)
    assert rejected.issues[0].reason.code == "audience_name_collision"
