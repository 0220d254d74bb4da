"""The express way gives what the careful way gives, or nothing at all."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target_batch.mapping.express import Express
from target_batch.mapping.filling import fill

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
    | st.just({"$add": ["a"]}) | st.just({"$remove": []})
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    record=st.dictionaries(st.sampled_from([*USER, "unknown"]), ANYTHING),
    nulls=st.sampled_from(["delete", "skip"]),
    loosened=st.lists(st.dictionaries(st.sampled_from(list(USER)), ANYTHING), max_size=3),
)
def test_both_ways_give_the_same(
    plan_of: Callable[..., Plan], record: Any, nulls: str, loosened: Any
) -> None:
    columns = plan_of("profiles", USER, nulls=nulls).columns
    express = Express(columns, keeps_nulls=nulls == "delete")
    for other in loosened:
        express.learn(other)
    careful: dict[str, Any] = {}
    faults = fill(columns, record, careful)
    found = express.attributes(record)
    if found is not None:
        assert faults == []
        assert repr(sorted(found.items())) == repr(sorted(careful.items()))


@pytest.mark.parametrize(
    "surprise",
    [{"signup": "2024-01-02"}, {"n": Decimal(7)}, {"first": ""}, {"tags": [1]}, {"unknown": 1}],
    ids=lambda surprise: next(iter(surprise)),
)
def test_a_surprise_that_is_no_fault_is_learned(
    plan_of: Callable[..., Plan], surprise: dict[str, Any]
) -> None:
    columns = plan_of("profiles", USER).columns
    express = Express(columns, keeps_nulls=True)
    record = {"id": "u", **surprise}
    assert express.attributes(record) is None
    careful: dict[str, Any] = {}
    assert fill(columns, record, careful) == []
    assert express.learn(record) == careful
    assert express.attributes(record) == careful


def test_it_gives_up_where_every_record_surprises(plan_of: Callable[..., Plan]) -> None:
    columns = plan_of("profiles", {"id": {}}).columns
    express = Express(columns, keeps_nulls=True)
    for number in range(60):
        express.learn({f"p{number}": 1})
    assert express.attributes({"id": "u"}) is None
