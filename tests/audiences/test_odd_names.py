"""Both kinds of ledger store names of streams and audiences that a database would not accept unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from singer import record, state

from tests.audiences.cohorts import DONE, MIRROR, head, numbered

if TYPE_CHECKING:
    from tests.audiences.cohorts import Loader


@pytest.mark.parametrize(
    "name", ["vi\0ps", "\0", "vips \ud83d\ude00", "'; DROP TABLE members; --", "x" * 600]
)
def test_the_ledger_keeps_a_mirror_of_an_odd_name(loader: Loader, ledger_url: str, name: str) -> None:
    """The second run sends only the differences, so the first one is stored under that name."""
    loader.settings = {"streams": {name: MIRROR}, "ledger_url": ledger_url}

    def lines(ids: list[str]) -> list[str]:
        return [head(name), *[record(name, user_id=who) for who in ids], state(DONE)]

    assert loader.run(lines(numbered(1, 20))).code == 0
    ended = loader.run(lines(numbered(2, 21)))
    assert ended.code == 0, ended.log
    assert loader.batch.audience("vip") == set(numbered(2, 21))
    (totals,) = ended.run["streams"].values()
    assert (totals["added"], totals["removed"], totals["unchanged"]) == (1, 1, 19)


@pytest.mark.parametrize("name", ["us\0ers", "x" * 600])
def test_the_ledger_keeps_the_profiles_of_a_stream_with_an_odd_name(
    loader: Loader, ledger_url: str, name: str
) -> None:
    options = {"streams": {name: {"kind": "profiles"}}, "skip_unchanged": True, "ledger_url": ledger_url}
    loader.settings = options
    lines = [head(name, "p"), record(name, user_id="u1", p="x"), state(DONE)]
    assert loader.run(lines).code == 0
    ended = loader.run(lines)
    assert ended.code == 0, ended.log
    (totals,) = ended.run["streams"].values()
    assert totals["unchanged"] == 1
