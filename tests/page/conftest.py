"""A real browser on the local pages: found, or installed where allowed; in CI it has to be there."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from local_batch import LocalBatch
from runs_page import RunsPage, serving

from tests.page.browsers import found, install, missing
from tests.page.left_behind import leave_behind
from tests.page.visiting import Visit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, ConsoleMessage

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path."""
    if found() is None:
        install()
    path = found()
    if path is None:
        missing("there is no Chromium: install your system's package `chromium`")
    return str(path)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """The browser, started once."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - optional
    except ImportError:
        missing("there is no Playwright: install the dependency group `browser`")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(params=["light"])
def visit(browser: Browser, server: LocalBatch, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A visit to the local Batch's page."""
    with visiting(browser, server.url, request.param) as visit:
        yield visit


@pytest.fixture(scope="session")
def runs_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunsPage]:
    """The page of runs over a folder with 60 of them."""
    folder = tmp_path_factory.mktemp("runs")
    config = folder / "config.json"
    config.write_text(json.dumps({"work_path": str(leave_behind(folder / "work"))}))
    with serving(config) as page:
        yield page


@pytest.fixture(params=["light"])
def look(browser: Browser, runs_page: RunsPage, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A visit to the page of runs."""
    with visiting(browser, runs_page.url, request.param) as visit:
        yield visit


@contextmanager
def visiting(browser: Browser, url: str, scheme: Any) -> Iterator[Visit]:
    """Visit a page in a new window; errors in the console and requests to other hosts fail the test."""
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": 1280, "height": 900}, service_workers="block"
    )
    context.set_default_timeout(10_000)
    visit = Visit(context.new_page(), url)

    def on_message(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            visit.errors.append(message.text)

    visit.page.on("console", on_message)
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
    visit.page.on("request", lambda asked: visit.hosts.add(urlsplit(asked.url).netloc))
    yield visit
    visit.page.wait_for_timeout(50)
    context.close()
    assert visit.errors == []
    assert visit.hosts <= {urlsplit(url).netloc}


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBatch]:
    """A local Batch with rates, for the session."""
    with LocalBatch(tmp_path_factory.mktemp("page")) as server:
        yield server


@pytest.fixture
def server(running_server: LocalBatch) -> LocalBatch:
    """The local Batch of the session, emptied, without rates and delays."""
    running_server.reset()
    running_server.post("settings", {"rates": False, "latency": 0, "index_seconds": 0})
    return running_server


@pytest.fixture(scope="session")
def shots(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the screenshots, below `--basetemp`."""
    _ = request
    return tmp_path_factory.mktemp("screenshots")
