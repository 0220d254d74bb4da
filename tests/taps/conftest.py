"""A real PostgreSQL for the modules that read from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crm import Source

from demo.database import postgresql

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[Source]:
    """One server for a module."""
    with postgresql() as database:
        yield Source(database.url, database._connection)  # noqa: SLF001 - the demo has no use for it outside


@pytest.fixture
def source(server: Source) -> Source:
    """The tables in their first state."""
    server.create()
    return server
