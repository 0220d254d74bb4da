"""What every test can ask for: a local Batch, fresh for each test; and a stranger's environment for all."""

from __future__ import annotations

import login

login.enter()  # before anything is imported that reads the environment

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
    "nobody's", database=None, derandomize=False, deadline=None, print_blob=True
)
hypothesis.settings.load_profile("nobody's")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose a seed for all property tests of this session, another one each time."""
    if config.getoption("hypothesis_seed", None) is None:
        config.option.hypothesis_seed = str(secrets.randbelow(2**32))


def pytest_report_header(config: pytest.Config) -> str:
    """Print the seed, with which a failure can be repeated."""
    return f"property tests: --hypothesis-seed={config.getoption('hypothesis_seed')}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures of fault runs, and the seed again where something failed."""
    lines = list(figures.table())
    if lines:
        terminalreporter.section("figures of the fault runs")
    for line in lines:
        terminalreporter.write_line(line)
    if terminalreporter.stats.get("failed"):
        terminalreporter.write_line(pytest_report_header(config))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the figures of a worker to the process that prints them."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = dict(figures.rows)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take them."""
    for family, rows in getattr(node, "workeroutput", {}).get("figures", {}).items():
        figures.rows[family].extend(rows)


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
