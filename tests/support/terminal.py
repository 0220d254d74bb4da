"""A terminal of a given width that keeps the output of a process and the rows that remain visible."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import termios
import threading
from contextlib import suppress

MOVES = re.compile(r"\x1b\[(\d*)([A-Za-z])|\r?\n|[^\x1b\r\n]+")


class Terminal:
    """A pseudo-terminal that is read all the time; a process runs on `end`, `close` returns the rows."""

    def __init__(self, columns: int, rows: int = 40) -> None:
        self.columns = columns
        self._ours, self.end = os.openpty()
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._drawn = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # the other end is closed
            while found := os.read(self._ours, 65_536):
                self._drawn += found

    @property
    def drawn(self) -> str:
        """Everything that was written so far, including control sequences."""
        return self._drawn.decode(errors="replace")

    def close(self) -> list[str]:
        """Close the terminal and return its visible rows, wrapped as by a terminal."""
        for end in (self.end, self._ours):
            with suppress(OSError):  # closed before
                os.close(end)
            self._reader.join(10)
        return rows_of(self.drawn, self.columns)


def rows_of(drawn: str, columns: int) -> list[str]:
    """Return the visible rows after `drawn` was written, with cursor moves, erasures and wrapping applied."""
    rows = [""]
    for match in MOVES.finditer(drawn):
        if match[2] == "F":
            del rows[len(rows) - 1 - int(match[1] or 1) :]
            rows.append("")
        elif match[0] in {"\n", "\r\n"}:
            rows.append("")
        elif match[2] is None:
            text = rows.pop() + match[0]
            rows += [text[begin : begin + columns] for begin in range(0, len(text), columns)]
    return [row.rstrip() for row in rows if row.strip()]
