"""Names and keys."""

import pytest

from target_batch.sandbox.rules.names import name_violation, split_key


@pytest.mark.parametrize("name", ["a", "0", "_", "first_name", "x" * 30])
def test_a_name_is_accepted(name: str) -> None:
    assert name_violation(name) is None


@pytest.mark.parametrize("name", ["", "A", "first name", "é", "a-b", "a.b", "x" * 31, "$a", "a\n", "\u0661"])
def test_a_name_is_refused(name: str) -> None:
    assert name_violation(name)


@pytest.mark.parametrize(
    ("key", "name", "kind"),
    [("a", "a", "plain"), ("date(a)", "a", "date"), ("url(a)", "a", "url")],
)
def test_a_key_is_taken_apart(key: str, name: str, kind: str) -> None:
    assert split_key(key) == (name, kind, None)


@pytest.mark.parametrize("key", ["date()", "date(A)", "Date(a)", "time(a)", "date(a", "url(date(a))"])
def test_a_key_is_refused(key: str) -> None:
    assert split_key(key).violation
