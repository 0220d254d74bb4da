"""What every test can ask for: a local Batch, fresh for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import target_process
from local_batch import LocalBatch

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def running_batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBatch]:
    """One local Batch for the session, without rates: most tests are not about them."""
    with LocalBatch(tmp_path_factory.mktemp("batch"), "--no-rates") as batch:
        yield batch


@pytest.fixture
def batch(running_batch: LocalBatch) -> LocalBatch:
    """The local Batch, emptied."""
    running_batch.reset()
    return running_batch


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    """End what a test that failed has left running."""
    yield
    target_process.clean_up()
