"""Actions of scripted faults: endless or oversized answers."""

import zlib
from functools import lru_cache
from typing import Final

from target_batch.sandbox.faults.acts import Act, Seconds, Size, Status
from target_batch.sandbox.faults.stage import Stage

_CHUNK: Final = 65_536
_GZIP: Final = 31
"""`zlib`'s window for the gzip format."""


class Trickle(Act):
    """``trickle``: a body that never ends, one byte at a time."""

    interval: Seconds = 0.1
    status: Status = 202

    async def perform(self, stage: Stage) -> None:
        """Send the headers, then spaces until the client disconnects."""
        await stage.begin(self.status, [(b"content-type", b"application/json")])
        while not stage.has_left():
            await stage.body(b" ")
            await stage.pause(self.interval)
        await stage.gone()


class TrickleHeaders(Act):
    """``trickle_headers``: headers that never end."""

    interval: Seconds = 0.1
    status: Status = 202

    async def perform(self, stage: Stage) -> None:
        """Send a status line and headers, byte by byte, until the client disconnects."""
        text = f"HTTP/1.1 {self.status} Slow\r\n".encode()
        while not stage.has_left():
            for byte in text:
                await stage.write(self.status, bytes((byte,)))
                await stage.pause(self.interval)
                if stage.has_left():
                    break
            text = b"x-slow: 1\r\n"
        await stage.gone()


class Huge(Act):
    """``huge``: a very large body, or an endless one."""

    bytes: Size | None = None
    status: Status = 202

    async def perform(self, stage: Stage) -> None:
        """Send spaces until the size is reached or the client disconnects."""
        await stage.begin(self.status, [(b"content-type", b"application/json")])
        left = self.bytes
        while not stage.has_left() and left != 0:
            size = _CHUNK if left is None else min(left, _CHUNK)
            left = None if left is None else left - size
            await stage.body(b" " * size)
            await stage.pause(0)
        if left == 0:
            await stage.body(b"", more=False)
        else:
            await stage.gone()


class GzipBomb(Act):
    """``gzip_bomb``: a small answer that unpacks to a large one."""

    bytes: Size = 50_000_000
    status: Status = 202

    async def perform(self, stage: Stage) -> None:
        """Answer with gzipped spaces."""
        packed = _packed(self.bytes)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-encoding", b"gzip"),
            (b"content-length", str(len(packed)).encode()),
        ]
        await stage.begin(self.status, headers)
        await stage.body(packed, more=False)


@lru_cache(maxsize=4)
def _packed(size: int) -> bytes:
    """Return `size` spaces in gzip format, compressed a million at a time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    million = b" " * 1_000_000
    parts = [packer.compress(million) for _ in range(size // len(million))]
    parts += [packer.compress(b" " * (size % len(million))), packer.flush()]
    return b"".join(parts)
