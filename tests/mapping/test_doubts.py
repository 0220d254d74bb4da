"""Options that name nothing, or mean nothing for a stream's kind, are told at the SCHEMA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.mapping import Plan

TEXT = {"type": "string"}
PROPERTIES = {"id": TEXT, "at": {"type": "string", "format": "date-time"}, "event": TEXT, "audience": TEXT}


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("profiles", {"custom_id": "uid"}, "`custom_id` names `uid`, which the SCHEMA does not have"),
        ("profiles", {"custom_id": "who.id"}, "`custom_id` names `who.id`"),
        ("events", {"time": "when"}, "The stream's `time` names `when`"),
        ("events", {"event_property": "what"}, "The stream's `event_property` names `what`"),
        ("audiences", {"action_property": "how"}, "The stream's `action_property` names `how`"),
        ("profiles", {"mode": "mirror", "event": "x"}, "of kind `profiles`: `event`, `mode`. Set"),
        ("events", {"as_attribute": True}, "of kind `events`: `as_attribute`. Set `streams.people.kind`"),
    ],
)
def test_what_names_or_means_nothing_is_told_once(
    plan_of: Callable[..., Plan], kind: str, options: dict[str, Any], told: str
) -> None:
    notes = plan_of(kind, PROPERTIES, options=options).notes
    assert len([note for note in notes if told in note]) == 1, notes


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("profiles", {"custom_id": "id", "only_mapped": True, "time": "at"}),
        ("profiles", {"custom_id": "id.inner"}),
        ("events", {"time": "at", "event_property": "event"}),
        ("events", {"event": "fixed"}),
        ("audiences", {"audience_property": "audience", "mode": "mirror", "allow_empty": True}),
    ],
)
def test_what_is_in_order_raises_no_doubt(
    plan_of: Callable[..., Plan], kind: str, options: dict[str, Any]
) -> None:
    notes = plan_of(kind, PROPERTIES, options=options).notes
    assert not [note for note in notes if "does not have" in note or "No meaning" in note], notes


def test_a_country_is_read_as_regions_are(plan_of: Callable[..., Plan]) -> None:
    """UK is what people write for GB."""
    for country in ("UK", "gb"):
        plan = plan_of("profiles", {"id": TEXT, "phone": TEXT}, default_country=country)
        operation: Any = plan({"id": "u1", "phone": "020 7946 0018"}, 0.0)
        assert operation.attributes == {"$phone_number": "+442079460018"}
