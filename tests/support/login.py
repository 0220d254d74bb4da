"""The environment of a fresh login, without variables that a developer's machine sets in addition.

`PYTHONUNBUFFERED` once hid an exit code of 120, and `CI` a property test that fails for half of all seeds.
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
"""Variables that are kept: those of a login, those of this suite, and those of package managers for TLS."""

STAYS_BY_PREFIX = ("PYTEST_", "COVERAGE_", "PIP_", "UV_")
"""Variables of pytest and of package managers."""


def environment() -> dict[str, str]:
    """Return the environment of a process that a test starts."""
    kept = {name: value for name, value in os.environ.items() if stays(name)}
    return {"PATH": os.defpath, "HOME": tempfile.gettempdir(), **kept, "LANG": "C.UTF-8"}


def stays(name: str) -> bool:
    """Return whether a variable is kept."""
    return name in STAYS or name.startswith(STAYS_BY_PREFIX)


def enter() -> None:
    """Give this process the environment and the signals of a fresh login.

    `nohup` and background jobs of a shell ignore some signals.
    """
    for name in [name for name in os.environ if not stays(name)]:
        del os.environ[name]
    os.environ["LANG"] = "C.UTF-8"
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
