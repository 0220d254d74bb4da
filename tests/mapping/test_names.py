"""Names of properties are turned into names that Batch accepts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_batch.mapping.names import (
    base_name,
    is_name,
    segment_event_name,
    segment_name,
    snake_case,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accountType", "account_type"),
        ("E-mail perso", "e_mail_perso"),
        ("Prénom", "prenom"),
        ("HTTPStatus", "http_status"),
        ("userID", "user_id"),
        ("already_fine", "already_fine"),
        ("a__b", "a__b"),
        ("_private", "_private"),
        ("address.city", "address_city"),
        ("東京", "dong_jing"),
        ("Straße", "strasse"),
        ("---", ""),
        ("", ""),
    ],
)
def test_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("firstName", "firstname"),
        ("Foo-Bar baz", "foobarbaz"),
        ("first_name", "first_name"),
        ("éà", "ea"),
        ("a" * 40 + "-", "a" * 40),
    ],
)
def test_attribute_names_equal_those_of_segment_if_they_are_valid(name: str, expected: str) -> None:
    assert segment_name(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("User Registered", "user_registered"),
        ("Achat terminé !", "achat_termin___"),
        ("!", "_"),
    ],
)
def test_event_names_equal_those_of_segment(name: str, expected: str) -> None:
    assert segment_event_name(name) == expected


@pytest.mark.parametrize(
    ("attribute", "name"),
    [("x", "x"), ("date(x)", "x"), ("url(x)", "x"), ("$region", "$region"), ("dates(x)", "dates(x)")],
)
def test_the_bare_name_of_an_attribute(attribute: str, name: str) -> None:
    assert base_name(attribute) == name


@given(st.text())
def test_a_name_is_always_valid_or_empty_or_too_long(name: str) -> None:
    for rule in (snake_case, segment_name, segment_event_name):
        made = rule(name)
        assert is_name(made) or made == "" or (len(made) > 30 and is_name(made[:30]))
        assert rule(name) == made
