"""The Batch names that properties feed, decided by name alone and once per SCHEMA."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from target_batch.common.errors import ConfigurationError
from target_batch.common.limits import CACHED_VALUES, NAME_LENGTH
from target_batch.common.properties import words
from target_batch.common.reasons import Reason
from target_batch.mapping import natives

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_VALID = re.compile(rf"[a-z0-9_]{{1,{NAME_LENGTH}}}").fullmatch
_OUTSIDE = re.compile(r"[^a-z0-9_]")
_BASIC_PLANE = "\uffff"
_TYPED = re.compile(r"(?:date|url)\((.*)\)", re.DOTALL).fullmatch
_WRAPPED = re.compile(r"(date|url|number|integer|boolean)\((.*)\)").fullmatch


def is_name(name: str) -> bool:
    """Return whether Batch accepts the name unchanged: 1 to 30 of `[a-z0-9_]` [read]."""
    return _VALID(name) is not None


@lru_cache(maxsize=CACHED_VALUES)
def snake_case(name: str) -> str:
    """Return the snake_case form; a valid name is returned unchanged.

    The result may still be empty or too long: check it with `is_name`.
    """
    return name if _VALID(name) else "_".join(words(transliterated(name)))


@lru_cache(maxsize=CACHED_VALUES)
def segment_name(name: str) -> str:
    """Return the name that Batch's Segment destination would use, if valid, otherwise snake_case."""
    peer = _OUTSIDE.sub("", name.lower())
    return peer if _VALID(peer) else snake_case(name)


@lru_cache(maxsize=CACHED_VALUES)
def segment_event_name(name: str) -> str:
    """Return the event name that Batch's Segment destination would use, if valid, otherwise snake_case.

    That is written in JavaScript, where a character beyond the basic plane, such as an emoji, counts as two.
    """
    peer = _OUTSIDE.sub(lambda found: "_" if found[0] <= _BASIC_PLANE else "__", name.lower())
    return peer if _VALID(peer) else snake_case(name)


def base_name(attribute: str) -> str:
    """Return the name inside `date(name)` or `url(name)`, or the name itself."""
    typed = _TYPED(attribute)
    return typed[1] if typed else attribute


def transliterated(name: str) -> str:
    """Return a name transliterated to ASCII: `Été` becomes `Ete`."""
    if name.isascii():
        return name
    from anyascii import anyascii  # noqa: PLC0415 - its tables are loaded only if a name needs them

    return anyascii(name)


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
    """A property that feeds nothing; if it has a reason, each of its values is an issue."""

    note: str
    reason: Reason | None = None


def is_bookkeeping(name: str) -> bool:
    """Return whether the pipeline itself added the property; by default, such properties are not sent."""
    return name.lower().startswith("_sdc_") or name == "_batch_reject"


