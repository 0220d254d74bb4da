"""Standard input, output and error, which may be closed, full, or read by a process that has stopped."""

from __future__ import annotations

import io
import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PIECE: Final = select.PIPE_BUF if hasattr(select, "PIPE_BUF") else 512
"""Bytes that a writable pipe accepts at once, so that a write does not block."""

GLANCE_SECONDS: Final = 0.1


class _Forgiving(io.TextIOWrapper):
    """A text stream that drops what cannot be written: a full standard error must not end a run."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def prepare() -> None:
    """Occupy closed descriptors, so that no file gets their numbers; let standard error ignore failures."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - the last of the standard ones
        pass  # `os.open` returns the lowest free number
    os.close(descriptor)
    if os.name == "posix":
        encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        sys.stderr = _Forgiving(
            io.FileIO(2, "w", closefd=False),
            encoding=encoding,
            errors="backslashreplace",
            write_through=True,
        )


def flushed() -> str:
    """Flush standard output; return why that failed, and discard what the interpreter would flush at exit."""
    if sys.stdout is None:
        return ""
    try:
        sys.stdout.flush()
    except ValueError:
        return ""  # already closed
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        with suppress(OSError, ValueError):
            os.dup2(nowhere, sys.stdout.fileno())
            sys.stdout.flush()
        return error.strerror or type(error).__name__
    return ""


def write_output(line: bytes, out_of_time: Callable[[], bool]) -> None:
    """Write a line to standard output, bypassing its buffer if it has a descriptor.

    Raises:
        OSError: it cannot be written; a TimeoutError if its reader did not take it before `out_of_time()`.
    """
    if sys.stdout is None:
        raise OSError(0, "it is closed")
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError, AttributeError):
        _write_buffered(sys.stdout, line)
        return
    left = memoryview(line)
    while left:
        if select.select([], [descriptor], [], GLANCE_SECONDS)[1]:
            left = left[os.write(descriptor, left[:PIECE]) :]
        elif out_of_time():
            raise TimeoutError(0, "its reader has stopped reading")


def _write_buffered(output: Any, line: bytes) -> None:
    try:
        if hasattr(output, "buffer"):
            output.buffer.write(line)  # text would be in the locale's encoding
        else:
            output.write(line.decode())
        output.flush()
    except ValueError:
        raise OSError(0, "it is closed") from None


def takes_errors() -> bool:
    """Return whether standard error accepts a line without waiting for its reader."""
    try:
        return bool(select.select([], [2], [], 0)[1])
    except (OSError, ValueError):
        return False


def say_if_possible(line: str) -> None:
    """Write a line to standard error unless that would block."""
    if takes_errors():
        with suppress(OSError):
            os.write(2, line.encode() + b"\n")
