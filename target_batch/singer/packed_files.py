"""Files as bytes: found by path or URL, recognised by their first bytes, decompressed, checked as a whole."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable

PARQUET: Final = b"PAR1"
PACKINGS: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz"}
"""First bytes → compression: file names and labels are often wrong, first bytes are not."""

PACKED_NAMES: Final = (".gz", ".zst", ".bz2", ".xz", ".parquet")
CHUNK: Final = 1024 * 1024


def located(uri: str) -> str:
    """Resolve a `file:` URL, whose names may be percent-encoded or, as some taps write them, plain.

    A plain name that exists takes precedence. Other URLs and paths are returned as they are.
    """
    if not uri.startswith("file:"):
        return uri
    path = uri.removeprefix("file:").removeprefix("//")
    if path.startswith("localhost/"):
        path = path.removeprefix("localhost")
    return f"file://{path if Path(path).exists() else unquote(path)}"


def first_bytes(uri: str) -> bytes:
    """Return enough of a file's first bytes to recognise its kind."""
    with opened(uri) as file:
        found: bytes = file.read(max(map(len, PACKINGS)))
    return found


def packing_of(first: bytes) -> str | None:
    """Return the compression of a file with these first bytes; None for a plain one."""
    return next((name for sign, name in PACKINGS.items() if first.startswith(sign)), None)


def opened(uri: str) -> Any:
    """Return a context manager that opens a file at a path or URL, without decompressing it."""
    import fsspec  # noqa: PLC0415 - only those who read files pay for it

    return fsspec.open(located(uri), "rb")


def unpacked(file: IO[bytes], packing: str | None) -> IO[bytes]:
    """Return the decompressed stream of an open file.

    Raises:
        ImportError: the package that decompresses it is missing.
    """
    if packing == "zstd":
        import pyarrow as pa  # noqa: PLC0415 - an extra

        return io.BufferedReader(pa.CompressedInputStream(file, "zstd"), CHUNK)
    import fsspec  # noqa: PLC0415 - only those who read files pay for it

    stream: IO[bytes] = fsspec.compression.compr[packing](file, mode="rb")
    return stream


def is_whole(uri: str, first: bytes, goes_on: Callable[[], bool]) -> bool:
    """Decompress a file to its end, keeping nothing, so that all its checksums are verified.

    A broken file can yield wrong bytes long before the checksum that follows them reveals it. A file that is
    not compressed counts as whole. `goes_on` is called between chunks of 1 MiB; if it returns False, the
    check ends and the result is False.

    Raises:
        EOFError: the file is empty, though its name says that it is compressed.
        Exception: the file is broken; the type depends on the compression.
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
