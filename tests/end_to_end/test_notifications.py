"""A run that stopped, or rejected too much, is reported to a webhook, without personal data."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from singer import INTEGER, STRING, record, schema, users
from target_process import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_batch import LocalBatch
    from typing_extensions import Self


class Webhook:
    """A local server that keeps the notifications it receives."""

    def __init__(self, status: int, location: str | None = None) -> None:
        received: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Stay quiet."""

        self.received = received
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?token=canary-token"
        Thread(target=self.server.serve_forever, daemon=True).start()


class TricklingServer:
    """A server whose answer arrives a byte at a time and never ends; a context manager."""

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):  # the other side hangs up, as the test expects
            connection, _ = self._socket.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 ")
                while True:
                    connection.sendall(b"x")
                    time.sleep(0.2)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A webhook that accepts everything."""
    hook = Webhook(200)
    yield hook
    hook.server.shutdown()
    hook.server.server_close()


BAD = [*users(1, 1), *[record("users", user_id=None) for _ in range(3)]]


def test_a_run_that_stopped_is_reported(tmp_path: Path, batch: LocalBatch, webhook: Webhook) -> None:
    ended = run(tmp_path, batch.url, [*users(1, 3), "not JSON"], notify_url=webhook.url)
    assert ended.code == 1
    (notification,) = webhook.received
    assert notification["exit"] == 1
    assert notification["streams"]["users"]["delivered"] == 3
    assert notification["text"].startswith(
        "target-batch stopped with exit code 1: 3 records read, 3 delivered"
    )
    assert notification["cause"].startswith("Line 5 ")
    assert notification["cause"] in notification["text"]
    assert "canary-token" not in ended.log


def test_the_notification_of_a_dry_run_does_not_speak_of_delivery(
    tmp_path: Path, batch: LocalBatch, webhook: Webhook
) -> None:
    settings = {"notify_url": webhook.url, "notify_rejected": 0, "dry_run": True}
    assert run(tmp_path, batch.url, BAD, **settings).code == 0
    (notification,) = webhook.received
    assert notification["dry_run"] is True
    assert "1 would be sent (dry run)" in notification["text"]
    assert " delivered" not in notification["text"]


def test_a_webhook_that_hangs_does_not_delay_a_run(tmp_path: Path, batch: LocalBatch) -> None:
    """The webhook accepts the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/canary-path"
        ended = run(tmp_path, batch.url, BAD, notify_url=url, notify_rejected=0)
    assert ended.code == 0
    assert "could not be delivered to `notify_url`" in ended.log


def test_a_run_that_succeeded_is_not_reported(tmp_path: Path, batch: LocalBatch, webhook: Webhook) -> None:
    assert run(tmp_path, batch.url, users(1, 3), notify_url=webhook.url).code == 0
    assert webhook.received == []


@pytest.mark.parametrize(("threshold", "times"), [(2, 1), (3, 0)])
def test_more_rejects_than_the_threshold_are_reported(
    tmp_path: Path, batch: LocalBatch, webhook: Webhook, threshold: int, times: int
) -> None:
    settings = {"notify_url": webhook.url, "notify_rejected": threshold}
    assert run(tmp_path, batch.url, BAD, **settings).code == 0
    assert len(webhook.received) == times


def test_a_notification_holds_no_personal_data(tmp_path: Path, batch: LocalBatch, webhook: Webhook) -> None:
    lines = [
        schema("users", {"user_id": STRING, "email": STRING, "seat": INTEGER}),
        record("users", user_id="canary-\nid", email="canary-mail", seat=1),
        record("users", user_id="canary-u1", email="canary-mail", seat=2),
        record("users", user_id="canary-u2", email=None, seat="canary-seat"),
    ]
    assert run(tmp_path, batch.url, lines, notify_url=webhook.url, notify_rejected=0).code == 0
    (notification,) = webhook.received
    assert notification["streams"]["users"]["reasons"]
    assert "canary" not in json.dumps(notification)


def test_a_redirect_of_the_webhook_is_reported_and_not_followed(
    tmp_path: Path, batch: LocalBatch, webhook: Webhook
) -> None:
    moved = Webhook(307, webhook.url)
    ended = run(tmp_path, batch.url, BAD, notify_url=moved.url, notify_rejected=0)
    moved.server.shutdown()
    moved.server.server_close()
    assert (ended.code, len(moved.received), webhook.received) == (0, 1, [])
    assert "answered the notification with status 307" in ended.log


def test_a_webhook_that_trickles_does_not_delay_a_run(tmp_path: Path, batch: LocalBatch) -> None:
    """A time-out that counts from byte to byte would wait for ever."""
    with TricklingServer() as server:
        began = time.monotonic()
        url = f"http://127.0.0.1:{server.port}/canary-path"
        ended = run(tmp_path, batch.url, BAD, notify_url=url, notify_rejected=0)
    assert ended.code == 0
    assert time.monotonic() - began < 15
    assert "could not be delivered to `notify_url`" in ended.log
    assert "canary-path" not in ended.log


@pytest.mark.parametrize("host", ["nowhere.invalid", f"{'a' * 70}.example", "[::1]:9"])
def test_an_invalid_host_of_the_webhook_does_not_change_the_run(
    tmp_path: Path, batch: LocalBatch, host: str
) -> None:
    ended = run(tmp_path, batch.url, BAD, notify_url=f"https://{host}/canary-path", notify_rejected=0)
    assert ended.code == 0
    assert "could not be delivered to `notify_url`" in ended.log
    assert "canary-path" not in ended.log


def test_an_unreachable_webhook_does_not_change_the_run(tmp_path: Path, batch: LocalBatch) -> None:
    settings = {"notify_url": "http://127.0.0.1:9/canary-path", "notify_rejected": 0}
    ended = run(tmp_path, batch.url, BAD, **settings)
    assert ended.code == 0
    assert "`notify_url`" in ended.log
    assert "canary-path" not in ended.log
