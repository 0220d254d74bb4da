"""The browser of this machine: found, or installed where that is allowed; without one the test ends."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALLED_WITHIN = 600


def missing(what: str) -> None:
    """End a test that has no browser: as failed if `BROWSER=required` (as in CI), as skipped otherwise."""
    if os.environ.get("BROWSER") == "required":
        pytest.fail(f"{what}, and BROWSER=required says that the page must be tested")
    pytest.skip(what)


def found() -> str | None:
    """Return the browser of this machine."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def install() -> None:
    """Install Debian's Chromium, where this process may."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "timeout": INSTALLED_WITHIN}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        command = ["apt-get", "-qq", *arguments]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(command, check=False, env=environment, **quiet)  # type: ignore[call-overload]
