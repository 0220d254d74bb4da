"""Membership rows: which audience, in or out, and what a member carries."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from target_batch.common.errors import ConfigurationError
from target_batch.common.operations import AudienceChange, ProfileUpdate, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.mapping import Plan

ANY: dict[str, Any] = {}
INSTALLS = {"destination": "app", "id_type": "install_ids"}


@pytest.mark.parametrize(
    ("properties", "options", "record", "name", "display_name"),
    [
        pytest.param({}, {}, {}, "people", "people", id="the-streams-name"),
        pytest.param({"audience": ANY}, {}, {"audience": "VIP été"}, "VIP__t_", "VIP été", id="cleaned"),
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
def test_the_name_of_the_audience(
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
def test_every_usual_word_for_in_and_out(plan_of: Callable[..., Plan], action: Any, add: Any) -> None:
    change = plan_of("audiences", {"id": ANY, "status": ANY})({"id": 7, "status": action}, 0.0)
    assert isinstance(change, AudienceChange)
    assert change.add is add


@pytest.mark.parametrize("action", ["churned", "", None, 2, [], "ad"])
def test_another_word_rejects_the_row(plan_of: Callable[..., Plan], action: Any) -> None:
    rejected = plan_of("audiences", {"id": ANY, "action": ANY})({"id": 7, "action": action}, 0.0)
    assert isinstance(rejected, Rejected)
    assert rejected.faults[0].reason.code == "unknown_action"
    assert rejected.faults[0].property == "action"


def test_an_action_that_the_schema_lacks_is_obeyed(plan_of: Callable[..., Plan]) -> None:
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
def test_a_row_that_names_no_audience_is_rejected(plan_of: Callable[..., Plan], name: Any, code: str) -> None:
    rejected = plan_of("audiences", {"id": ANY, "audience": ANY})({"id": 7, "audience": name}, 0.0)
    assert isinstance(rejected, Rejected)
    assert [(f.reason.code, f.property) for f in rejected.faults] == [(code, "audience")]


def test_two_names_that_become_one_never_mix(plan_of: Callable[..., Plan]) -> None:
    names: dict[str, str] = {}
    plan = plan_of("audiences", {"id": ANY, "audience": ANY}, audience_names=names)
    assert isinstance(plan({"id": 7, "audience": "VIP é"}, 0.0), AudienceChange)
    again = plan_of("audiences", {"id": ANY, "audience": ANY}, audience_names=names)
    rejected = again({"id": 7, "audience": "VIP è"}, 0.0)
    assert isinstance(rejected, Rejected)
    assert rejected.faults[0].reason.code == "audience_name_collision"
    assert isinstance(again({"id": 8, "audience": "VIP é"}, 0.0), AudienceChange)


def test_members_carry_what_the_mapping_asks_for_and_only_with_an_add(
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
    assert [(f.reason.code, f.property) for f in change.faults] == [("boolean_not_allowed", "vip")]
    assert plan({**row, "action": "out"}, 0.0) == AudienceChange("people", "people", "7", add=False)


def test_sixteen_member_attributes_are_one_too_many(plan_of: Callable[..., Plan]) -> None:
    names = [f"p{n:02}" for n in range(16)]
    options = {"attributes": {name: name for name in names}}
    plan = plan_of("audiences", {"id": ANY, **dict.fromkeys(names, ANY)}, options=options)
    change = plan({"id": 7, **dict.fromkeys(names, 1)}, 0.0)
    assert isinstance(change, AudienceChange)
    assert [(f.reason.code, f.property) for f in change.faults] == [("too_many_attributes", "p15")]


@pytest.mark.parametrize(
    ("destination", "attributes", "tags"),
    [
        pytest.param({}, {"city": "Paris"}, [], id="project"),
        pytest.param({"destination": "app"}, {}, [], id="app"),
        pytest.param(INSTALLS, {"city": "Paris"}, ["a", "1"], id="installs"),
    ],
)
def test_attributes_and_tags_where_the_destination_has_them(
    plan_of: Callable[..., Plan], destination: Any, attributes: Any, tags: Any
) -> None:
    options = {"attributes": {"city": "city"}, "tags": "labels", **destination}
    plan = plan_of("audiences", {"id": ANY, "city": ANY, "labels": ANY}, options=options)
    change = plan({"id": 7, "city": "Paris", "labels": ["a", 1]}, 0.0)
    assert isinstance(change, AudienceChange)
    assert (change.attributes, change.tags) == (attributes, tags)
    missing = 2 - bool(attributes) - bool(tags)
    assert len(change.faults) == len(plan.notes) == missing


def test_a_native_is_no_attribute_of_a_member(plan_of: Callable[..., Plan]) -> None:
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
    assert plan.properties_of(next(iter(attributes))) == ("cohort", "action")


@pytest.mark.parametrize("cohort", ["x" * 31, "---"])
def test_a_cohort_that_makes_no_attribute_rejects_the_row(plan_of: Callable[..., Plan], cohort: str) -> None:
    plan = plan_of("audiences", {"id": ANY, "cohort": ANY}, options={"as_attribute": True})
    rejected = plan({"id": 7, "cohort": cohort}, 0.0)
    assert isinstance(rejected, Rejected)
    assert rejected.faults[0].reason.code == "invalid_audience_name"
