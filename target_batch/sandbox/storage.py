"""File storage that the links to exported files point to; it is separate from Batch's API.

A Batch key in a request here means that the client sent its keys along when it followed the redirect,
which it must not do.
"""

from typing import Any, Final

from starlette.responses import Response

from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.faults.stage import Send
from target_batch.sandbox.receiving import Receive

PREFIX: Final = "/storage/"
_KEYS: Final = frozenset({b"authorization", b"x-authorization", b"x-batch-project"})


class Storage:
    """ASGI application that serves a file to anyone with a valid link.

    Args:
        batch: The local Batch that holds the exports.
    """

    def __init__(self, batch: LocalBatch) -> None:
        self._batch = batch

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer 200 with the file, 400 if a Batch key was sent, or 403 if the link is not valid."""
        token = scope["path"].removeprefix(PREFIX)
        content = self._batch.exports.content(token, self._batch.clock.steady())
        names = {name for name, _ in scope["headers"]}
        if names & _KEYS:
            self._batch.totals.keys_at_storage += 1
            status, body = 400, b"the request holds a key of Batch"
        elif scope["method"] != "GET" or content is None:
            status, body = 403, b"the link is unknown or has expired"
        else:
            status, body = 200, content
        await Response(body, status, media_type="application/x-ndjson")(scope, receive, send)
