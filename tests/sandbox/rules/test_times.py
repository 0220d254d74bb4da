"""Dates and times."""

import pytest

from target_batch.sandbox.rules.times import (
    date_violation,
    is_outside_window,
    local_date_violation,
    parse_instant,
    time_violation,
)

NOON = 1_700_049_600.0
"""2023-11-15T12:00:00Z."""


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-29T23:59:59Z",
        "2016-12-31T23:59:60Z",
        "2024-01-01T00:00:00.1Z",
        "2024-01-01T00:00:00.123456789Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ],
)
def test_a_date_is_accepted(text: str) -> None:
    assert date_violation(text) is None
    assert time_violation(text) is None


@pytest.mark.parametrize(
    "value",
    [
        "2023-02-29T00:00:00Z",
        "2024-01-01",
        "2024-01-01 00:00:00Z",
        "2024-01-01T00:00:00",
        "2024-01-01T00:00Z",
        "2024-01-01T00:00:00z",
        "2024-01-01t00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:00.Z",
        "0000-01-01T00:00:00Z",
        "2024-01-01T00:00:00+00:00",
        "٢٠٢٤-01-01T00:00:00Z",
        1704067200,
        "",
    ],
)
def test_a_date_is_refused(value: object) -> None:
    assert date_violation(value)


def test_a_local_date_has_no_zone() -> None:
    assert local_date_violation("2012-08-12T22:30:05") is None
    for value in ("2012-08-12T22:30:05Z", "2012-08-12", "2012-13-12T22:30:05", 5, ""):
        assert local_date_violation(value)


@pytest.mark.parametrize("zone", ["Z", "+00:00", "-11:30", "+14:00"])
def test_the_time_of_an_event_may_have_an_offset(zone: str) -> None:
    assert time_violation(f"2024-01-01T00:00:00{zone}") is None


@pytest.mark.parametrize("zone", ["", "+0000", "+24:00", "+01:60", " UTC"])
def test_the_time_of_an_event_has_a_zone_that_exists(zone: str) -> None:
    assert time_violation(f"2024-01-01T00:00:00{zone}")


@pytest.mark.parametrize(
    ("text", "outside"),
    [
        ("2023-11-15T12:00:00Z", False),
        ("2023-11-15T12:00:00.001Z", True),
        ("2023-11-15T13:00:00Z", True),
        ("2023-11-15T13:00:00+01:00", False),
        ("2023-11-14T12:00:00Z", False),
        ("2023-11-14T11:59:59.999Z", True),
        ("0001-01-01T00:00:00+14:00", True),
        ("9999-12-31T23:59:59-14:00", True),
    ],
)
def test_the_window_of_an_event_is_the_last_24_hours(text: str, *, outside: bool) -> None:
    assert parse_instant(text)
    assert is_outside_window(text, NOON) is outside
