"""The SDK's warning about an old Python is recognised, so that it does not open every night's log."""

from __future__ import annotations

import re
from datetime import date

import pytest

from target_batch.cli import END_OF_LIFE

compat = pytest.importorskip("singer_sdk.helpers._compat", reason="the SDK has moved its warnings")


@pytest.mark.parametrize("today", ["2026-11-27", "2026-09-01"])
def test_the_text_of_the_warning_is_known(today: str, recwarn: pytest.WarningsRecorder) -> None:
    compat.warn_python_eol(date.fromisoformat(today), (3, 10))
    assert [bool(re.match(END_OF_LIFE, str(found.message))) for found in recwarn] == [True]
