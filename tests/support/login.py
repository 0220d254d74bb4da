"""A stranger's environment: what a fresh login has, and nothing that our own machines set beside it.

`PYTHONUNBUFFERED` once hid an exit code of 120, and `CI` a property that fails under half of all seeds.
"""

from __future__ import annotations

import os
import signal
import tempfile

STAYS = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "CHAOS",
    "TARGET_COLD",
    "BROWSER",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""Variables that stay: what a login has, how this suite is called, and what package managers need for TLS."""

STAYS_BY_PREFIX = ("PYTEST_", "COVERAGE_", "PIP_", "UV_")
"""pytest's own, and what package managers need."""


def environment() -> dict[str, str]:
    """Return what a process of the project starts with."""
    kept = {name: value for name, value in os.environ.items() if stays(name)}
    return {"PATH": os.defpath, "HOME": tempfile.gettempdir(), **kept, "LANG": "C.UTF-8"}


def stays(name: str) -> bool:
    """Whether a variable of the machine stays."""
    return name in STAYS or name.startswith(STAYS_BY_PREFIX)


def enter() -> None:
    """Make this process's environment that of a fresh login, and heed its signals.

    `nohup`, and a shell that starts something behind `&`, have some of them ignored.
    """
    for name in [name for name in os.environ if not stays(name)]:
        del os.environ[name]
    os.environ["LANG"] = "C.UTF-8"
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
