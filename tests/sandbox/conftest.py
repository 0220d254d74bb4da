"""A local Batch in its own process, and a client that speaks to it over a real socket."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from target_batch.sandbox.readings import Readings

Starter = Callable[..., "Server"]

PROJECT = {"Authorization": "Bearer rest", "X-Batch-Project": "project_1"}
APP = {"X-Authorization": "rest"}


class Server:
    """A running local Batch."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.session = requests.Session()
        self.session.trust_env = False

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        """Send any request; a body is sent as JSON."""
        more.setdefault("timeout", 5)
        more.setdefault("allow_redirects", False)
        return self.session.request(method, self.url + path, json=body, **more)

    def update(self, entries: Any, path: str = "/2.11/profiles/update") -> requests.Response:
        return self.call("POST", path, entries, headers=PROJECT)

    def project(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self.call(method, f"/2.11/audiences/{path}", body, headers=PROJECT)

    def app(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self.call(method, path, body, headers=APP)

    def get(self, path: str) -> Any:
        """Ask the inspection API."""
        return self.call("GET", f"/_/{path}").json()

    def post(self, path: str, body: Any = None) -> Any:
        """Post to the inspection API."""
        return self.call("POST", f"/_/{path}", body).json()

    def journal(self, start: int = 0) -> list[dict[str, Any]]:
        text = self.call("GET", f"/_/journal?from={start}").text
        return [json.loads(line) for line in text.splitlines()]

    def script(self, *rules: Any) -> None:
        """Activate these faults, and no others."""
        self.call("DELETE", "/_/faults")
        assert len(self.post("faults", list(rules))["ids"]) == len(rules)


@contextmanager
def _running(folder: Path, *options: str) -> Iterator[Server]:
    port_file = folder / "port"
    command = [sys.executable, "-m", "target_batch.sandbox", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--port-file", str(port_file), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 20
        while not port_file.exists():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        server = Server(process, int(port_file.read_text()))
        with server.session:
            yield server
    finally:
        process.terminate()
        printed, _ = process.communicate(timeout=10)
    assert printed.startswith("The local Batch listens at http://127.0.0.1:")
    assert printed.count("\n") == 1, printed
    assert process.returncode == 0


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    """Start local Batches with any options; they end with the test."""
    with ExitStack() as stack:
        yield lambda *options: stack.enter_context(_running(tmp_path_factory.mktemp("sandbox"), *options))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One local Batch for all tests that need no options of their own."""
    with _running(tmp_path_factory.mktemp("sandbox"), "--no-rates") as server:
        yield server


@pytest.fixture
def server(shared: Server) -> Server:
    """The shared local Batch, empty and without faults or rates."""
    shared.call("DELETE", "/_/faults")
    defaults = {"rates": False, "latency": 0, "index_seconds": 0, "readings": Readings().show()}
    shared.post("settings", defaults)
    shared.post("reset")
    return shared
