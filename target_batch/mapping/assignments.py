"""Which Batch names a property feeds, and why it feeds none: decided by names alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from target_batch.common.errors import ConfigurationError
from target_batch.common.reasons import Reason
from target_batch.mapping import natives
from target_batch.mapping.names import is_name, snake_case

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_WRAPPED = re.compile(r"(date|url|number|integer|boolean)\((.*)\)").fullmatch


@dataclass(frozen=True, slots=True)
class AssignedNames:
    """The Batch names that a property feeds, without `date()` and `url()` around them."""

    property: str
    names: tuple[str, ...]
    wrap: str | None = None
    """`date`, `url`, `number`, `integer` or `boolean` if `attributes` say so; else the SCHEMA decides."""
    explicit: bool = False
    locale: bool = False


@dataclass(frozen=True, slots=True)
class Excluded:
    """A property that feeds nothing; with a reason every value of it is a issue."""

    note: str
    reason: Reason | None = None


def is_bookkeeping(name: str) -> bool:
    """Tell whether the pipeline itself wrote the property; such are never sent by default."""
    return name.lower().startswith("_sdc_") or name == "_batch_reject"


@dataclass(frozen=True, slots=True)
class Container:
    """What decides about the properties of one container: a row, the traits, the properties."""

    stream: str
    naming: Callable[[str], str]
    mapping: Mapping[str, str | None] = field(default_factory=dict)
    only_mapped: bool = False
    excluded: Mapping[str, str] = field(default_factory=dict)
    """Property → what it is instead of an attribute; the stream's `attributes` overrule it."""
    natives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Property, by its snake_case name → the names Batch reserves that it feeds by default."""
    reserved: frozenset[str] = frozenset()
    """Names beginning with `$` that may be fed here."""
    exact: bool = False
    """Whether `natives` go by the property's exact name."""
    muted: frozenset[str] = frozenset()
    """Reserved names that a setting keeps from being sent."""
    refusal: Excluded | None = None
    """Why nothing can be fed here at all, by any mapping."""
    path: str = ""
    """Where the container stands, such as `traits.`; before every property's name."""

    def decide(self, name: str) -> AssignedNames | Excluded:
        """Return what the property feeds, or why it feeds nothing.

        Raises:
            ConfigurationError: the stream's `attributes` name something Batch does not take.
        """
        mapped = self.mapping.get(name, "")
        if mapped is None:
            return Excluded("the stream's `attributes` leave it out")
        target = self._explicit(name, mapped) if mapped else self._default(name)
        if isinstance(target, AssignedNames) and self.refusal:
            return self.refusal
        if isinstance(target, AssignedNames) and not self.muted.isdisjoint(target.names):
            return Excluded("the setting `consent` is `ignore`")
        return target

    def is_silent(self, name: str, decision: AssignedNames | Excluded) -> bool:
        """Tell whether a property outside the SCHEMA needs no word to the user."""
        wanted = isinstance(decision, AssignedNames) or decision.reason is not None
        return not wanted or name in self.mapping

    def order(self, target: AssignedNames) -> tuple[bool, int, bool, str]:
        """Say who goes first where two want one name.

        What the stream's `attributes` say, then the order of Batch's own names, then the property
        that has the name already, then the alphabet: never the order of arrival.
        """
        known = list(self.natives)
        default = snake_case(target.property)
        place = known.index(default) if default in known else len(known)
        return (not target.explicit, place, (target.property,) != target.names, target.property)

    def _explicit(self, name: str, mapped: str) -> AssignedNames:
        wrap, batch_name = _taken_apart(mapped.strip())
        if not (is_name(batch_name) or (not wrap and batch_name in self.reserved)):
            allowed = ", ".join(sorted(self.reserved)) or "none"
            raise ConfigurationError(
                f"`streams.{self.stream}.attributes.{name}` is not a name that Batch takes here: "
                "1 to 30 of a-z, 0-9 and _, plain or inside date(), url(), number(), integer() or boolean(); "
                f"of its own names: {allowed}."
            )
        return AssignedNames(name, (batch_name,), wrap, explicit=True)

    def _default(self, name: str) -> AssignedNames | Excluded:
        if is_bookkeeping(name):
            return Excluded("bookkeeping of the pipeline")
        if name in self.excluded:
            return Excluded(self.excluded[name])
        if self.only_mapped:
            return Excluded("not named in the stream's `attributes`")
        return self._by_name(name)

    def _by_name(self, name: str) -> AssignedNames | Excluded:
        if name in self.reserved:
            return AssignedNames(name, (name,))
        names = self.natives.get(name if self.exact else snake_case(name))
        if names:
            return AssignedNames(name, names, locale=names == natives.LOCALE)
        batch_name = self.naming(name)
        if not is_name(batch_name):
            return Excluded("no Batch name can be made of it", Reason.INVALID_NAME)
        return AssignedNames(name, (batch_name,))


def _taken_apart(mapped: str) -> tuple[str | None, str]:
    wrapped = _WRAPPED(mapped)
    return (wrapped[1], wrapped[2].strip()) if wrapped else (None, mapped)
