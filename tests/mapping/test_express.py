"""The express way gives what the careful way gives, of valid records only, or nothing at all."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from target_batch.common.operations import Ignored, ProfileUpdate, by_name
from target_batch.mapping.express import SURPRISES, Express
from target_batch.mapping.filling import fill
from target_batch.mapping.identity import Identity
from target_batch.singer.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.mapping import Plan

TEXT = {"type": ["null", "string"]}
USER = {
    "id": {}, "first": TEXT, "lastName": TEXT, "email": TEXT, "phone": TEXT, "locale": TEXT,
    "signup": {"type": ["string", "null"], "format": "date-time"}, "n": {"type": "integer"},
    "amount": {"type": "number"}, "vip": {"type": "boolean"}, "tags": {"type": "array"},
    "site": {"type": "string", "format": "uri"}, "email_marketing": {}, "free": {}, "a b": TEXT,
    "a_b": TEXT,
}  # fmt: skip
DATES = st.datetimes().map(lambda moment: moment.isoformat() + "Z") | st.sampled_from(
    ["2024-01-02", "2024-02-30T00:00:00Z", "2024-01-02 03:04:05Z", "2024-01-02T03:04:05+00:00",
     "2024-01-02T03:04:05.1234567Z", "2024-01-02t03:04:05z", "2024-01-02T03:04:05Z "]
)  # fmt: skip
ANYTHING = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text(max_size=5)
    | st.sampled_from(["", "x" * 300, "x" * 301, "a@b.co", "+33612345678", "fr-FR", Decimal(7)])
    | st.lists(st.text(max_size=3) | st.none() | st.integers(), max_size=27) | DATES
    | st.sampled_from([[["a"]], [{"a": 1}]]) | st.just({"$add": ["a"]}) | st.just({"$remove": []})
)  # fmt: skip


SIMPLE = st.sampled_from([
    {}, TEXT, {"type": "string"}, {"type": "integer"}, {"type": ["integer", "null"]}, {"type": "number"},
    {"type": ["null", "number"]}, {"type": "boolean"}, {"type": "array"}, {"type": "object"},
    {"type": ["array", "null"], "items": {"type": "string"}}, {"type": "array", "items": {"type": "integer"}},
    {"type": "array", "items": {"type": "number"}}, {"type": ["string", "integer"]},
    {"type": "string", "format": "date-time"}, {"type": ["string", "null"], "format": "date"},
    {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}, {"type": ["number", "string"]},
    {"oneOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string", "maxLength": 2},
    {"enum": ["", "x"]}, {"type": "string", "format": "singer.decimal"}, {"type": "string", "format": "uri"},
    {"type": "object", "properties": {"a": {"type": "string"}}}, {"type": "null"},
    {"type": ["object", "null"]}, {"type": "array", "items": {"type": "object"}},
    {"type": "array", "items": {"type": "null"}},
    {"type": ["array", "null"], "items": {"type": ["array", "null"], "items": {"type": "string"}}},
    {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "array", "items": TEXT}]},
    {"anyOf": [{"type": "object"}, {"type": "array"}, {"type": "null"}]}, {"const": "x"}, True,
    {"allOf": [{"type": "string"}]}, {"not": {"type": "string"}},
])  # fmt: skip
NAMES = ("a", "b", "email", "phone", "locale", "email_marketing", "_sdc_batched_at")
QUIET = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
encode = msgspec.json.Encoder(decimal_format="number").encode


def express_of(plan: Plan, schema: dict[str, Any]) -> Express:
    return Express(plan.columns, schema, Identity("id", schema.get("properties") or {}), "_sdc_deleted_at")


@QUIET
@given(
    record=st.dictionaries(st.sampled_from([*USER, "unknown"]), ANYTHING),
    nulls=st.sampled_from(["delete", "skip"]),
    loosened=st.lists(st.dictionaries(st.sampled_from(list(USER)), ANYTHING), max_size=3),
)
def test_both_ways_give_the_same(
    plan_of: Callable[..., Plan], record: Any, nulls: str, loosened: Any
) -> None:
    columns = (plan := plan_of("profiles", USER, nulls=nulls)).columns
    express = express_of(plan, {"properties": USER})
    for other in loosened:
        express.learn({**other, "id": "u"})
    careful: dict[str, Any] = {}
    record["id"] = "u"
    faults = fill(columns, record, careful)
    found = express.attempt(record)
    if found is not None:
        assert faults == []
        assert found.custom_id == "u"
        attributes = by_name(found.attributes)
        assert repr(sorted(attributes.items())) == repr(sorted(careful.items()))


@QUIET
@given(
    properties=st.dictionaries(st.sampled_from(NAMES), SIMPLE),
    identity=SIMPLE,
    beside=st.fixed_dictionaries(
        {
            "required": st.lists(st.sampled_from(("id", *NAMES)), max_size=2, unique=True),
            "additionalProperties": st.sampled_from([True, False, {}, TEXT, {"type": "integer"}]),
        }
    ),
    record=st.dictionaries(st.sampled_from(NAMES), ANYTHING),
    custom_id=st.sampled_from(["u", 7, 7.0, None, True]),
    loosened=st.lists(st.dictionaries(st.sampled_from(NAMES), ANYTHING), max_size=2),
)
def test_what_can_be_read_at_once_is_valid_and_maps_the_same(
    plan_of: Callable[..., Plan],
    properties: Any,
    identity: Any,
    beside: Any,
    record: Any,
    custom_id: Any,
    loosened: Any,
) -> None:
    properties = {"id": identity, **properties}
    schema = {"type": "object", "properties": properties, **beside}
    express = express_of(plan_of("profiles", properties), schema)
    for other in loosened:
        express.learn({"id": "u", **other})
    layout = express.layout
    assume(layout is not None and layout.vouches)
    assert layout is not None
    try:
        line = encode({"id": custom_id, **record})
        update = layout.update(msgspec.json.decode(line, type=layout.record))
    except SURPRISES:
        return
    decoded = msgspec.json.Decoder(float_hook=Decimal).decode(line)
    assert Validator("people", schema).faults(decoded) == ()
    plain = plan_of("profiles", properties, validate_records=False)
    careful: dict[str, Any] = {}
    assert fill(plain.columns, decoded, careful) == []
    assert update.custom_id == plain.custom_id.of(decoded)
    assert encode(dict(sorted(by_name(update.attributes).items()))) == encode(dict(sorted(careful.items())))


@pytest.mark.parametrize(
    "surprise",
    [{"signup": "2024-01-02"}, {"n": Decimal(7)}, {"first": ""}, {"tags": [1]}, {"unknown": 1}],
    ids=lambda surprise: next(iter(surprise)),
)
def test_a_surprise_that_is_no_fault_is_learned(
    plan_of: Callable[..., Plan], surprise: dict[str, Any]
) -> None:
    columns = (plan := plan_of("profiles", USER)).columns
    express = express_of(plan, {"properties": USER})
    record = {"id": "u", **surprise}
    assert express.attempt(record) is None
    careful: dict[str, Any] = {}
    assert fill(columns, record, careful) == []
    learned = express.learn(record)
    assert learned is not None
    assert by_name(learned.attributes) == careful
    assert express.attempt(record) == learned


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ({"type": "array", "items": {"type": "object"}}, ["a"]),
        ({"type": "array", "items": {"type": "array", "items": TEXT}}, ["a"]),
        ({"type": ["array", "null"], "items": {"type": "integer"}}, ["a"]),
        ({"type": "array", "items": {"type": "null"}}, None),
        ({"anyOf": [{"type": "array", "items": {"type": "null"}}, {"type": "string"}]}, None),
    ],
)  # fmt: skip
def test_what_an_array_holds_is_not_what_its_property_is(
    plan_of: Callable[..., Plan], said: dict[str, Any], value: Any
) -> None:
    layout = express_of(plan_of("profiles", {"p": said}), {"properties": {"p": said}}).layout
    assert layout is not None
    with pytest.raises(SURPRISES):
        layout.update(msgspec.convert({"id": "u", "p": value}, layout.record))


def test_a_mix_that_msgspec_cannot_read_goes_the_careful_way(plan_of: Callable[..., Plan]) -> None:
    """Two sorts of arrays in one property: the run must not end at such a SCHEMA."""
    arrays = [{"type": "array", "items": {"type": kind}} for kind in ("integer", "boolean")]
    properties = {"id": TEXT, "p": {"anyOf": arrays}, "_sdc_p": {"anyOf": arrays}}
    plan = plan_of("profiles", properties)
    assert plan.layout is None
    update = plan({"id": "u", "p": [True, False]}, 0)
    assert isinstance(update, ProfileUpdate)
    assert update.attributes == {"p": ["true", "false"]}


def test_a_record_deleted_at_the_source_updates_nothing_even_if_the_mark_is_mapped(
    plan_of: Callable[..., Plan],
) -> None:
    properties = {"id": TEXT, "_sdc_deleted_at": TEXT}
    plan = plan_of("profiles", properties, options={"attributes": {"_sdc_deleted_at": "date(gone)"}})
    assert plan.layout is None
    assert plan({"id": "u", "_sdc_deleted_at": "2024-01-02T03:04:05Z"}, 0) == Ignored("deleted_at_source")
    update = plan({"id": "u", "_sdc_deleted_at": None}, 0)
    assert isinstance(update, ProfileUpdate)
    assert update.attributes == {"date(gone)": None}


@pytest.mark.parametrize("properties", [{}, {"id": TEXT}], ids=["unannounced", "announced"])
def test_a_custom_id_that_is_mapped_is_sent_too(plan_of: Callable[..., Plan], properties: Any) -> None:
    plan = plan_of("profiles", properties, options={"attributes": {"id": "crm_id"}, "custom_id": "id"})
    for _ in range(2):
        update = plan({"id": "u"}, 0)
        assert isinstance(update, ProfileUpdate)
        assert (update.custom_id, update.attributes) == ("u", {"crm_id": "u"})


def test_it_gives_up_where_every_record_surprises(plan_of: Callable[..., Plan]) -> None:
    express = express_of(plan_of("profiles", {"id": {}}), {})
    for number in range(60):
        express.learn({"id": "u", f"p{number}": 1})
    assert express.attempt({"id": "u"}) is None


@pytest.mark.parametrize(
    ("schema", "vouches"),
    [
        ({"properties": {"p": TEXT}}, True),
        ({"properties": {"p": {**TEXT, "description": "free"}}, "additionalProperties": False}, True),
        ({"properties": {"p": {**TEXT, "inclusion": "available", "x-sql-datatype": "text"}}}, True),
        ({"properties": {"p": {"type": "number", "multipleOf": 0.01}}}, False),
        ({"properties": {"p": {"type": "string", "pattern": "x"}}}, False),
        ({"properties": {"p": {"$ref": "#/definitions/p"}}, "definitions": {"p": TEXT}}, False),
        ({"properties": {"p": TEXT}, "minProperties": 2}, False),
        ({"properties": {"p": TEXT}, "required": ["q"]}, False),
        ({"properties": {"p": TEXT}, "required": ["id"], "additionalProperties": False}, False),
        ({"properties": {"p": TEXT}, "additionalProperties": {"type": "integer"}}, False),
        ({"properties": {"p": TEXT}, "type": ["object", "null"]}, True),
        ({"properties": {"p": TEXT}, "type": "array"}, False),
    ],
)
def test_it_vouches_only_for_what_a_type_can_say(
    plan_of: Callable[..., Plan], schema: dict[str, Any], vouches: object
) -> None:
    layout = express_of(plan_of("profiles", schema["properties"]), schema).layout
    assert layout is not None
    assert layout.vouches is vouches
