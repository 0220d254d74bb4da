"""Three nights of an incremental load: after each, Batch holds what the database says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import holding
import pytest
from taps import Replication, Tap
from target_process import Ended, config_file, finished

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crm import Source
    from local_batch import LocalBatch

pytestmark = [pytest.mark.taps, pytest.mark.timeout(180)]

SETTINGS: dict[str, Any] = {
    "custom_id": "USER_ID",
    "default_country": "FR",
    "skip_unchanged": True,
    "streams": {
        "crm-purchases": {"kind": "events", "event": "purchase", "time": "occurred_at"},
        "crm-cohort_members": {"audience_property": "COHORT", "action_property": "ACTION"},
    },
}
STREAMS = {
    "crm-Customers": Replication("INCREMENTAL", "updatedAt"),
    "crm-purchases": Replication("INCREMENTAL", "ORDER_ID"),
    "crm-cohort_members": Replication("INCREMENTAL", "change_id"),
}
COHORTS = {"VIP Paris": "VIP_Paris", "lapsed": "lapsed"}
"""The cohorts of the table, and the audiences they become."""


def meltanolabs(source: Source, folder: Path) -> Tap:
    config = {"sqlalchemy_url": source.url, "filter_schemas": ["crm"]}
    return Tap("meltanolabs-tap-postgres", "tap-postgres", folder, config)


def pipelinewise(source: Source, folder: Path) -> Tap:
    login = {"host": source.socket, "port": 5432, "user": "postgres", "password": "x", "dbname": "postgres"}
    config = {**login, "filter_schemas": "crm"}
    return Tap("pipelinewise-tap-postgres", "tap-postgres", folder, config)


def agree(batch: LocalBatch, source: Source) -> None:
    """Compare everything that Batch holds with the database."""
    expected = {who: holding.comparable(row) for who, row in source.profiles().items()}
    assert holding.profiles(batch) == expected
    for cohort, audience in COHORTS.items():
        assert batch.audience(audience) == source.members(cohort)
    assert holding.events(batch) == [holding.comparable(row) for row in source.events()]


@pytest.mark.parametrize("make", [meltanolabs, pipelinewise])
def test_each_night_batch_holds_what_the_database_says(
    source: Source, batch: LocalBatch, tmp_path: Path, make: Callable[[Source, Path], Tap]
) -> None:
    """A tap reads the rows at its bookmarks once more, and no others."""
    tap = make(source, tmp_path)
    tap.select(STREAMS)
    config = config_file(tmp_path, batch.url, **SETTINGS)

    first = loaded(config, tap.read())
    agree(batch, source)
    assert first.totals("crm-Customers")["read"] == len(source.profiles())
    late = {row["ORDER_ID"] for row in first.rejects("crm-purchases")}
    assert late == {row["order_id"] for row in source.events(recent=False)}
    assert set(first.codes("crm-purchases")) == {"event_outside_window"}
    assert set(first.codes("crm-Customers")) == {"object_not_allowed"}

    state = first.states[-1]
    for _ in range(2):
        source.change()
        again = loaded(config, tap.read(state))
        agree(batch, source)
        assert again.totals("crm-Customers")["read"] < len(source.profiles()) / 2
        assert again.totals("crm-purchases")["delivered"] in {5, 6}
        state = again.states[-1]


def loaded(config: Path, messages: bytes) -> Ended:
    """Load the output of a tap."""
    ended = finished(config, messages)
    assert ended.code == 0, ended.log
    return ended
