"""A visit to a local page, and calls to the local Batch as a target makes them."""

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
    """A page, with the errors it reported and the hosts it called since it was opened."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
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


CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const parse = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, bottom) => [0, 1, 2].map((i) => top[i] * top[3] + bottom[i] * (1 - top[3])).concat(1);
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      layers.push(parse(getComputedStyle(at).backgroundColor));
    }
    return layers.reverse().reduce((ground, layer) => over(layer, ground), parse('canvas'));
  };
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const poor = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const passed = element.closest(':disabled, .hidden-text, svg, option');
    if (!own || passed || !element.checkVisibility()) continue;
    const ground = behind(element);
    const [a, b] = [light(over(parse(getComputedStyle(element).color), ground)), light(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${element.tagName}.${element.className}: ${ratio.toFixed(2)}`);
  }
  return [...new Set(poor)];
}"""
"""JavaScript that returns every visible text with too little contrast to its background."""
