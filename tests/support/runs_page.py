"""`target-batch runs --web` in a separate process."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SEEN_WITHIN = 10.0


class RunsPage:
    """A running page."""

    def __init__(self, url: str, session: requests.Session) -> None:
        self.url = url
        self.port = int(url.rpartition(":")[2])
        self._session = session

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send a request."""
        return self._session.request(method, self.url + path, timeout=20, **more)

    def get(self, path: str) -> Any:
        """Return the JSON of a path of its API."""
        return self.ask("GET", f"/_/{path}").json()

    def until(self, holds: Callable[[Any], bool]) -> None:
        """Wait until the list of runs fulfils a condition; the page caches it for a second."""
        end = time.monotonic() + SEEN_WITHIN
        while not holds(self.get("runs")):
            assert time.monotonic() < end, "the page never saw it"
            time.sleep(0.05)


@contextmanager
def serving(config: Path) -> Iterator[RunsPage]:
    """Serve the page for a configuration; it must end with exit code 0."""
    command = [sys.executable, "-m", "target_batch", "runs", "--web", "--port", "0", "--config", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, "the page did not start"
        with requests.Session() as session:
            session.trust_env = False
            yield RunsPage(found[0], session)
    finally:
        process.terminate()
        code = process.wait(10)
        process.stdout.close()
    assert code == 0
