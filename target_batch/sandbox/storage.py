"""Where the links to exported files lead: a storage of its own, which is no part of Batch's API.

A key of Batch that comes here has followed a redirect, which it must not.
"""

from typing import Any, Final

from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.faults.stage import Send
from target_batch.sandbox.receiving import Receive

PREFIX: Final = "/storage/"
_KEYS: Final = frozenset({b"authorization", b"x-authorization", b"x-batch-project"})


class Storage:
    """ASGI application that gives a file to whoever has a valid link.

    Args:
        batch: The local Batch whose exports these are.
    """

    def __init__(self, batch: LocalBatch) -> None:
        self._batch = batch

    async def __call__(self, scope: Any, _receive: Receive, send: Send) -> None:
        """Answer 200 with the file, 400 where a key came along, 403 for a link that does not hold."""
        token = scope["path"].removeprefix(PREFIX)
        content = self._batch.exports.content(token, self._batch.clock.steady())
        names = {name for name, _ in scope["headers"]}
        if names & _KEYS:
            self._batch.totals.keys_at_storage += 1
            status, body = 400, b"a key of Batch came along"
        elif scope["method"] != "GET" or content is None:
            status, body = 403, b"the link is unknown or has expired"
        else:
            status, body = 200, content
        headers = [
            (b"content-type", b"application/x-ndjson"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
