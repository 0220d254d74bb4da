"""Files as they are: found by path or URL, recognised by their first bytes, unpacked, checked as a whole."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable

PARQUET: Final = b"PAR1"
PACKINGS: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz"}
"""First bytes → compression: names and labels are often wrong, these never are."""

PACKED_NAMES: Final = (".gz", ".zst", ".bz2", ".xz", ".parquet")
CHUNK: Final = 1024 * 1024


def located(uri: str) -> str:
    """Return where a `file:` URL leads: names in it may be percent-encoded, or plain as some taps write them.

    What exists as it is written comes first. Other URLs and paths are returned as they are.
    """
    if not uri.startswith("file:"):
        return uri
    path = uri.removeprefix("file:").removeprefix("//")
    if path.startswith("localhost/"):
        path = path.removeprefix("localhost")
    return f"file://{path if Path(path).exists() else unquote(path)}"


def first_bytes(uri: str) -> bytes:
    """Return as many of the first bytes of a file as it takes to recognise its kind."""
    with opened(uri) as file:
        found: bytes = file.read(max(map(len, PACKINGS)))
    return found


def packing_of(first: bytes) -> str | None:
    """Return the compression that a file of these first bytes has, None for a plain one."""
    return next((name for sign, name in PACKINGS.items() if first.startswith(sign)), None)


def opened(uri: str) -> Any:
    """Open a file as it is, wherever it lies, as a context manager."""
    import fsspec  # noqa: PLC0415 - only those who read files pay for it

    return fsspec.open(located(uri), "rb")


def unpacked(file: IO[bytes], packing: str | None) -> IO[bytes]:
    """Return what is packed in an open file.

    Raises:
        ImportError: the package that unpacks it is missing.
    """
    if packing == "zstd":
        import pyarrow as pa  # noqa: PLC0415 - an extra

        return io.BufferedReader(pa.CompressedInputStream(file, "zstd"), CHUNK)
    import fsspec  # noqa: PLC0415 - only those who read files pay for it

    stream: IO[bytes] = fsspec.compression.compr[packing](file, mode="rb")
    return stream


def is_whole(uri: str, first: bytes, goes_on: Callable[[], bool]) -> bool:
    """Unpack a file to its end, so that all its checksums are compared, and keep nothing of it.

    Bytes that a broken file unpacks to can be wrong long before its checksum, which stands behind them, says
    so. A file that is not packed is taken as whole. `goes_on` is asked between chunks of 1 MiB; False means
    that it ended the check.

    Raises:
        EOFError: its name says that it is packed, and it is empty.
        Exception: of the compression's own kind; the file is broken.
    """
    if not first and uri.lower().endswith(PACKED_NAMES):
        raise EOFError
    packing = packing_of(first)
    if packing is None:
        return True
    with opened(uri) as file, unpacked(file, packing) as stream:
        while goes_on():
            if not stream.read(CHUNK):
                return True
    return False
