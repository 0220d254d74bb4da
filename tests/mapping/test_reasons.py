"""Every reason has a code in snake case, a level and advice."""

from __future__ import annotations

import re

import pytest

from target_batch.common.reasons import Reason


@pytest.mark.parametrize("reason", list(Reason), ids=lambda reason: reason.code)
def test_a_code_is_snake_case_and_has_advice(reason: Reason) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", reason.code)
    assert reason.level in {"record", "attribute", "either", "ignored"}
    assert reason.advice.endswith(".")
    assert len(reason.advice) > 40
