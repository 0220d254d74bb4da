"""The reason codes are unique, and each has advice."""

from __future__ import annotations

import re

import pytest

from target_batch.common.reasons import Reason


@pytest.mark.parametrize("reason", list(Reason), ids=lambda reason: reason.code)
def test_a_code_is_snake_case_and_has_advice(reason: Reason) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", reason.code)
    assert reason.code == reason.name.lower()
    assert reason.level in {"record", "attribute", "either", "ignored"}
    assert reason.advice.endswith(".")
    assert len(reason.advice) > 40


def test_codes_are_unique() -> None:
    codes = [reason.code for reason in Reason]
    assert len(codes) == len(set(codes))
