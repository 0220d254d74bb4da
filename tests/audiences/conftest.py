"""Fixtures of the audience tests: a loader on a fast clock, and ledgers in SQLite and PostgreSQL."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import psycopg
import pytest

from demo.database import postgresql
from tests.audiences.cohorts import MIRROR, Loader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local_batch import LocalBatch

_numbers = count(1)


@pytest.fixture(scope="session")
def new_database() -> Iterator[Callable[[], str]]:
    """A PostgreSQL server for the session; each call makes an empty database and returns its URL."""
    with postgresql() as server:

        def make() -> str:
            name = f"ledger_{next(_numbers)}"
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}".encode())
            return server.url.replace("postgresql://", "postgresql+psycopg://").replace(
                "/postgres?", f"/{name}?"
            )

        yield make


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty ledger, once in SQLite and once in PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    make: Callable[[], str] = request.getfixturevalue("new_database")
    return make()


@pytest.fixture
def loader(batch: LocalBatch, tmp_path: Path) -> Iterator[Loader]:
    """A loader for the local Batch, whose settings are restored afterwards."""
    before = batch.get("settings")
    yield Loader(batch, tmp_path)
    batch.post("settings", before)


@pytest.fixture
def mirror(loader: Loader, ledger_url: str) -> Loader:
    """A loader that mirrors the stream `cohort` to the audience `vip`, with both kinds of ledger."""
    loader.settings = {"streams": {"cohort": MIRROR}, "ledger_url": ledger_url}
    return loader
