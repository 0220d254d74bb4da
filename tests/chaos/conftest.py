"""Prints the figures of the fault runs when all is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import figures

if TYPE_CHECKING:
    import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line a family of fault runs."""
    lines = list(figures.table())
    if lines:
        terminalreporter.section("figures of the fault runs")
    for line in lines:
        terminalreporter.write_line(line)
