"""Converters of values, from what a record holds to what Batch takes, and how each says that it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from target_batch.common.reasons import Issue, Reason

    Convert: TypeAlias = Callable[[Any], Any]
    """A value of the record → what is sent; None for what counts as null, `SKIP` for nothing."""


class _Skip:
    """The type of `SKIP`; it has one value."""


SKIP: Final = _Skip()
"""What a converter returns for a value that asks for nothing, such as an empty `$add`."""


class InvalidValue(Exception):  # noqa: N818 - what the value is, caught one call above
    """The value cannot be sent; the message holds nothing of it."""

    def __init__(self, reason: Reason, message: str, where: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.where = where
        """The guilty property, where who raises it knows."""


class PartlyInvalid(Exception):  # noqa: N818 - same
    """Some of an object cannot be sent: `value` is what can, the issues name paths inside it."""

    def __init__(self, value: Any, issues: list[Issue]) -> None:
        super().__init__()
        self.value = value
        self.issues = issues
