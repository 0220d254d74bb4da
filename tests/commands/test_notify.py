"""`target-batch notify-test` shows whether the webhook accepts a notification, but never its address."""

from __future__ import annotations

import json
import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from listener import closed_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

    from tests.commands.running import Command

PATH = "canary-path"


class Hook:
    """A webhook on this machine that answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.bodies: list[dict[str, Any]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Stay quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/{PATH}"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


def tried(command: Command, folder: Path, url: str | None) -> Result:
    """Run the command over a configuration without keys."""
    (folder / "c.json").write_text(json.dumps({"notify_url": url}))
    done = command("notify-test", "--config", "c.json")
    assert PATH not in done.output
    return done


def test_a_webhook_gets_what_a_run_would_send(command: Command, tmp_path: Path, hook: Hook) -> None:
    done = tried(command, tmp_path, hook.url)
    assert done.exit_code == 0
    (body,) = hook.bodies
    assert body["test"] is True
    assert body["exit"] == 1
    assert body["cause"] in body["text"]
    assert "no run has stopped" in body["text"]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_refusing_webhook_is_reported(command: Command, tmp_path: Path, hook: Hook, status: int) -> None:
    hook.status = status
    done = tried(command, tmp_path, hook.url)
    assert done.exit_code == 1
    assert f"status {status}" in done.output


def test_an_unreachable_webhook_is_reported(command: Command, tmp_path: Path) -> None:
    done = tried(command, tmp_path, f"http://127.0.0.1:{closed_port()}/{PATH}")
    assert done.exit_code == 1
    assert "could not be delivered to `notify_url`" in done.output


def test_a_webhook_that_hangs_is_abandoned_after_a_while(command: Command, tmp_path: Path) -> None:
    """The webhook accepts the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = tried(command, tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}/{PATH}")
    assert done.exit_code == 1
    assert "could not be delivered to `notify_url` (no answer within 5 seconds)" in " ".join(
        done.output.split()
    )


@pytest.mark.parametrize(
    ("url", "message"),
    [(None, "`notify_url` is not set"), ("ftp://x", "`notify_url` is not a plain address")],
)
def test_a_setting_that_is_missing_or_wrong_ends_with_2(
    command: Command, tmp_path: Path, url: str | None, message: str
) -> None:
    done = tried(command, tmp_path, url)
    assert done.exit_code == 2
    assert message in done.output
