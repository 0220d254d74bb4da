"""Errors that end a run, grouped by what to do about them.

    StopRun
    ├── ConfigurationError     exit 2: a setting is wrong; change it, then run again
    │   └── AccessRefusedError     Batch refused the key
    ├── InputError             exit 1: the tap's output is broken at a line
    └── DeliveryError          exit 1: Batch did not take what was sent; run again
        ├── ErasureRefusedError    a guard refused the erasures; no person was erased
        └── MirrorRefusedError     a guard refused a mirror; nothing was changed

Messages never contain the value of a secret or of a record.
"""

from __future__ import annotations


class StopRun(Exception):  # noqa: N818 - it says what happens, not only that something is wrong
    """The run cannot continue; unconfirmed records stay undelivered and the state is held."""

    exit_code = 1


class ConfigurationError(StopRun):
    """A setting is missing or wrong."""

    exit_code = 2


class AccessRefusedError(ConfigurationError):
    """Batch answered 401 or 403: the key does not give access to what was requested."""


class InputError(StopRun):
    """A line of the input cannot be read. Only its number is shown, never its content."""


class DeliveryError(StopRun):
    """Batch did not take a request within the time that the settings allow."""


class ErasureRefusedError(DeliveryError):
    """A guard refused the erasures: no person was erased."""


class MirrorRefusedError(DeliveryError):
    """A guard refused a mirror: nothing was changed. Other mirrors may continue."""
