"""Dates in every spelling of taps become RFC 3339 in UTC, and other values are refused."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_batch.mapping.dates import instant, looks_like_a_date, seconds_since_epoch, utc
from target_batch.mapping.values import InvalidValue


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05z", "2024-01-02T03:04:05Z"),
        ("2024-01-02t03:04:05Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02 03:04:05", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04", "2024-01-02T03:04:00Z"),
        ("2024-01-02T03:04Z", "2024-01-02T03:04:00Z"),
        ("2024-01-02T03:04:05+00:00", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05+02:00", "2024-01-02T01:04:05Z"),
        ("2024-01-02T03:04:05+0200", "2024-01-02T01:04:05Z"),
        ("2024-01-02 03:04:05+02", "2024-01-02T01:04:05Z"),
        ("2024-01-02 03:04:05 +0200", "2024-01-02T01:04:05Z"),
        ("2024-01-02 03:04:05 UTC", "2024-01-02T03:04:05Z"),
        ("2024-01-01T23:00:00-02:30", "2024-01-02T01:30:00Z"),
        ("2024-01-02T03:04:05.1Z", "2024-01-02T03:04:05.100000Z"),
        ("2024-01-02T03:04:05.123456Z", "2024-01-02T03:04:05.123456Z"),
        ("2024-01-02T03:04:05.123456789Z", "2024-01-02T03:04:05.123457Z"),
        ("2024-01-02T03:04:05.000Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05,5+01:00", "2024-01-02T02:04:05.500000Z"),
        ("2024-01-02", "2024-01-02T00:00:00Z"),
        ("20240102", "2024-01-02T00:00:00Z"),
        ("20240102T030405Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02T24:00:00Z", "2024-01-03T00:00:00Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        (" 2024-02-29 ", "2024-02-29T00:00:00Z"),
        ("0099-01-01", "0099-01-01T00:00:00Z"),
        ("2024-01-02T03:04:05,123456Z", "2024-01-02T03:04:05.123456Z"),
        ("", None),
        ("  ", None),
        (date(2024, 1, 2), "2024-01-02T00:00:00Z"),
        (datetime(2024, 1, 2, 3, 4, tzinfo=timezone.utc), "2024-01-02T03:04:00Z"),
    ],
)
def test_every_spelling_of_a_date_is_understood(spelling: Any, canonical: str | None) -> None:
    assert utc(spelling) == canonical


@pytest.mark.parametrize(
    "spelling",
    [
        "2024-W01-1T00:00:00Z", "2024-W01-1", "2024-001T00:00:00.00Z",
        "2024-02-30", "2023-02-29", "2024-13-01", "2024-00-01", "0000-01-01", "2024-01-02T25:00:00Z",
        "2024-01-02T24:00:01Z", "2024-01-02T03:60:00Z", "2024-01-02T03:04:61Z",
        "2024-01-02T03:04:05+24:00", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00",
        "2024-1-2", "02/01/2024", "infinity", "soon", "٢٠٢٤-01-02", "2024-01-02T03:04:05Z\n2",
        1700000000, True, None, ["2024-01-02"],
    ],
)  # fmt: skip
def test_a_value_that_is_not_a_date_of_the_calendar_is_refused(spelling: Any) -> None:
    with pytest.raises(InvalidValue) as refusal:
        utc(spelling)
    assert refusal.value.reason.code == "invalid_date"


@given(st.datetimes(timezones=st.timezones() | st.just(timezone.utc)))
@example(datetime(1912, 1, 1, tzinfo=ZoneInfo("Africa/Abidjan")))
def test_conversion_to_utc_keeps_the_instant(moment: datetime) -> None:
    """Local mean times, used before time zones, have offsets with seconds."""
    text = moment.isoformat()
    try:
        canonical = utc(text)
    except InvalidValue:
        assert moment.year in {1, 9999}
        return
    assert canonical is not None
    expected = datetime.fromisoformat(text).astimezone(timezone.utc)
    assert datetime.fromisoformat(canonical[:-1] + "+00:00") == expected


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        (1700000000, "2023-11-14T22:13:20Z"),
        (1700000000123, "2023-11-14T22:13:20.123000Z"),
        (Decimal("1700000000.5"), "2023-11-14T22:13:20.500000Z"),
        ("2023-11-14", "2023-11-14T00:00:00Z"),
    ],
)
def test_the_time_of_a_record_may_be_a_number(value: Any, canonical: str) -> None:
    assert instant(value) == canonical


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, Decimal("1e999"), "x", {}])
def test_a_value_that_is_not_a_time_is_refused(value: Any) -> None:
    with pytest.raises(InvalidValue):
        instant(value)


def test_seconds_since_1970_with_fractions() -> None:
    assert seconds_since_epoch("1970-01-02T00:00:00Z") == 86400
    assert seconds_since_epoch("1970-01-01T00:00:01.25Z") == 1.25


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2024-01-02", True), ("2024-01-02T03:04:05Z", True), ("2024-02-30T00:00Z", True),
     ("2024-01-02T03:04:05.1+02:00", True), ("20240102", False), ("2024", False),
     ("2024-01-02 03:04", False), ("2024-01-02x", False)],
)  # fmt: skip
def test_which_texts_look_like_a_date(text: str, expected: Any) -> None:
    assert looks_like_a_date(text) is expected
