"""A flat record becomes one event with a name, a time and all other properties as attributes."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from target_batch.common.errors import ConfigurationError
from target_batch.common.operations import Ignored, ProfileUpdate, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.mapping import Plan

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z
ANY: dict[str, Any] = {}
TEXT = {"type": "string"}
MOMENT = {"type": "string", "format": "date-time"}


def sent(operation: Any) -> dict[str, Any]:
    """Return the one event of a profile update without issues."""
    assert isinstance(operation, ProfileUpdate)
    assert operation.issues == ()
    assert operation.attributes == {}
    [event] = operation.events
    return event


def issues(operation: Any) -> list[tuple[str, str | None]]:
    assert isinstance(operation, (ProfileUpdate, Rejected))
    return [(issue.reason.code, issue.property) for issue in operation.issues]


@pytest.mark.parametrize(
    ("properties", "options", "record", "event"),
    [
        pytest.param({"event": TEXT}, {}, {"event": "Order Done"}, {"name": "order_done"}, id="name"),
        pytest.param({"event_name": TEXT}, {}, {"event_name": "a"}, {"name": "a"}, id="other-name"),
        pytest.param({"kind": TEXT}, {"event_property": "kind"}, {"kind": "B c"}, {"name": "b_c"},
                     id="event-property"),
        pytest.param({"event": TEXT}, {"event": "Fixed One"}, {"event": "x"},
                     {"name": "fixed_one", "attributes": {"event": "x"}}, id="fixed-name"),
        pytest.param({"p": TEXT}, {}, {"p": "x"}, {"name": "people", "attributes": {"p": "x"}},
                     id="name-of-the-stream"),
        pytest.param({"event": TEXT, "timestamp": MOMENT, "created_at": MOMENT}, {},
                     {"event": "a", "timestamp": "2023-11-14T22:00:00+00:00",
                      "created_at": "2020-01-01"},
                     {"name": "a", "time": "2023-11-14T22:00:00Z",
                      "attributes": {"date(created_at)": "2020-01-01T00:00:00Z"}},
                     id="first-usual-time"),
        pytest.param({"event": TEXT, "at": MOMENT}, {"time": "at"},
                     {"event": "a", "at": "2023-11-14 22:00"},
                     {"name": "a", "time": "2023-11-14T22:00:00Z"}, id="chosen-time"),
        pytest.param({"event": TEXT, "time": {"type": "integer"}}, {},
                     {"event": "a", "time": 1_699_999_999},
                     {"name": "a", "time": "2023-11-14T22:13:19Z"}, id="time-in-seconds"),
        pytest.param({"event": TEXT}, {}, {"event": "a"}, {"name": "a"}, id="no-time-in-the-schema"),
        pytest.param({}, {}, {"event": "a", "occurred_at": NOW, "created_at": "x"},
                     {"name": "a", "time": "2023-11-14T22:13:20Z", "attributes": {"created_at": "x"}},
                     id="no-schema"),
        pytest.param({"event": TEXT, "email": TEXT}, {}, {"event": "a", "email": "x"},
                     {"name": "a", "attributes": {"email": "x"}}, id="no-natives-in-events"),
        pytest.param({"event": TEXT, "p": TEXT}, {}, {"event": "a", "p": None, "q": ""},
                     {"name": "a"}, id="nulls-are-left-out"),
        pytest.param({"event": TEXT, "$label": TEXT, "$tags": ANY}, {},
                     {"event": "a", "$label": "l", "$tags": ["t", 1]},
                     {"name": "a", "attributes": {"$label": "l", "$tags": ["t", "1"]}},
                     id="label-and-tags"),
        pytest.param({"event": TEXT, "p": TEXT}, {"attributes": {"p": "$label", "event": "raw"}},
                     {"event": "A B", "p": "l"},
                     {"name": "a_b", "attributes": {"raw": "A B", "$label": "l"}}, id="mapping"),
        pytest.param({"event": TEXT, "cart": {"type": "object", "properties": {
                        "at": MOMENT, "total": {"type": "number"}}}}, {},
                     {"event": "a", "cart": {"at": "2024-01-02", "total": Decimal("9.90"), "N O": 1,
                                             "empty": {}, "nil": None}},
                     {"name": "a", "attributes": {"cart": {"date(at)": "2024-01-02T00:00:00Z",
                                                           "total": Decimal("9.90"), "n_o": 1}}},
                     id="object-by-its-schema"),
        pytest.param({"event": TEXT, "items": ANY}, {},
                     {"event": "a", "items": [{"a": {"b": {"c": 1}}}, None, {}]},
                     {"name": "a", "attributes": {"items": [{"a": {"b": {"c": 1}}}]}},
                     id="array-of-objects"),
        pytest.param({"event": TEXT, "items": ANY}, {}, {"event": "a", "items": [1, True, "x"]},
                     {"name": "a", "attributes": {"items": ["1", "true", "x"]}}, id="scalars"),
    ],
)  # fmt: skip
def test_a_record_becomes_one_event(
    plan_of: Callable[..., Plan], properties: Any, options: Any, record: Any, event: Any
) -> None:
    plan = plan_of("events", {"id": ANY, **properties} if properties else {}, options=options)
    assert sent(plan({"id": "u", **record}, NOW)) == event


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        pytest.param({"p": {"a": "x" * 301, "b": 1}}, ("value_too_long", "p.a"), id="inside"),
        pytest.param({"p": [{"a": "x" * 301, "b": 1}]}, ("value_too_long", "p.a"), id="in-array"),
        pytest.param({"p": {"b": 1, "c": {"d": {"e": {"f": 1}}}}}, ("too_deep", "p.c.d.e"), id="deep"),
        pytest.param({"p": {"b": 1, "c": {"d": {"e": ["x", {"f": 1}]}}}}, ("too_deep", "p.c.d.e"),
                     id="deep-array"),
        pytest.param({"p": {"b": 1, "c": {"d": {"e": [["x"]]}}}}, ("invalid_array", "p.c.d.e"),
                     id="deep-nested"),
        pytest.param({"p": {"b": 1, "c": {"d": {"e": ["x" * 301]}}}}, ("value_too_long", "p.c.d.e"),
                     id="deep-long"),
        pytest.param({"p": {"b": 1, "c": [[1]]}}, ("invalid_array", "p.c"), id="array-in-array"),
        pytest.param({"p": {"b": 1, "c": [{}, 1]}}, ("invalid_array", "p.c"), id="mixed-array"),
        pytest.param({"p": {"b": 1, "c": [{"x": 1}] * 26}}, ("too_many_items", "p.c"), id="26"),
        pytest.param({"p": {"b": 1, "---": 1}}, ("invalid_name", "p.---"), id="no-name"),
        pytest.param({"p": {"b": 1}, "$label": "x" * 201}, ("value_too_long", "$label"), id="label"),
        pytest.param({"p": {"b": 1}, "$tags": ["x"] * 11}, ("too_many_items", "$tags"), id="tags"),
        pytest.param({"p": {"b": 1}, "$tags": ["x" * 65]}, ("value_too_long", "$tags"), id="tag"),
        pytest.param({"p": {"b": 1}, "$tags": "x"}, ("schema_violation", "$tags"), id="no-array"),
    ],
)  # fmt: skip
def test_only_the_bad_attribute_of_an_event_is_rejected(
    plan_of: Callable[..., Plan], record: Any, expected: Any
) -> None:
    update = plan_of("events", {"id": ANY, "event": ANY})({"id": 1, "event": "a", **record}, NOW)
    assert issues(update) == [expected]
    assert isinstance(update, ProfileUpdate)
    kept = update.events[0]["attributes"]["p"]
    assert (kept[0] if isinstance(kept, list) else kept) == {"b": 1}


@pytest.mark.parametrize(
    ("record", "code", "bad"),
    [
        ({"event": None}, "missing_event_name", "event"),
        ({"event": ""}, "missing_event_name", "event"),
        ({"event": 7}, "invalid_event_name", "event"),
        ({"event": "---"}, "invalid_event_name", "event"),
        ({"event": "x" * 31}, "invalid_event_name", "event"),
        ({"event": "a", "time": None}, "missing_event_time", "time"),
        ({"event": "a", "time": "soon"}, "invalid_event_time", "time"),
        ({"event": "a", "time": NOW - 86_401}, "event_outside_window", "time"),
        ({"event": "a", "time": "  "}, "missing_event_time", "time"),
        ({"event": "a", "time": NOW + 10.5}, "event_outside_window", "time"),
        ({"event": "a", "time": NOW + 3600}, "event_outside_window", "time"),
        (
            {"event": "a", "time": NOW, "p": [{f"k{n}": "é" * 300 for n in range(4)}] * 25},
            "event_too_large",
            "id",
        ),
    ],
)
def test_a_bad_name_time_or_size_rejects_the_whole_event(
    plan_of: Callable[..., Plan], record: Any, code: str, bad: str
) -> None:
    plan = plan_of("events", {"id": ANY, "event": ANY, "time": ANY})
    rejected = plan({"id": 1, **record}, NOW)
    assert isinstance(rejected, Rejected)
    assert issues(rejected) == [(code, bad)]


@pytest.mark.parametrize("time", [NOW, NOW - 86_400, NOW - 1])
def test_the_window_of_24_hours_includes_its_bounds(plan_of: Callable[..., Plan], time: float) -> None:
    plan = plan_of("events", {"id": ANY, "event": ANY, "time": ANY})
    assert "time" in sent(plan({"id": 1, "event": "a", "time": time}, NOW))


@pytest.mark.parametrize("time", [NOW - 90_000, NOW + 15, "soon", None])
def test_late_events_as_now_are_sent_without_their_time(plan_of: Callable[..., Plan], time: Any) -> None:
    plan = plan_of("events", {"id": ANY, "event": ANY, "time": ANY}, late_events="now")
    assert sent(plan({"id": 1, "event": "a", "time": time}, NOW)) == {"name": "a"}


@pytest.mark.parametrize("ahead", [0.001, 3, 10])
def test_an_event_slightly_ahead_of_the_clock_gets_the_current_time(
    plan_of: Callable[..., Plan], ahead: float
) -> None:
    plan = plan_of("events", {"id": ANY, "event": ANY, "time": ANY})
    event = sent(plan({"id": 1, "event": "a", "time": NOW + 0.25 + ahead}, NOW + 0.25))
    assert event["time"] == "2023-11-14T22:13:18.250000Z"


@pytest.mark.parametrize(
    "name",
    [
        "time", "TIME", "Timestamp", "eventTime", "Occurred At", "CREATED_AT", "createdAt", "createdat", "ts",
        "TS",         "event_ts", "EVENT_TIMESTAMP", "date", "Event Date", "sent_at", "receivedAt", "at",
    ],
)  # fmt: skip
def test_the_time_is_recognised_by_its_usual_names(plan_of: Callable[..., Plan], name: str) -> None:
    plan = plan_of("events", {"id": ANY, "event": ANY, name: ANY}, late_events="reject")
    assert sent(plan({"id": 1, "event": "a", name: NOW}, NOW)) == {
        "name": "a",
        "time": "2023-11-14T22:13:20Z",
    }
    without = plan_of("events", {}, late_events="reject")
    assert sent(without({"id": 1, "event": "a", name: NOW}, NOW))["time"] == "2023-11-14T22:13:20Z"


def test_of_several_times_the_first_of_the_documented_list_is_used(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("events", {"id": ANY, "event": ANY, "date": ANY, "ts": ANY, "CREATED_AT": ANY})
    update = plan({"id": 1, "event": "a", "date": NOW - 3, "ts": NOW - 2, "CREATED_AT": NOW}, NOW)
    assert sent(update)["time"] == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    "value", [1_699_999_999, 1_699_999_999_000, 1_699_999_999_000_000, 1_699_999_999 * 10**9]
)
def test_times_may_be_seconds_milliseconds_microseconds_or_nanoseconds(
    plan_of: Callable[..., Plan], value: int
) -> None:
    plan = plan_of("events", {"id": ANY, "event": ANY, "ts": ANY})
    assert sent(plan({"id": 1, "event": "a", "ts": value}, NOW))["time"] == "2023-11-14T22:13:19Z"


def test_a_schema_without_a_known_time_is_refused(plan_of: Callable[..., Plan]) -> None:
    properties = {"id": ANY, "event": ANY, "moment": ANY, "\ufeffday": ANY}
    with pytest.raises(ConfigurationError) as stopped:
        plan_of("events", properties, late_events="reject")
    assert "`streams.people.time` to one of: `moment`, `\\ufeffday`" in str(stopped.value)
    plan = plan_of("events", properties, late_events="now")
    assert sent(plan({"id": 1, "event": "a", "moment": "x"}, NOW)) == {
        "name": "a",
        "attributes": {"moment": "x"},
    }


def test_without_a_schema_an_event_without_time_is_rejected(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("events", {}, late_events="reject")
    rejected = plan({"id": 1, "event": "a", "moment": "x"}, NOW)
    assert isinstance(rejected, Rejected)
    assert issues(rejected) == [("missing_event_time", "time")]


@pytest.mark.parametrize("name", ["event", "EVENT", "eventName", "Event Name"])
def test_the_event_name_is_recognised_by_its_usual_names(plan_of: Callable[..., Plan], name: str) -> None:
    for properties in ({"id": ANY, name: ANY, "ts": ANY}, {}):
        plan = plan_of("events", properties, late_events="reject")
        assert sent(plan({"id": 1, name: "Signed Up", "ts": NOW}, NOW))["name"] == "signed_up"


@pytest.mark.parametrize("text", ["a\nb", "a\r", "\u2028a", "  ", "\t", "a\x0bb", "a\x85"])
@pytest.mark.parametrize("schema", [ANY, {"type": "string"}, {"type": ["string", "integer", "null"]}])
def test_texts_of_events_with_line_breaks_or_only_blanks_are_rejected(
    plan_of: Callable[..., Plan], text: str, schema: dict[str, Any]
) -> None:
    properties = {"id": ANY, "event": ANY, "p": schema, "list": ANY, "o": ANY, "$label": ANY, "$tags": ANY}
    record = {"p": text, "list": ["x", text], "o": {"q": [{"r": text}]}, "$label": text, "$tags": [text]}
    update = plan_of("events", properties)({"id": 1, "event": "a", **record, "kept": "x"}, NOW)
    assert isinstance(update, ProfileUpdate)
    assert update.events[0]["attributes"] == {"kept": "x"}
    found = {name: code for code, name in issues(update)}
    assert found == dict.fromkeys(("p", "list", "o.q.r", "$label", "$tags"), "invalid_text")


def test_label_and_tags_do_not_count_as_attributes(plan_of: Callable[..., Plan]) -> None:
    names = {f"p{n:02}": n for n in range(20)}
    plan = plan_of(
        "events", {"id": ANY, "event": ANY, **dict.fromkeys(names, ANY), "$label": ANY, "$tags": ANY}
    )
    assert not [note for note in plan.notes if "surplus" in note]
    update = plan({"id": 1, "event": "a", **names, "$label": "l", "$tags": ["t"]}, NOW)
    assert issues(update) == []
    assert len(sent(update)["attributes"]) == 22


def test_objects_may_have_three_levels_below_the_attributes(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("events", {"id": ANY, "event": ANY, "a": ANY})
    deepest = {"b": {"c": {"d": 1}}}
    assert sent(plan({"id": 1, "event": "a", "a": deepest}, NOW))["attributes"] == {"a": deepest}
    texts = {"b": {"c": {"d": ["x", "y"], "e": [1, None, True]}}}
    update = plan({"id": 1, "event": "a", "a": texts}, NOW)
    assert sent(update)["attributes"] == {"a": {"b": {"c": {"d": ["x", "y"], "e": ["1", "true"]}}}}
    update = plan({"id": 1, "event": "a", "a": {"b": {"c": {"d": {"e": 1}, "f": 1}}}}, NOW)
    assert isinstance(update, ProfileUpdate)
    assert update.events[0]["attributes"] == {"a": {"b": {"c": {"f": 1}}}}
    assert issues(update) == [("too_deep", "a.b.c.d")]


def test_twenty_one_attributes_are_one_too_many(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("events", {"id": ANY, "event": ANY, **{f"p{n:02}": ANY for n in range(21)}})
    assert "`p20`" in plan.notes[-2]
    update = plan({"id": 1, "event": "a", **{f"p{n:02}": n for n in range(21)}}, NOW)
    assert issues(update) == [("too_many_attributes", "p20")]


def test_a_record_deleted_at_the_source_is_not_sent(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("events", {"id": ANY})
    assert plan({"id": 1, "_sdc_deleted_at": "x"}, NOW) == Ignored("deleted_at_source")


def test_missing_names_and_times_are_reported_at_the_schema(plan_of: Callable[..., Plan]) -> None:
    notes = plan_of("events", {"id": ANY}).notes
    assert "named `people` after the stream" in notes[0]
    assert "Set the stream's `time`" in notes[1]


def test_a_type_that_json_schema_does_not_have_restricts_nothing(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("events", {"id": TEXT, "time": MOMENT, "p": {"type": "date"}})
    event = sent(plan({"id": "u1", "time": "2023-11-14T22:13:20Z", "p": "soon"}, NOW))
    assert event["attributes"] == {"p": "soon"}


@pytest.mark.parametrize("name", ["_sdc_extracted_at", "_SDC_EXTRACTED_AT", "_batch_reject"])
def test_an_event_keeps_its_identity_when_bookkeeping_changes(
    plan_of: Callable[..., Plan], name: str
) -> None:
    """Without key properties the whole record identifies the event, except for what the pipeline added."""
    plan = plan_of("events", {"id": TEXT, "time": MOMENT, "p": TEXT, name: TEXT})
    records = [{"id": "u1", "time": "2023-11-14T22:13:20Z", "p": "a", name: read} for read in ("x", "y")]
    first, second = (plan.event_identity(plan(one, NOW), one, ["id"]) for one in records)  # type: ignore[arg-type]
    assert first == second
    other = records[0] | {"p": "b"}
    assert plan.event_identity(plan(other, NOW), other, ["id"]) != first  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"event": "---"}, {"attributes": {"p": "$email_address"}}])
def test_options_with_invalid_names_are_refused(plan_of: Callable[..., Plan], options: Any) -> None:
    with pytest.raises(ConfigurationError, match="people"):
        plan_of("events", {"id": ANY, "p": ANY}, options=options)