@dataclass(frozen=True, slots=True)
class Container:
    """The rules for the properties of one container: a row, `traits` or `properties`."""

    stream: str
    naming: Callable[[str], str]
    mapping: Mapping[str, str | None] = field(default_factory=dict)
    only_mapped: bool = False
    excluded: Mapping[str, str] = field(default_factory=dict)
    """Property → its role, if not an attribute; the stream's `attributes` take precedence."""
    natives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """snake_case name of a property → the reserved Batch names that it feeds by default."""
    reserved: frozenset[str] = frozenset()
    """Names beginning with `$` that are allowed here."""
    exact: bool = False
    """Whether `natives` are looked up by the property's exact name."""
    muted: frozenset[str] = frozenset()
    """Reserved names that a setting keeps from being sent."""
    refusal: Excluded | None = None
    """Why no property can be sent from here, not even an explicitly mapped one."""
    path: str = ""
    """The prefix of every property's path, such as `traits.`."""
    takes_objects: bool = False
    """Whether an attribute can be an object."""
    new_notes: list[str] = field(default_factory=list, compare=False)
    """Notes since the SCHEMA that nobody has taken yet; copies made with `replace` share the list."""

    def decide(self, name: str) -> AssignedNames | Excluded:
        """Return what the property feeds, or why it feeds nothing.

        Raises:
            ConfigurationError: the stream's `attributes` name something that Batch does not accept.
        """
        mapped = self.mapping.get(name, "")
        if mapped is None:
            return Excluded("the stream's `attributes` leave it out")
        target = self._explicit(name, mapped.strip()) if mapped else self._default(name)
        if isinstance(target, AssignedNames) and self.refusal:
            return self.refusal
        if isinstance(target, AssignedNames) and not self.muted.isdisjoint(target.names):
            return Excluded("the setting `consent` is `ignore`")
        return target

    def order(self, target: AssignedNames) -> tuple[bool, int, bool, str]:
        """Return the sort key that decides which of several properties gets a name.

        Explicit `attributes` come first, then the order of natives, then a property that already has the
        name, then the alphabet; never the order of arrival.
        """
        known = list(self.natives)
        default = snake_case(target.property)
        place = known.index(default) if default in known else len(known)
        return (not target.explicit, place, (target.property,) != target.names, target.property)

    def _explicit(self, name: str, mapped: str) -> AssignedNames:
        wrapped = _WRAPPED(mapped)
        wrap, batch_name = (wrapped[1], wrapped[2].strip()) if wrapped else (None, mapped)
        if not (is_name(batch_name) or (not wrap and batch_name in self.reserved)):
            allowed = ", ".join(sorted(self.reserved)) or "none"
            raise ConfigurationError(
                f"`streams.{self.stream}.attributes.{name}` is not a name that Batch takes here: "
                "1 to 30 of a-z, 0-9 and _, plain or inside date(), url(), number(), integer() or boolean(); "
                f"of its own names: {allowed}."
            )
        return AssignedNames(name, (batch_name,), wrap, explicit=True)

    def _default(self, name: str) -> AssignedNames | Excluded:
        note = "bookkeeping of the pipeline" if is_bookkeeping(name) else self.excluded.get(name)
        if note is None and self.only_mapped:
            note = "not named in the stream's `attributes`"
        if note is not None:
            return Excluded(note)
        if name in self.reserved:
            return AssignedNames(name, (name,))
        names = self.natives.get(name if self.exact else snake_case(name))
        if names:
            return AssignedNames(name, names, locale=names == natives.LOCALE)
        batch_name = self.naming(name)
        if not is_name(batch_name):
            return Excluded("no Batch name can be made of it", Reason.INVALID_NAME)
        return AssignedNames(name, (batch_name,))


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One line of a printed plan: how one property is mapped.

    `target` is Batch's key (`date(signup)`, `$language, $region`), or None if the property feeds
    nothing; `reason` is set if its values are rejected.
    """

    property: str
    target: str | None
    type: str
    reason: Reason | None = None
    note: str = ""


def assign(
    container: Container, properties: Iterable[str]
) -> tuple[dict[str, AssignedNames | Excluded], dict[str, str], tuple[str, ...]]:
    """Decide what each property feeds.

    Several properties may share a native, such as `language` and `locale`: in each record, the first one
    with a value is sent. Any other name belongs to one property; others that would feed it are left out.

    Returns:
        The decisions; Batch name → the property that feeds it, or the first of those that share it; and the
        properties that share a native.
    """
    decisions = {name: container.decide(name) for name in properties}
    targets = [decision for decision in decisions.values() if isinstance(decision, AssignedNames)]
    owners: dict[str, str] = {}
    sharing: dict[str, None] = {}
    for target in sorted(targets, key=container.order):
        for name in target.names:
            first = owners.setdefault(name, target.property)
            if first == target.property:
                continue
            if name.startswith("$"):
                sharing |= {first: None, target.property: None}
            else:
                decisions[target.property] = lost(target, owners)
    return decisions, owners, tuple(sharing)


def lost(target: AssignedNames, owners: Mapping[str, str]) -> Excluded:
    """Return the decision for a property whose names are all taken."""
    name = target.names[0]
    return Excluded(f"`{owners[name]}` feeds `{name}` already", Reason.NAME_COLLISION)
