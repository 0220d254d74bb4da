"""The type of the fixture `command`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from click.testing import Result


class Command(Protocol):
    """Runs a command by its name."""

    def __call__(self, name: str, *options: object, given: str | bytes = b"") -> Result:
        """Run it with options and standard input."""
