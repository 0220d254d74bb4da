"""Repeated rows: a tap reads the row at its bookmark twice, and two streams write one attribute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer import BOOLEAN, STRING, record, schema, state
from target_process import Ended, config_file, finished

from tests.field.test_defaults import ago

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

OPENED = {"user_id": STRING, "event": STRING, "time": STRING, "number": STRING}


def night(folder: Path, batch: LocalBatch, lines: list[str], **settings: Any) -> Ended:
    """Run once more over the same work folder and ledger."""
    return finished(config_file(folder, batch.url, skip_unchanged=True, **settings), lines)


@pytest.mark.parametrize("keys", [["number"], []], ids=["by its key", "by what it holds"])
def test_no_event_of_the_row_at_the_bookmark_is_sent_twice(
    tmp_path: Path, batch: LocalBatch, keys: list[str]
) -> None:
    """This also holds for the rows of a checkpoint that a run reads again after a crash."""
    times = {number: ago(600 - number) for number in range(1, 8)}

    def rows(*numbers: int) -> list[str]:
        made = [
            record("events", user_id=f"u{n}", event="bought", time=times[n], number=str(n)) for n in numbers
        ]
        return [schema("events", OPENED, keys), *made, state({"last": numbers[-1]})]

    assert night(tmp_path, batch, rows(1, 2, 3)).totals("events")["delivered"] == 3
    second = night(tmp_path, batch, rows(3, 4))
    assert (second.totals("events")["delivered"], second.totals("events")["unchanged"]) == (1, 1)
    third = night(tmp_path, batch, rows(1, 2, 3, 4, 5, 6, 7))
    assert (third.totals("events")["delivered"], third.totals("events")["unchanged"]) == (3, 4)
    assert [len(batch.profile(f"u{n}")["events"]) for n in range(1, 8)] == [1] * 7


def test_a_row_is_sent_again_if_a_cohort_has_overwritten_it(tmp_path: Path, batch: LocalBatch) -> None:
    """Every write to a profile counts, from any stream."""
    streams = {"vip_members": {"kind": "audiences", "as_attribute": True, "audience": "vip"}}
    user = [schema("users", {"user_id": STRING, "vip": BOOLEAN}), record("users", user_id="u1", vip=False)]
    member = [schema("vip_members", {"user_id": STRING}), record("vip_members", user_id="u1")]
    assert night(tmp_path, batch, [*user, state({"end": 1})], streams=streams).code == 0
    assert night(tmp_path, batch, [*user, state({"end": 2})]).totals("users")["unchanged"] == 1
    assert night(tmp_path, batch, [*member, state({"end": 3})], streams=streams).code == 0
    assert batch.attributes("u1") == {"vip": True}
    again = night(tmp_path, batch, [*user, state({"end": 4})])
    assert again.totals("users")["delivered"] == 1
    assert batch.attributes("u1") == {"vip": False}
