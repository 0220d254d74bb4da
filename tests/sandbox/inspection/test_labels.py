"""The page has a label for every internal name of the local Batch."""

import re

import pytest

from target_batch.sandbox.app import STATIC
from target_batch.sandbox.faults.script import KINDS
from target_batch.sandbox.handlers import HANDLERS
from target_batch.sandbox.rules.natives import NATIVES

LABELS = (STATIC / "labels.js").read_text(encoding="utf-8")


def named(constant: str) -> set[str]:
    """Return the names for which a constant of `labels.js` has a label."""
    block = LABELS.partition(f"const {constant} = {{")[2].partition("};")[0]
    return {
        quoted or plain for quoted, plain in re.findall(r'^ *(?:"([^"]+)"|([\w$]+)):', block, re.MULTILINE)
    }


@pytest.mark.parametrize(
    ("constant", "names"), [("CALLS", set(HANDLERS)), ("FAULTS", set(KINDS)), ("NATIVES", set(NATIVES))]
)
def test_every_internal_name_has_a_label(constant: str, names: set[str]) -> None:
    assert names <= named(constant)
