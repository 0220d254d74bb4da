"""Fixtures for every test: an empty local Batch, and the environment of a fresh login."""

from __future__ import annotations

import login

login.enter()  # must come before imports that read the environment

import secrets  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

import figures  # noqa: E402
import hypothesis  # noqa: E402
import pytest  # noqa: E402
import target_process  # noqa: E402
from local_batch import LocalBatch  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

hypothesis.settings.register_profile(
    "fresh", database=None, derandomize=False, deadline=None, print_blob=True
)
hypothesis.settings.load_profile("fresh")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose a new random seed for the property tests of this session."""
    if config.getoption("hypothesis_seed", None) is None:
        config.option.hypothesis_seed = str(secrets.randbelow(2**32))


def pytest_report_header(config: pytest.Config) -> str:
    """Print the seed that reproduces a failure."""
    return f"property tests: --hypothesis-seed={config.getoption('hypothesis_seed')}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures of the fault runs, and the seed again if a test failed."""
    lines = list(figures.table())
    if lines:
        terminalreporter.section("figures of the fault runs")
    for line in lines:
        terminalreporter.write_line(line)
    if terminalreporter.stats.get("failed"):
        terminalreporter.write_line(pytest_report_header(config))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send a worker's figures to the process that prints them."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = dict(figures.rows)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Collect the figures of a worker that has ended."""
    for family, rows in getattr(node, "workeroutput", {}).get("figures", {}).items():
        figures.rows[family].extend(rows)


@pytest.fixture(scope="session")
def running_batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBatch]:
    """One local Batch for the whole session, without rate limits, which most tests do not need."""
    with LocalBatch(tmp_path_factory.mktemp("batch"), "--no-rates") as batch:
        yield batch


@pytest.fixture
def batch(running_batch: LocalBatch) -> LocalBatch:
    """The session's local Batch, emptied."""
    running_batch.reset()
    return running_batch


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    """Kill the processes that a failed test left running."""
    yield
    target_process.clean_up()
