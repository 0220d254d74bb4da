"""Batch's clock decides: a wrong local clock neither loses an event nor sends one that is too old."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from singer import record, schema, state
from target_process import config_file, encoded, ended, start

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

TWO_HOURS = 7200
SHIFTED = """
import time
_true = time.time
time.time = lambda: _true() + {seconds}
"""


@pytest.mark.parametrize("seconds", [TWO_HOURS, -TWO_HOURS])
def test_events_are_judged_by_the_clock_of_batch(tmp_path: Path, batch: LocalBatch, seconds: int) -> None:
    """Events of the last day are sent, older and future ones are rejected, and one warning says why."""
    (tmp_path / "sitecustomize.py").write_text(SHIFTED.format(seconds=seconds))
    now = datetime.now(timezone.utc)
    hours = {"just": 0.02, "late": 22.9, "old": 25.1, "future": -1.5}
    times = {name: (now - timedelta(hours=age)).isoformat() for name, age in hours.items()}
    time_property = {"type": "string", "format": "date-time"}
    lines = [schema("events", {"user_id": {"type": "string"}, "event": {}, "time": time_property})]
    lines += [record("events", user_id=f"u-{name}", event=name, time=at) for name, at in times.items()]
    config = config_file(tmp_path, batch.url, streams={"events": {"event_property": "event"}})
    process = start(config, env={"PYTHONPATH": str(tmp_path)})
    found = ended(process, config, encoded([*lines, state({"seen": 4})]))
    assert found.code == 0, found.log
    assert found.totals("events")["delivered"] == 2
    assert found.codes() == ["event_outside_window"] * 2
    assert {entry["id"] for entry in batch.get("profiles?limit=10")["profiles"]} == {"u-just", "u-late"}
    side = "ahead of" if seconds > 0 else "behind"
    assert found.log.count(f"{side} Batch's. Batch's time decides") == 1


def test_a_right_clock_causes_no_warning(tmp_path: Path, batch: LocalBatch) -> None:
    now = datetime.now(timezone.utc).isoformat()
    lines = [schema("events", {"user_id": {"type": "string"}, "event": {}, "time": {"type": "string"}})]
    lines += [record("events", user_id="u1", event="seen", time=now), state({"seen": 1})]
    config = config_file(tmp_path, batch.url, streams={"events": {"event_property": "event"}})
    process = start(config)
    found = ended(process, config, encoded(lines))
    assert found.code == 0, found.log
    assert found.totals("events")["delivered"] == 1
    assert "clock" not in found.log
