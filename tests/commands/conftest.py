"""Fixtures for the tests of commands: each command runs in this process."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from target_batch.cli import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.commands.running import Command


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs a command in an empty folder and without proxies."""
    monkeypatch.chdir(tmp_path)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def run(name: str, *options: object, given: str | bytes = b"") -> Result:
        module, member = COMMANDS[name]
        found = getattr(import_module(module), member)
        return CliRunner().invoke(found, [str(option) for option in options], input=given)

    return run
