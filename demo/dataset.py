"""The CDNOW purchase history: 69,659 real purchases by 23,570 customers of a record shop, 1997-98.

The `Lifetimes` package on PyPI carries it as a text file; it is read from inside the wheel, which
is downloaded once and never installed.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = "lifetimes==0.11.3"
WHEEL = "Lifetimes-0.11.3-py3-none-any.whl"
MEMBER = "lifetimes/datasets/CDNOW_master.txt"


class DatasetError(Exception):
    """The purchase history cannot be downloaded."""


class Purchase(NamedTuple):
    """One line of the history; the amount stays text, so that PostgreSQL reads it exactly."""

    customer_id: int
    day: str
    quantity: int
    amount: str


def fetch(folder: Path) -> Path:
    """Download the wheel into a folder, once, and return its path."""
    wheel = folder / WHEEL
    if wheel.exists():
        return wheel
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-qq"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(folder), PACKAGE]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode or not wheel.exists():
        raise DatasetError(
            f"pip could not download {PACKAGE} from PyPI. Is the network there?\n{done.stderr}"
        )
    return wheel


def purchases(wheel: Path, customers: int | None = None) -> Iterator[Purchase]:
    """Read the purchases in order, if a number is given only those of the first `customers` customers."""
    with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as lines:
        next(lines)  # the column names
        for line in lines:
            customer, day, quantity, amount = line.decode("ascii").split()
            if customers is None or int(customer) <= customers:
                yield Purchase(int(customer), day, int(quantity), amount)
