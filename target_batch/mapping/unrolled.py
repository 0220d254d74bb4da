"""The steps of a layout as one function, written out column by column.

A loop over the steps costs as much again as the steps themselves, and that twice over what reading
and writing a record costs (`benchmarks/mapping.py`). So the function is generated once per layout,
as dataclasses generate theirs. Its text holds numbers and the names below, nothing of a SCHEMA.
"""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import UNSET

from target_batch.common.limits import CACHED_VALUES
from target_batch.common.operations import NO_EVENTS, ProfileUpdate
from target_batch.common.reasons import Reason
from target_batch.mapping.converters.dates import in_utc, midnight
from target_batch.mapping.refusals import SKIP, Unfit

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    import msgspec

    from target_batch.mapping.refusals import Convert

    Known: TypeAlias = Callable[[str], object]
    Update: TypeAlias = Callable[[msgspec.Struct], ProfileUpdate]

_NAMES: dict[str, Any] = {
    "UNSET": UNSET, "UTC": timezone.utc, "datetime": datetime, "in_utc": in_utc, "midnight": midnight,
    "Decimal": Decimal, "ProfileUpdate": ProfileUpdate, "NO_EVENTS": NO_EVENTS,
}  # fmt: skip


DROP_NULL = "if v{0} is None: v{0} = UNSET"


class Step(NamedTuple):
    """How the values of a column are converted: what a null becomes, whether there may be one."""

    convert: Convert
    null: Any
    refuses_null: bool = False

    def __call__(self, value: Any) -> Any:
        """Return what a value, a null or an absent one becomes.

        Raises:
            Unfit, Partly: as the converter, or for a null that the SCHEMA does not allow.
        """
        if value is UNSET:
            return UNSET
        if value is None:
            if self.refuses_null:
                raise Unfit(Reason.SCHEMA_VIOLATION, "The SCHEMA allows no null.")
            return self.null
        fit = self.convert(value)
        if fit is None:
            return self.null
        return UNSET if fit is SKIP else fit


class Unrolled:
    """Gathers the statements, a column at a time; columns are named by their field's number."""

    def __init__(self) -> None:
        self._names = dict(_NAMES)
        self._lines: list[str] = []
        self._sent: list[str] = []
        self._more: list[str] = []

    def move(self, field: int, *, drops_null: bool) -> None:
        """Send a column's values as they are."""
        if drops_null:
            self._write(field, DROP_NULL)
        else:
            self._sent.append(f"read.f{field}")

    def move_moment(self, field: int, *, drops_null: bool) -> None:
        """Send a column of date-times in UTC."""
        in_utc_too = "if v{0}.__class__ is datetime and v{0}.tzinfo is not UTC: v{0} = in_utc(v{0})"
        self._write(field, in_utc_too, *([DROP_NULL] if drops_null else []))

    def move_day(self, field: int, *, drops_null: bool) -> None:
        """Send a column of dates as their midnights."""
        at_midnight = "if v{0}.__class__ is str: v{0} = midnight(v{0})"
        self._write(field, at_midnight, *([DROP_NULL] if drops_null else []))

    def check(self, field: int, known: Known, step: Step) -> None:
        """Send text that matches as it is, and all else through a step."""
        self._names[f"known{field}"] = known
        self._write_unless(field, "v{0}.__class__ is str and known{0}(v{0})", step)

    def check_number(self, field: int, step: Step) -> None:
        """Send numbers as they are, and all else through a step."""
        is_number = "v{0}.__class__ is int or v{0}.__class__ is Decimal and v{0}.is_finite()"
        self._write_unless(field, is_number, step)

    def convert(self, field: int, step: Step) -> None:
        """Send what a step returns."""
        self._names[f"step{field}"] = step
        self._sent.append(f"step{field}(read.f{field})")

    def spread(self, field: int, step: Step, names: tuple[str, ...], *, is_text: bool) -> None:
        """Send the attributes that a step returns together, the first in the column's place."""

        def parts(value: Any) -> tuple[Any, ...]:
            found = step(value)
            if type(found) is dict:
                return tuple(found.get(name, UNSET) for name in names)
            return (found,) * len(names)

        self._names[f"parts{field}"] = lru_cache(CACHED_VALUES)(parts) if is_text else parts
        variables = [f"v{field}", *(f"v{field}_{number}" for number in range(1, len(names)))]
        self._lines.append(f"{', '.join(variables)}, = parts{field}(read.f{field})")
        self._sent.append(variables[0])
        self._more += variables[1:]

    def function(self, identify: Callable[[Any], str], attributes: type[msgspec.Struct]) -> Update:
        """Return the function.

        `identify` makes the custom ID of the first field, `attributes` take what is sent, in the
        order it was given in.
        """
        sent = ", ".join((*self._sent, *self._more))
        body = [*self._lines, f"return ProfileUpdate(identify(read.f0), Attributes({sent}), NO_EVENTS)"]
        source = "\n    ".join(["def update(read):", *body])
        names = {**self._names, "identify": identify, "Attributes": attributes}
        exec(source, names)  # noqa: S102 - see the docstring of the module
        update: Update = names["update"]
        return update

    def _write_unless(self, field: int, fits: str, step: Step) -> None:
        self._names[f"step{field}"] = step
        self._write(field, f"if not ({fits}): v{{0}} = step{{0}}(v{{0}})")

    def _write(self, field: int, *statements: str) -> None:
        self._lines += [f"v{field} = read.f{field}", *(line.format(field) for line in statements)]
        self._sent.append(f"v{field}")
