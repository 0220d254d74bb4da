"""At the SCHEMA, options that name a missing property are refused and meaningless options are reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_batch.common.errors import ConfigurationError
from target_batch.common.operations import ProfileUpdate

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.mapping import Plan

TEXT = {"type": "string"}
PROPERTIES = {"id": TEXT, "at": {"type": "string", "format": "date-time"}, "event": TEXT, "audience": TEXT}


@pytest.mark.parametrize(
    ("kind", "options", "warning"),
    [
        ("profiles", {"mode": "mirror", "event": "x"}, "of kind `profiles`: `event`, `mode`. Set"),
        ("events", {"as_attribute": True}, "of kind `events`: `as_attribute`. Set `streams.people.kind`"),
    ],
)
def test_an_option_without_meaning_is_reported_once(
    plan_of: Callable[..., Plan], kind: str, options: dict[str, Any], warning: str
) -> None:
    notes = plan_of(kind, PROPERTIES, options=options).notes
    assert len([note for note in notes if warning in note]) == 1, notes


@pytest.mark.parametrize(
    ("kind", "options", "named"),
    [
        ("profiles", {"custom_id": "uid"}, "`streams.people.custom_id` names the property `uid`"),
        ("profiles", {"custom_id": "who.id"}, "`streams.people.custom_id` names the property `who.id`"),
        ("profiles", {"custom_id": "id.of"}, "`streams.people.custom_id` names the property `id.of`"),
        ("profiles", {"custom_id": "\ufeffid"}, "names the property `\\ufeffid`"),
        ("profiles", {"deleted_at": "gone"}, "`streams.people.deleted_at` names the property `gone`"),
        ("events", {"time": "when"}, "`streams.people.time` names the property `when`"),
        ("events", {"event_property": "what"}, "`streams.people.event_property` names the property `what`"),
        (
            "audiences",
            {"audience_property": "a"},
            "audience_property` names the property `a`",
        ),
        (
            "audiences",
            {"action_property": "how"},
            "action_property` names the property `how`",
        ),
        ("audiences", {"display_name_property": "d"}, "display_name_property` names the property `d`"),
        ("audiences", {"tags": "labels"}, "`streams.people.tags` names the property `labels`"),
    ],
)
def test_an_option_that_names_a_missing_property_is_refused(
    plan_of: Callable[..., Plan], kind: str, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError) as stopped:
        plan_of(kind, PROPERTIES, options=options)
    assert named in str(stopped.value)
    assert "It has: `id`, `at`, `event`, `audience`." in str(stopped.value)


@pytest.mark.parametrize("type_", ["object", "struct", ["struct", "null"], ["string", "object"], None])
def test_a_path_may_lead_into_whatever_is_not_certainly_a_plain_value(
    plan_of: Callable[..., Plan], type_: Any
) -> None:
    """Some taps declare types that JSON Schema does not have, and send objects."""
    plan = plan_of("profiles", {"who": {"type": type_}, "name": TEXT}, options={"custom_id": "who.id"})
    assert plan.custom_id_of({"who": {"id": "u1"}}) == "u1"


def test_the_refusal_shows_invisible_characters_of_existing_names(plan_of: Callable[..., Plan]) -> None:
    with pytest.raises(ConfigurationError) as stopped:
        plan_of("profiles", {"\ufeffid": TEXT, "name\u00a0": TEXT}, custom_id="id")
    assert "`custom_id` names the property `id`" in str(stopped.value)
    assert "It has: `\\ufeffid`, `name\\u00a0`." in str(stopped.value)


def test_options_are_not_checked_against_a_schema_without_properties(
    plan_of: Callable[..., Plan],
) -> None:
    plan = plan_of("profiles", {}, options={"custom_id": "uid"})
    assert plan({"uid": 7, "a": 1}, 0.0) == ProfileUpdate("7", {"a": 1}, [])


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("profiles", {"custom_id": "id", "only_mapped": True, "time": "at"}),
        ("profiles", {"custom_id": "who.id"}),
        ("events", {"time": "at", "event_property": "event"}),
        ("events", {"event": "fixed"}),
        ("audiences", {"audience_property": "audience", "mode": "mirror", "allow_empty": True}),
    ],
)
def test_correct_options_are_not_reported(
    plan_of: Callable[..., Plan], kind: str, options: dict[str, Any]
) -> None:
    notes = plan_of(kind, {**PROPERTIES, "who": {"type": "object"}}, options=options).notes
    assert not [note for note in notes if "does not have" in note or "No meaning" in note], notes


def test_default_country_accepts_the_same_spellings_as_a_region(plan_of: Callable[..., Plan]) -> None:
    """`UK` means `GB`."""
    for country in ("UK", "gb"):
        plan = plan_of("profiles", {"id": TEXT, "phone": TEXT}, default_country=country)
        operation: Any = plan({"id": "u1", "phone": "020 7946 0018"}, 0.0)
        assert operation.attributes == {"$phone_number": "+442079460018"}


def test_a_type_that_json_schema_does_not_have_is_reported_once(plan_of: Callable[..., Plan]) -> None:
    properties = {"id": TEXT, "p": {"type": "bigint"}, "q": {"type": ["bigint", "null"]}}
    (note,) = plan_of("profiles", properties).notes
    assert "type `bigint`" in note
