"""Converters from values of a record to values that Batch accepts, and the errors they raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from target_batch.common.reasons import Issue, Reason

    Convert: TypeAlias = Callable[[Any], Any]
    """A value of a record → the value to send; None if it counts as null, `SKIP` to send nothing."""


class _Skip:
    """The type of `SKIP`, its only instance."""


SKIP: Final = _Skip()
"""Returned by a converter if there is nothing to send, such as for an empty `$add`."""


class InvalidValue(Exception):  # noqa: N818 - named for the value, caught one call above
    """A value cannot be sent; the message never contains any of it."""

    def __init__(self, reason: Reason, message: str, where: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.where = where
        """The property at fault, if known where the error is raised."""


class PartlyInvalid(Exception):  # noqa: N818 - same
    """Part of an object cannot be sent: `value` is the rest, and the issues name paths inside it."""

    def __init__(self, value: Any, issues: list[Issue]) -> None:
        super().__init__()
        self.value = value
        self.issues = issues
