"""Fixtures of the end-to-end tests: a local Batch that checks keys, and a server that never answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from listener import Listener
from local_batch import LocalBatch
from target_process import KEY, PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def running_strict_batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBatch]:
    """One local Batch for the session that accepts one key and one project only."""
    keys = ("--rest-api-key", KEY, "--project-key", PROJECT)
    with LocalBatch(tmp_path_factory.mktemp("strict"), "--no-rates", *keys) as batch:
        yield batch


@pytest.fixture
def strict_batch(running_strict_batch: LocalBatch) -> LocalBatch:
    """The local Batch that checks keys, emptied."""
    running_strict_batch.reset()
    return running_strict_batch


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A server that records what it receives and answers nothing."""
    with Listener() as server:
        yield server
