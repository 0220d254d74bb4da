"""Runs keep to the rate limit of their project, also if two runs share it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import figures
import pytest
from local_batch import LocalBatch
from singer import users
from target_process import config_file, encoded, ended, start
from verdict import Sent, judge

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.chaos

RATE, BURST = 300, 1000
EACH = 6000 if figures.FULL else 900
INPUTS = {"one": users(1, EACH, every=100), "two": users(EACH + 1, 2 * EACH, every=100)}
LINES = INPUTS["one"]


def test_one_run_keeps_to_the_documented_rate(tmp_path: Path) -> None:
    """A run with default settings never gets a 429."""
    with LocalBatch(tmp_path) as batch:
        config = config_file(tmp_path, batch.url, profile_endpoint="update")
        result = ended(start(config), config, encoded(users(1, EACH + 400)))
        assert result.code == 0
        assert batch.summary()["requests"]["by_endpoint"]["profiles/update"].keys() == {"202"}


def test_two_runs_share_a_quota_without_a_storm(tmp_path: Path) -> None:
    """Both succeed with few refused calls, in about the time that the limit requires."""
    with LocalBatch(tmp_path) as batch:
        begun = time.monotonic()
        runs = []
        for name, lines in INPUTS.items():
            (tmp_path / name).mkdir()
            config = config_file(tmp_path / name, batch.url, profile_endpoint="update")
            process = start(config)
            assert process.stdin is not None
            process.stdin.write(encoded(lines))
            process.stdin.flush()
            runs.append((process, config))
        results = [ended(process, config) for process, config in runs]
        seconds = time.monotonic() - begun
        assert [result.code for result in results] == [0, 0]
        answers = batch.summary()["requests"]["by_endpoint"]["profiles/update"]
        accepted, refused = answers["202"], answers.get("429", 0)
        needed = 2 * EACH / 200
        verdict = judge(Sent(LINES), results[0], batch.journal())
        figures.note("two runs, one quota", verdict, amplification=(accepted + refused) / needed)
        assert verdict.held == EACH
        assert batch.summary()["profiles"] == 2 * EACH
        assert verdict.duplicates == 0
        assert refused <= max(8, 0.25 * accepted)
        ideal = (2 * EACH - BURST) / RATE
        assert seconds <= 2.0 * ideal + 5
