"""The IDs that are refused."""

import pytest

from target_batch.sandbox.rules.ids import FORBIDDEN, id_violation


@pytest.mark.parametrize("identifier", ["u1", " u 1 ", "U1", "null1", "x" * 512, "é😀", "0", " null"])
def test_an_id_is_accepted(identifier: str) -> None:
    assert id_violation(identifier) is None


@pytest.mark.parametrize(
    "identifier",
    ["", "  ", "\t", "x" * 513, "a\nb", "a\r", "a\u2028b", "\x85a", "NULL", "[Object object]"],
)
def test_an_id_is_refused(identifier: str) -> None:
    assert id_violation(identifier)


@pytest.mark.parametrize("word", sorted(FORBIDDEN))
def test_reserved_words_are_refused_in_any_case(word: str) -> None:
    assert id_violation(word)
    assert id_violation(word.upper())
    assert id_violation(word.title())
