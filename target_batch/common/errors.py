"""Errors that end a run, grouped by what to do about them.

Exit code 2 asks to change a setting, exit code 1 to run again or to look at the tap's output. Messages never
contain the value of a secret or of a record.
"""

from __future__ import annotations


class StopRun(Exception):  # noqa: N818 - it says what happens, not only that something is wrong
    """The run cannot continue; unconfirmed records stay undelivered and the state is held."""

    exit_code = 1


class ConfigurationError(StopRun):
    """A setting is missing or wrong: change it, then run again."""

    exit_code = 2


class AccessRefusedError(ConfigurationError):
    """Batch answered 401 or 403: the key does not give access to what was requested."""


class InputError(StopRun):
    """A line of the input cannot be read: look at the tap's output.

    Only the line's number is shown, never its content.
    """


class DeliveryError(StopRun):
    """Batch did not take what was sent within the time that the settings allow: run again."""


class ErasureRefusedError(DeliveryError):
    """A guard refused the erasures: no person was erased."""


class MirrorRefusedError(DeliveryError):
    """A guard refused a mirror: nothing was changed. Other mirrors may continue."""
