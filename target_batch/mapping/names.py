"""Which Batch names a property feeds, decided by names alone, and who feeds what once per SCHEMA."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from target_batch.common.errors import ConfigurationError
from target_batch.common.limits import CACHED_VALUES, NAME_LENGTH
from target_batch.common.reasons import Reason
from target_batch.mapping import natives

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Literal

    from target_batch.mapping.declared import Declared

_VALID = re.compile(rf"[a-z0-9_]{{1,{NAME_LENGTH}}}").fullmatch
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN_WORDS = re.compile(r"[^a-z0-9]+")
_OUTSIDE = re.compile(r"[^a-z0-9_]")
_BASIC_PLANE = "\uffff"
_TYPED = re.compile(r"(?:date|url)\((.*)\)", re.DOTALL).fullmatch


def is_name(name: str) -> bool:
    """Tell whether Batch takes the name as it stands: 1 to 30 of `[a-z0-9_]` [read]."""
    return _VALID(name) is not None


@lru_cache(maxsize=CACHED_VALUES)
def snake_case(name: str) -> str:
    """Return the snake_case form; a name that is valid already stays as it is.

    The result may still be empty or too long: `is_name` tells.
    """
    if _VALID(name):
        return name
    words = _WORD_START.sub("_", transliterated(name)).lower()
    return _BETWEEN_WORDS.sub("_", words).strip("_")


@lru_cache(maxsize=CACHED_VALUES)
def segment_name(name: str) -> str:
    """Return the name Batch's destination on Segment gives, where it is valid, else snake_case."""
    peer = _OUTSIDE.sub("", name.lower())
    return peer if _VALID(peer) else snake_case(name)


@lru_cache(maxsize=CACHED_VALUES)
def segment_event_name(name: str) -> str:
    """Return the event name the same destination gives, where it is valid, else snake_case.

    It is written in JavaScript, where a character beyond the basic plane, such as an emoji, counts as two.
    """
    peer = _OUTSIDE.sub(lambda found: "_" if found[0] <= _BASIC_PLANE else "__", name.lower())
    return peer if _VALID(peer) else snake_case(name)


def attribute_namer(naming: Literal["snake_case", "segment"]) -> Callable[[str], str]:
    """Return the rule of the setting `attribute_naming` for attributes."""
    return segment_name if naming == "segment" else snake_case


def event_namer(naming: Literal["snake_case", "segment"]) -> Callable[[str], str]:
    """Return the rule of the setting `attribute_naming` for events."""
    return segment_event_name if naming == "segment" else snake_case


def base_name(attribute: str) -> str:
    """Return the name inside `date(name)` and `url(name)`, or the name itself."""
    typed = _TYPED(attribute)
    return typed[1] if typed else attribute


def transliterated(name: str) -> str:
    """Return a name in ASCII letters: `Été` is `Ete`."""
    if name.isascii():
        return name
    from anyascii import anyascii  # noqa: PLC0415 - its tables load only where a name needs them

    return anyascii(name)


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


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One line of a printed plan: what becomes of one property.

    `target` is Batch's key (`date(signup)`, `$language, $region`), None where the property feeds
    nothing; `reason` is set where its values are refused for it.
    """

    property: str
    target: str | None
    type: str
    reason: Reason | None = None
    note: str = ""


class Assignments(NamedTuple):
    """What the properties of a schema feed, and which of them take turns."""

    decisions: dict[str, AssignedNames | Excluded]
    owners: dict[str, str]
    """Batch's name → the property that has it, or goes first."""

    sharing: tuple[str, ...]
    """Properties that feed one native; record by record, the first of them that has a value is sent."""


def assign(container: Container, properties: Iterable[str]) -> Assignments:
    """Decide for every property what it feeds.

    Several properties may feed one native, such as `language` and `locale`. Any other name belongs to one
    property; the others that want it are left out.
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
    return Assignments(decisions, owners, tuple(sharing))


def lost(target: AssignedNames, owners: Mapping[str, str]) -> Excluded:
    """Return the decision about a property whose names are all taken."""
    name = target.names[0]
    return Excluded(f"`{owners[name]}` feeds `{name}` already", Reason.NAME_COLLISION)


def row(
    name: str, decision: AssignedNames | Excluded, declared: Declared, key: str, note: str = ""
) -> PlanRow:
    """Return the line of a printed plan about one property."""
    if isinstance(decision, Excluded):
        return PlanRow(name, None, declared.label, decision.reason, decision.note)
    return PlanRow(name, key or ", ".join(decision.names), declared.label, note=note)
