"""A wrong stream map is a wrong setting: exit code 2, and the setting's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer import users
from target_process import run

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch


@pytest.mark.parametrize(
    "maps",
    [{"users": {"x": "((("}}, {"users": "nonsense"}, {"__else__": "nonsense"}],
    ids=["syntax", "text", "else"],
)
def test_a_wrong_stream_map_is_a_wrong_setting(
    tmp_path: Path, batch: LocalBatch, maps: dict[str, Any]
) -> None:
    ended = run(tmp_path, batch.url, users(1, 2), stream_maps=maps)
    assert ended.code == 2
    assert "`stream_maps`" in ended.log
    assert "Traceback" not in ended.log
    assert batch.summary()["requests"]["total"] == 0
