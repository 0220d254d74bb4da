"""A visit to the local Batch's page, and calls to the local Batch as a target makes them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from local_batch import LocalBatch
    from playwright.sync_api import Page

KEYS = {"Authorization": "Bearer key-of-the-tests", "X-Batch-Project": "project_of_the_tests"}


@dataclass
class Visit:
    """A page, and what it complained of and asked for since it was opened."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def open(self, view: str = "") -> Page:
        """Open a view of the page and wait until it has its data."""
        self.page.goto(f"{self.url}/#/{view}")
        self.page.get_by_text("Live", exact=True).wait_for()
        return self.page


def call(server: LocalBatch, method: str, route: str, body: Any) -> requests.Response:
    """Call the local Batch as a target would."""
    session = requests.Session()
    session.trust_env = False
    with session:
        return session.request(method, f"{server.url}/2.11{route}", json=body, headers=KEYS, timeout=20)


def until(page: Page, condition: str, seconds: float = 10.0) -> None:
    """Wait until a condition in JavaScript holds; the page's own policy forbids Playwright's way."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"never came true: {condition}"
        page.wait_for_timeout(50)
