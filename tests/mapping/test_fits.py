"""A fast check accepts only values that the converter would not change; separators do not change a number."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import phonenumbers
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from target_batch.mapping.dates import as_sent
from target_batch.mapping.natives import email, is_e164, phone_reader, usual_email
from target_batch.mapping.values import InvalidValue, is_short, is_short_line, one_line, text

if TYPE_CHECKING:
    from collections.abc import Callable

BREAKS = "\n\r\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029"
LINES = st.text(st.sampled_from(f"a \t\xa0{BREAKS}\u200b\N{GRINNING FACE}"), max_size=6)
LENGTHS = st.sampled_from([0, 1, 298, 299, 300, 301])
LONG = st.builds(lambda start, length: start + "x" * (length - len(start)), LINES, LENGTHS)
MOMENTS = st.from_regex(r"[012]\d{3}-[01]\d-[0-3]\dT[012]\d:[0-6]\d:[0-6]\d(\.\d{5,7})?Z?", fullmatch=True)
TRUE_MOMENTS = st.datetimes().map(lambda moment: f"{moment.isoformat()}Z")
ADDRESSES = st.from_regex(r"[\w.+-]{1,66}@[a-zA-Z0-9.-]{1,33}[.][a-z]{1,33}", fullmatch=True)
DIGITS = st.from_regex(r"\+?[0-9]{5,17}", fullmatch=True)

CHECKS: dict[str, tuple[Callable[[str], Any], Callable[[str], Any], st.SearchStrategy[str], str]] = {
    "text": (is_short, text, LONG, "x" * 300),
    "line": (is_short_line, lambda value: one_line(str(text(value))), LONG, "Dubois-Lef\u00e8vre"),
    "moment": (
        as_sent,
        lambda value: f"{datetime.fromisoformat(value[:-1]).isoformat()}Z",
        MOMENTS | TRUE_MOMENTS,
        "2024-03-31T23:59:59.000001Z",
    ),
    "address": (usual_email, email, ADDRESSES, "ana.lopez+batch@example.com"),
}


@pytest.mark.parametrize("kind", CHECKS)
def test_a_usual_value_passes_the_fast_check(kind: str) -> None:
    fits, *_, usual = CHECKS[kind]
    assert fits(usual)
    assert not fits("")


@pytest.mark.parametrize("kind", CHECKS)
@given(data=st.data())
def test_the_converter_does_not_change_a_value_that_passes_the_fast_check(
    kind: str, data: st.DataObject
) -> None:
    fits, convert, values, _ = CHECKS[kind]
    value = data.draw(values)
    if fits(value):
        assert convert(value) == value


@pytest.mark.parametrize(
    "day", ["2023-02-29", "2024-02-30", "2024-04-31", "2024-13-01", "2024-00-10", "2024-01-00"]
)
def test_a_day_that_is_not_in_the_calendar_fails_the_fast_check(day: str) -> None:
    assert not as_sent(f"{day}T08:00:00Z")


def read(spelling: str, country: str | None) -> str | None:
    """Return the number in the form of the `phonenumbers` library, None if it is not possible."""
    try:
        number = phonenumbers.parse(spelling, country)
    except phonenumbers.NumberParseException:
        return None
    found = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return found if phonenumbers.is_possible_number(number) and is_e164(found) else None


@given(
    digits=DIGITS,
    country=st.sampled_from(["FR", "DE", "IT", "US", "GB", "BR", "MX", "AR", "AU", None]),
    marks=st.lists(st.tuples(st.integers(1, 17), st.sampled_from(" .-")), max_size=5),
)
def test_separators_between_digits_do_not_change_a_phone_number(
    digits: str, country: str | None, marks: list[tuple[int, str]]
) -> None:
    """The library gets only the digits, and returns the same number as for the whole text."""
    grouped = digits
    for position, mark in marks:
        grouped = f"{grouped[:position]}{mark}{grouped[position:]}"
    assume(not is_e164(grouped) and not re.fullmatch(r"[0-9]+\.0+", grouped.strip()))
    try:
        found = phone_reader(country)(grouped)
    except InvalidValue:
        found = None
    assert found == read(grouped.strip(), country)
