"""The option `attributes` accepts paths into objects as well as names, for streams of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_batch.common.operations import AudienceChange, ProfileUpdate

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.mapping import Plan

TEXT = {"type": ["null", "string"]}
EXPORT = {
    "type": ["object", "null"],
    "properties": {
        "$email": TEXT,
        "$created": {"type": "string", "format": "date-time"},
        "geo": {"type": "object", "properties": {"city": TEXT}},
        "a.b": TEXT,
    },
}
MAPPED = {
    "$properties.$email": "$email_address",
    "$properties.$created": "created",
    "$properties.geo.city": "city",
    "$properties.a.b": "dotted",
}
FREE = {"type": "object"}


@pytest.mark.parametrize(
    ("inside", "attributes", "rejected"),
    [
        (
            {
                "$email": "a@example.com",
                "$created": "2026-01-02",
                "geo": {"city": "Lyon"},
                "a.b": "x",
                "y": 1,
            },
            {
                "$email_address": "a@example.com",
                "date(created)": "2026-01-02T00:00:00Z",
                "city": "Lyon",
                "dotted": "x",
            },
            [],
        ),
        ({"$email": None, "geo": {}}, {"$email_address": None}, []),
        ({"geo": None}, {"city": None}, []),
        ({}, {}, []),
        (None, dict.fromkeys(("$email_address", "date(created)", "city", "dotted", "properties")), []),
        ({"$email": "nobody", "geo": "Lyon"}, {}, ["$properties.$email", "$properties.geo.city"]),
        ({"geo": [{"city": "Lyon"}]}, {}, ["$properties.geo.city"]),
        ("text", {}, ["$properties", *MAPPED]),
    ],
)
def test_a_profile_gets_the_values_at_the_mapped_paths(
    plan_of: Callable[..., Plan], inside: Any, attributes: dict[str, Any], rejected: list[str]
) -> None:
    """Types come from the SCHEMA, a null deletes, an absent value changes nothing, a bad one is rejected."""
    plan = plan_of("profiles", {"id": TEXT, "$properties": EXPORT}, options={"attributes": MAPPED})
    operation = plan({"id": "u1", "$properties": inside}, 0)
    assert isinstance(operation, ProfileUpdate)
    assert operation.attributes == attributes
    assert sorted(str(issue.property) for issue in operation.issues) == sorted(rejected)


def test_a_path_works_even_if_the_schema_does_not_declare_it(plan_of: Callable[..., Plan]) -> None:
    """It works in an object of unknown content, in a stream without properties and in traits."""
    options = {"attributes": {"extra.plan": "plan"}}
    record = {"id": "u1", "extra": {"plan": "pro", "more": 1}}
    for properties in ({"id": TEXT, "extra": FREE}, {}):
        plan = plan_of("profiles", properties, options={**options, "custom_id": "id"})
        operation = plan(record, 0)
        assert isinstance(operation, ProfileUpdate)
        assert operation.attributes == {"plan": "pro"}
        assert plan.take_new_notes()[-1].startswith("Only those parts of the object `extra` are sent")
    plan = plan_of("segment", {}, options={"attributes": {"traits.address.city": "city"}, "custom_id": "id"})
    operation = plan({"id": "u1", "type": "identify", "traits": {"address": {"city": "Lyon"}, "x": 1}}, 0)
    assert isinstance(operation, ProfileUpdate)
    assert operation.attributes == {"city": "Lyon", "x": 1}


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("total", {"cart": {"lines": [{"sku": "s", "note": "n"}]}, "total": 5}),
        (None, {"cart": {"lines": [{"sku": "s", "note": "n"}]}}),
    ],
)
def test_an_event_can_move_or_drop_a_part_of_an_object(
    plan_of: Callable[..., Plan], target: str | None, sent: dict[str, Any]
) -> None:
    """The part is sent under its new name at the top level, or not at all."""
    cart = {"total": 5, "lines": [{"sku": "s", "note": "n"}]}
    plan = plan_of("events", {"id": TEXT, "cart": FREE}, options={"attributes": {"cart.total": target}})
    operation = plan({"id": "u1", "cart": cart}, 0)
    assert isinstance(operation, ProfileUpdate)
    (event,) = operation.events
    assert event["attributes"] == sent
    assert cart == {"total": 5, "lines": [{"sku": "s", "note": "n"}]}


def test_a_path_excluded_from_an_array_is_excluded_from_every_item(plan_of: Callable[..., Plan]) -> None:
    options = {"attributes": {"cart.lines.note": None}}
    plan = plan_of("events", {"id": TEXT, "cart": FREE}, options=options)
    operation = plan({"id": "u1", "cart": {"lines": [{"sku": "a", "note": "n"}, {"sku": "b"}]}}, 0)
    assert isinstance(operation, ProfileUpdate)
    assert operation.events[0]["attributes"] == {"cart": {"lines": [{"sku": "a"}, {"sku": "b"}]}}
    assert operation.issues == ()


def test_a_member_gets_the_value_at_a_mapped_path(plan_of: Callable[..., Plan]) -> None:
    options = {"audience": "vip", "attributes": {"geo.city": "city"}}
    plan = plan_of("audiences", {"id": TEXT, "geo": FREE, "action": TEXT}, options=options)
    operation = plan({"id": "u1", "action": "add", "geo": {"city": "Lyon"}}, 0)
    assert isinstance(operation, AudienceChange)
    assert operation.attributes == {"city": "Lyon"}


def test_a_property_whose_name_has_a_dot_wins_over_a_path(plan_of: Callable[..., Plan]) -> None:
    """The property `Owner` is not changed, and a path to a missing property is reported at the SCHEMA."""
    properties = {"id": TEXT, "Owner": TEXT, "Owner.Name": TEXT}
    plan = plan_of("profiles", properties, options={"attributes": {"Owner.Name": "name", "Owner.x": "y"}})
    operation = plan({"id": "u1", "Owner": "o", "Owner.Name": "n"}, 0)
    assert isinstance(operation, ProfileUpdate)
    assert operation.attributes == {"owner": "o", "name": "n"}
    assert operation.issues == ()
    assert any("name what the SCHEMA does not have: `Owner.x`" in note for note in plan.notes)
