"""Whole tables: as BATCH files, as RECORD messages, and as a mirror of an audience."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import holding
import pytest
from taps import FULL_TABLE, Tap
from target_process import config_file, finished

if TYPE_CHECKING:
    from pathlib import Path

    from crm import Source
    from local_batch import LocalBatch

pytestmark = [pytest.mark.taps, pytest.mark.timeout(180)]

SETTINGS: dict[str, Any] = {
    "custom_id": "USER_ID",
    "default_country": "FR",
    "streams": {"crm-purchases": {"kind": "events", "event": "purchase", "time": "occurred_at"}},
}
MIRROR = {"kind": "audiences", "mode": "mirror", "audience": "subscribers"}
ROWS = 10_001
"""Rows of the mirrored table: taps of the SDK write a STATE every 10,000, and none at the end."""


def meltanolabs(source: Source, folder: Path, **config: Any) -> Tap:
    config = {"sqlalchemy_url": source.url, "filter_schemas": ["crm"], **config}
    return Tap("meltanolabs-tap-postgres", "tap-postgres", folder, config)


def pipelinewise(source: Source, folder: Path) -> Tap:
    login = {"host": source.socket, "port": 5432, "user": "postgres", "password": "x", "dbname": "postgres"}
    return Tap("pipelinewise-tap-postgres", "tap-postgres", folder, {**login, "filter_schemas": "crm"})


def agree(batch: LocalBatch, source: Source) -> None:
    expected = {who: holding.comparable(row) for who, row in source.profiles().items()}
    assert holding.profiles(batch) == expected
    assert holding.events(batch) == [holding.comparable(row) for row in source.events()]


def test_whole_tables_are_loaded_from_batch_files(source: Source, batch: LocalBatch, tmp_path: Path) -> None:
    files = tmp_path / "batch files"
    files.mkdir()
    encoding = {"format": "jsonl", "compression": "gzip"}
    tap = meltanolabs(
        source, tmp_path, batch_config={"encoding": encoding, "storage": {"root": files.as_uri()}}
    )
    tap.select({"crm-Customers": FULL_TABLE, "crm-purchases": FULL_TABLE})
    messages = tap.read()
    assert messages.count(b'{"type":"BATCH"') == 2
    ended = finished(config_file(tmp_path, batch.url, **SETTINGS), messages)
    assert ended.code == 0, ended.log
    agree(batch, source)


def test_whole_tables_are_loaded_twice(source: Source, batch: LocalBatch, tmp_path: Path) -> None:
    """Values that are removed from a row of the database are removed from the profile."""
    tap = pipelinewise(source, tmp_path)
    tap.select({"crm-Customers": FULL_TABLE, "crm-purchases": FULL_TABLE})
    config = config_file(tmp_path, batch.url, **SETTINGS, skip_unchanged=True)
    first = finished(config, tap.read())
    assert first.code == 0, first.log
    agree(batch, source)
    source.change()
    again = finished(config, tap.read())
    assert again.code == 0, again.log
    agree(batch, source)
    assert again.totals("crm-Customers")["unchanged"] > 0


@pytest.fixture
def subscribers(source: Source, tmp_path: Path) -> bytes:
    """The output of a tap of the SDK for a table with more rows than it writes between two states."""
    tap = meltanolabs(source, tmp_path)
    tap.select({"crm-subscribers": FULL_TABLE})
    messages = tap.read()
    assert messages.count(b'{"type":"RECORD"') == ROWS
    return messages


def test_a_mirror_may_count_as_complete_at_the_end_of_the_input(
    batch: LocalBatch, tmp_path: Path, subscribers: bytes
) -> None:
    streams = {"crm-subscribers": {**MIRROR, "complete_at": "end_of_input"}}
    config = config_file(tmp_path, batch.url, custom_id="USER_ID", streams=streams)
    ended = finished(config, subscribers)
    assert ended.code == 0, ended.log
    found = batch.get("audiences")["audiences"]
    assert [(audience["name"], audience["members"]) for audience in found] == [("subscribers", ROWS)]


def test_an_incomplete_mirror_changes_nothing_and_the_log_names_the_option(
    batch: LocalBatch, tmp_path: Path, subscribers: bytes
) -> None:
    streams = {"crm-subscribers": MIRROR}
    ended = finished(config_file(tmp_path, batch.url, custom_id="USER_ID", streams=streams), subscribers)
    assert ended.code == 1
    assert "complete_at" in ended.log
    assert batch.get("audiences")["audiences"] == []
