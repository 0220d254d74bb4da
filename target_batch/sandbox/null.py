"""Null mode, for benchmarks: answers immediately and keeps only counts."""

from typing import Any, Final

from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.faults.stage import Send
from target_batch.sandbox.receiving import Receive, count_body

_TOKEN: Final = b'{"indexing_token":"00000000000000000000000000000000"}'
_LIST: Final = b'{"audiences":[],"count":0,"has_more":false}'
_APP_LIST: Final = b'{"custom_audiences":[]}'
_VIEW: Final = (
    b'{"name":"null","display_name":"null","type":"CUSTOM_ID","nb_ids":0,"indexing_state":"APPLIED",'
    b'"created":"2024-01-01T00:00:00Z","updated":"2024-01-01T00:00:00Z"}'
)
_APP_VIEW: Final = (
    b'{"name":"null","type":"custom_ids","description":"","created":"2024-01-01T00:00:00",'
    b'"updated":"2024-01-01T00:00:00","nb_ids":0,"indexing_state":"APPLIED"}'
)


class NullBatch:
    """ASGI application that accepts every call.

    Args:
        batch: The local Batch in which requests and bytes are counted.
    """

    def __init__(self, batch: LocalBatch) -> None:
        self._batch = batch

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Read the body, count it and answer."""
        size = await count_body(receive)
        totals = self._batch.totals
        totals.null_requests += 1
        totals.null_bytes += size
        status, body = _answer(scope["method"], scope["path"])
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _answer(method: str, path: str) -> tuple[int, bytes]:
    """Return the status and body of the answer to a path."""
    if "/custom-audience" in path:
        if method == "GET":
            return 200, _APP_LIST if path.endswith("/custom-audience") else _APP_VIEW
        return (202, _TOKEN) if method in {"PATCH", "PUT"} else (200, b"{}")
    if method == "GET":
        return 200, _LIST if path.endswith("/list") else _VIEW
    return 202, b'{"code":"SUCCESS"}' if "/profiles/" in path else _TOKEN
