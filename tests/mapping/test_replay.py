"""A historical replay sends only records of its time window and of its types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_batch.common.errors import ConfigurationError
from target_batch.common.operations import AudienceChange, Ignored, ProfileUpdate, Rejected
from target_batch.config.settings import ReplayOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.mapping import Plan

NOW = 1_700_000_000.0
WINDOW = ReplayOptions(start="2023-11-14T12:00:00Z", end="2023-11-15")
OUTSIDE = Ignored("outside_replay_window")


@pytest.mark.parametrize("kind", ["profiles", "events", "segment", "audiences"])
@pytest.mark.parametrize(
    ("time", "outcome"),
    [
        ("2023-11-14T11:59:59Z", OUTSIDE),
        ("2023-11-14T12:00:00Z", None),
        ("2023-11-14T22:13:20Z", None),
        ("2023-11-15T00:00:00Z", OUTSIDE),
        (None, Rejected),
        ("soon", Rejected),
    ],
)
def test_the_window_includes_its_start_and_excludes_its_end(
    plan_of: Callable[..., Plan], kind: str, time: Any, outcome: Any
) -> None:
    plan = plan_of(kind, {"id": {}, "timestamp": {}}, replay=WINDOW, custom_id="id")
    operation = plan({"id": "u", "type": "identify", "timestamp": time}, NOW)
    if outcome is Rejected:
        assert isinstance(operation, Rejected)
        assert operation.issues[0].reason.code == "replay_without_time"
        assert operation.issues[0].property == "timestamp"
    elif outcome is None:
        assert isinstance(operation, (ProfileUpdate, AudienceChange))
    else:
        assert operation == outcome


def test_the_time_of_a_profile_comes_from_the_property_of_the_stream(plan_of: Callable[..., Plan]) -> None:
    properties: dict[str, Any] = {"id": {}, "created_at": {}, "changed": {}}
    plan = plan_of("profiles", properties, options={"time": "changed"}, replay=WINDOW)
    inside = {"id": "u", "created_at": "2020-01-01", "changed": "2023-11-14T13:00:00Z"}
    assert isinstance(plan(inside, NOW), ProfileUpdate)
    assert plan({**inside, "changed": "2020-01-01"}, NOW) == OUTSIDE


def test_a_window_may_have_no_end(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("profiles", {"id": {}, "time": {}}, replay=ReplayOptions(start="2023-01-01"))
    assert isinstance(plan({"id": "u", "time": "2999-01-01"}, NOW), ProfileUpdate)
    assert plan({"id": "u", "time": "2022-12-31"}, NOW) == OUTSIDE


def test_the_types_of_a_replay_narrow_those_of_the_stream(plan_of: Callable[..., Plan]) -> None:
    replay = ReplayOptions(types=("identify", "page"))
    plan = plan_of("segment", {"type": {}}, replay=replay)
    message = {"userId": "u", "timestamp": "2023-11-14T13:00:00Z"}
    assert isinstance(plan({**message, "type": "identify"}, NOW), ProfileUpdate)
    for kind in ("track", "page"):
        not_selected = Ignored("segment_type_not_selected")
        assert plan({**message, "type": kind, "event": "e"}, NOW) == not_selected


@pytest.mark.parametrize("end", ["2024-02-01T00:00:00Z", "2024-03-01", "2024-03-01T01:00:00+01:00"])
def test_a_start_that_is_not_before_the_end_is_refused(plan_of: Callable[..., Plan], end: str) -> None:
    with pytest.raises(ConfigurationError, match=r"`replay\.start` is not before `replay\.end`"):
        plan_of("profiles", {"id": {}}, replay=ReplayOptions(start="2024-03-01T00:00:00Z", end=end))


def test_a_bound_that_is_not_a_date_is_refused(plan_of: Callable[..., Plan]) -> None:
    with pytest.raises(ConfigurationError, match=r"replay\.end"):
        plan_of("profiles", {"id": {}}, replay=ReplayOptions(end="tomorrow"))
