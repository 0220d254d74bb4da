"""A run that stopped, or rejected too much, is told to a webhook; nobody's data is."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from singer import STRING, record, schema, users
from target_process import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_batch import LocalBatch


class Webhook:
    """A local server that keeps what it is told."""

    def __init__(self, status: int) -> None:
        told: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Stay quiet."""

        self.told = told
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?token=canary-token"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A webhook that takes everything."""
    hook = Webhook(200)
    yield hook
    hook.server.shutdown()
    hook.server.server_close()


BAD = [schema("users", {"user_id": STRING}), *[record("users", user_id=None) for _ in range(3)]]


def test_a_run_that_stopped_is_told(tmp_path: Path, batch: LocalBatch, webhook: Webhook) -> None:
    ended = run(tmp_path, batch.url, [*users(1, 3), "not JSON"], notify_url=webhook.url)
    assert ended.code == 1
    (told,) = webhook.told
    assert told["exit"] == 1
    assert told["streams"]["users"]["delivered"] == 3
    assert "canary-token" not in ended.log


def test_a_run_that_ended_well_is_not_told(tmp_path: Path, batch: LocalBatch, webhook: Webhook) -> None:
    assert run(tmp_path, batch.url, users(1, 3), notify_url=webhook.url).code == 0
    assert webhook.told == []


@pytest.mark.parametrize(("threshold", "times"), [(2, 1), (3, 0)])
def test_more_rejects_than_the_threshold_are_told(
    tmp_path: Path, batch: LocalBatch, webhook: Webhook, threshold: int, times: int
) -> None:
    settings = {"notify_url": webhook.url, "notify_rejected": threshold}
    assert run(tmp_path, batch.url, BAD, **settings).code == 0
    assert len(webhook.told) == times


def test_a_webhook_that_is_gone_does_not_change_the_run(tmp_path: Path, batch: LocalBatch) -> None:
    settings = {"notify_url": "http://127.0.0.1:9/canary-path", "notify_rejected": 0}
    ended = run(tmp_path, batch.url, BAD, **settings)
    assert ended.code == 0
    assert "`notify_url`" in ended.log
    assert "canary-path" not in ended.log
