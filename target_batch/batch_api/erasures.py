"""Requests to erase a person through Batch's GDPR API: one person and one app per request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from target_batch.batch_api.answers import classify_acceptance
from target_batch.batch_api.audiences import AppAudiences

if TYPE_CHECKING:
    from target_batch.batch_api.answers import Verdict
    from target_batch.batch_api.client import Client
    from target_batch.batch_api.endpoints import App
    from target_batch.batch_api.rate_limiter import RateLimiter
    from target_batch.batch_api.transport import Call


def erasure_call(app: App, custom_id: str) -> Call:
    """Make the call that asks an app to remove a person."""
    body = {"request_type": "remove", "id": {"type": "custom_id", "value": custom_id}}
    return app.gdpr(msgspec.json.encode(body))


class ErasureSender:
    """Requests erasures from one app.

    Args:
        client: Sends the calls.
        app: The app.
        limiter: One request per second [open], shared with the app's audience calls.
        scope: A name for the app that contains no key.
        where: The setting that names the app, for messages.
    """

    def __init__(self, client: Client, app: App, limiter: RateLimiter, scope: str, where: str) -> None:
        self._client = client
        self._app = app
        self._limiter = limiter
        self.scope = scope
        self.where = where

    def send(self, custom_id: str) -> Verdict:
        """Request the removal of a person by their custom ID."""
        return self._client.send(erasure_call(self._app, custom_id), classify_acceptance, self._limiter)

    def probe(self) -> Verdict:
        """Make a read-only call to the app to check its key and the address."""
        audiences = AppAudiences(self._app, "custom_ids")
        return self._client.send(audiences.list_call(limit=1), audiences.classify_list, self._limiter)
