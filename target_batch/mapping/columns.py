"""The compiled conversion of each property: from the schema or, if undeclared, when it first appears."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from target_batch.common.limits import LEARNED_NAMES
from target_batch.common.reasons import Issue, Reason
from target_batch.mapping import values
from target_batch.mapping.dates import as_sent, looks_like_a_date, utc
from target_batch.mapping.declared import ANYTHING, KINDS_BY_TYPE, RECOGNIZABLE, Schema
from target_batch.mapping.names import AssignedNames, Excluded, PlanRow, assign, base_name, lost
from target_batch.mapping.values import SKIP, InvalidValue, PartlyInvalid, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import TypeAlias

    from target_batch.mapping.declared import Declared
    from target_batch.mapping.names import Container
    from target_batch.mapping.values import Convert

    Fits: TypeAlias = Callable[[str], Any]
    """A quick test of text: true if it can be sent unchanged; false is inconclusive."""

    Column: TypeAlias = tuple[str, Fits | None, Convert, dict[str, None]]
    """Batch's key (empty if the converter returns a dict of keys), the test for text that can be sent
    unchanged (None: no text can), the converter for other values, and the attributes that a null writes."""

    Dialect: TypeAlias = Callable[[AssignedNames, Declared], Column]
    """Returns the column of a property: attributes of profiles, events and audience members differ."""


_WRAP_BY_FORMAT = {"date-time": "date", "date": "date", "uri": "url"}
_BY_WRAP: dict[str, Convert] = {"date": utc, "url": values.url}
_FROM_TEXT: dict[str, Convert] = {
    "number": values.number_in_text,
    "integer": values.integer_in_text,
    "boolean": values.boolean_in_text,
}
_OF_NUMBERS: dict[str, Convert] = {"number": values.number, "integer": values.integer}
_TEXT = frozenset({"string"})
_DECIMALS = frozenset({"singer.decimal", "x-singer.decimal"})
"""Formats with which SDK taps declare decimal numbers that they send as text."""

_FIRST_OF_HTTP = ("h", "H")


def by_type(array: Convert, structure: Convert, truth: Convert = values.boolean) -> Mapping[type, Convert]:
    """Return the converters by JSON type; only arrays, objects and booleans differ between dialects."""
    scalars: dict[type, Convert] = {str: values.text, **dict.fromkeys((int, Decimal, float), values.number)}
    return {**scalars, bool: truth, list: array, dict: structure}


def column(target: AssignedNames, declared: Declared, converters: Mapping[type, Convert]) -> Column:
    """Return the column of a property: as its mapping says, otherwise as its SCHEMA says; without nulls."""
    name, wrap = target.names[0], target.wrap
    if wrap in _FROM_TEXT:
        convert = _FROM_TEXT[wrap]
        return name, None, _then(convert, converters[bool]) if wrap == "boolean" else convert, {}
    wrap = wrap or _WRAP_BY_FORMAT.get(declared.format or "")
    if wrap:
        is_moment = wrap == "date" and declared.format != "date" and admits_text(declared)
        return f"{wrap}({name})", as_sent if is_moment else None, checked(declared, _BY_WRAP[wrap]), {}
    wraps = {_WRAP_BY_FORMAT[found] for found in declared.formats if found in _WRAP_BY_FORMAT}
    if wraps:
        return "", None, typed(declared, _by_value(name, converters, wraps)), {}
    kinds = declared.kinds - {"integer"} if "number" in declared.kinds else declared.kinds
    if len(kinds) == 1:
        return _single(name, declared, next(iter(kinds)), converters)
    fits = values.is_short if admits_text(declared) else None
    return name, fits, typed(declared, _any_of(converters)), {}


def admits_text(declared: Declared) -> bool:
    """Return whether the SCHEMA allows text."""
    return not declared.kinds or "string" in declared.kinds


def _then(convert: Convert, truth: Convert) -> Convert:
    """Return a converter that passes its booleans on to `truth`: not every dialect accepts them."""

    def both(value: Any) -> Any:
        found = convert(value)
        return found if found is None else truth(found)

    return both


def checked(declared: Declared, convert: Convert) -> Convert:
    """Return a text converter that rejects values contradicting the SCHEMA; at no cost for plain text."""
    return convert if declared.kinds == _TEXT else typed(declared, convert)


def _any_of(converters: Mapping[type, Convert]) -> Convert:
    """Return a converter that picks one by the JSON type of each value."""

    def convert(value: Any) -> Any:
        own = converters.get(type(value))
        if own is None:
            raise InvalidValue(Reason.UNSUPPORTED_VALUE, "The value is of a kind that JSON does not have.")
        return own(value)

    return convert


def _by_value(name: str, converters: Mapping[type, Convert], wraps: Collection[str]) -> Convert:
    """Return a converter that recognizes dates and URLs by their format; it returns key and value."""
    plain = _any_of(converters)
    dates, urls = "date" in wraps, "url" in wraps
    as_date, as_url = f"date({name})", f"url({name})"

    def convert(value: Any) -> Any:
        if type(value) is str:
            if dates and value[:1].isdigit():
                if as_sent(value):
                    return {as_date: value}
                if looks_like_a_date(value):
                    return {as_date: utc(value)}
            if urls and value[:1] in _FIRST_OF_HTTP and values.looks_like_a_url(value):
                return {as_url: values.url(value)}
        try:
            fit = plain(value)
        except PartlyInvalid as partly:
            raise PartlyInvalid({name: partly.value} if partly.value else {}, partly.issues) from None
        return fit if fit is None or fit is SKIP else {name: fit}

    return convert


def _single(name: str, declared: Declared, kind: str, converters: Mapping[type, Convert]) -> Column:
    if declared.format in _DECIMALS:
        return name, None, values.decimal_text, {}
    if kind == "string":
        return name, values.is_short, values.text, {}
    if kind in _OF_NUMBERS:
        return name, None, _OF_NUMBERS[kind], {}
    return name, None, converters[{"boolean": bool, "array": list}.get(kind, dict)], {}


class Columns:
    """The columns of a container's properties, `by_name`; `learn` adds those missing from the SCHEMA.

    `contested` holds the columns of properties that compete for a name. Without a `schema`, dates and URLs
    are recognized by their format.
    """

    def __init__(
        self,
        container: Container,
        dialect: Dialect,
        properties: Mapping[str, Any] | None = None,
        schema: Schema | None = None,
    ) -> None:
        self.container = container
        self.by_name: dict[str, Column] = {}
        self.contested: dict[str, Column] = {}
        self.rows: list[PlanRow] = []
        self.new_notes = container.new_notes
        self._dialect = dialect
        self._has_schema = properties is not None
        self._default = ANYTHING if schema else RECOGNIZABLE
        self._noted: set[str] = set()
        self._open: set[str] = set()
        schema, properties = schema or Schema({}), properties or {}
        self._declared = {name: schema.declared(said) for name, said in properties.items()}
        self.paths = tuple(name for name in container.mapping if "." in name and name not in properties)
        inside = {path: schema.at(path, properties) for path in self.paths}
        self._declared |= {path: declared for path, declared in inside.items() if declared is not None}
        self._targets: dict[str, AssignedNames] = {}
        self._rivals: dict[str, list[str]] = {}
        for name in container.mapping:
            container.decide(name)  # a wrong name in the settings is reported before the first record
        decisions, self._owners, sharing = assign(container, self._declared)
        for name, decision in decisions.items():
            self._add(name, decision)
            self.rows.append(self._row(name, decision, self._turn(name) if name in sharing else ""))
        for name in sharing:
            self.contested[name] = self.by_name[name]
            self.by_name[name] = DEFERRED
        self._sharing = len(sharing)
        self._places = {name: place for place, name in enumerate(decisions)}
        self._announced = len(self.by_name)
        self.crowded = self._collided = False

    def learn(self, name: str) -> Column:
        """Add the column of a property that appears for the first time, and return it."""
        decision = self.container.decide(name)
        if isinstance(decision, AssignedNames):
            free = tuple(wanted for wanted in decision.names if wanted not in self._owners)
            decision = replace(decision, names=free) if free else lost(decision, self._owners)
        self._add(name, decision)
        self._note(name, decision)
        self.crowded = len(self.by_name) - self._announced > LEARNED_NAMES
        if isinstance(decision, AssignedNames):
            self._compare(name, decision)
        return self.by_name[name]

    def forget(self) -> None:
        """Drop the columns of undeclared properties; called between records once `crowded`."""
        self.crowded = False
        for name in list(self.by_name)[self._announced :]:
            del self.by_name[name]
            self._targets.pop(name, None)
        self._rivals.clear()
        for name in list(self.contested)[self._sharing :]:
            del self.contested[name]

    def take_collided(self) -> bool:
        """Return whether a property learned since the last call competes with another for a name.

        The record in which it was found has then to be converted again, as its values may be out of turn.
        """
        collided, self._collided = self._collided, False
        return collided

    def expects(self, path: str) -> bool:
        """Return whether a path is expected to lead into an object; if not, another value is not an issue."""
        return self.container.mapping[path] is not None and (path in self._declared or not self._has_schema)

    def opened(self, head: str) -> bool:
        """Return whether only the parts of an object that `attributes` name are sent; adds a note once."""
        if self.container.takes_objects or head in self.container.mapping:
            return False
        if head not in self._open:
            self._open.add(head)
            self.new_notes.append(
                f"Only those parts of the object `{self.container.path}{head}` are sent that the stream's "
                "`attributes` name."
            )
        return True

    def order(self, name: str) -> tuple[bool, int, bool, str]:
        """Return the sort key that decides which of several properties gets a name."""
        return self.container.order(self._targets[name])

    def targets(self, name: str) -> tuple[str, ...]:
        """Return the Batch names that a property feeds; empty if it is left out."""
        target = self._targets.get(name)
        return target.names if target else ()

    def date_key(self, name: str) -> str | None:
        """Return the Batch key that a date of the property gets; None if it has to be of another type."""
        target = self._targets.get(name)
        if target is None or target.names[0].startswith("$") or target.wrap not in {None, "date"}:
            return None
        return f"date({target.names[0]})"

    def place(self, key: str) -> tuple[bool, int]:
        """Return the sort key of a Batch key: natives, then schema order, then undeclared properties."""
        owner = self._owners.get(base_name(key), "")
        return (not key.startswith("$"), self._places.get(owner, len(self._places)))

    def feeders(self, attribute: str) -> tuple[str, ...]:
        """Return the properties that feed a Batch name, given with or without `date()` or `url()`."""
        name = base_name(attribute)
        return tuple(
            self.container.path + property_
            for property_, target in self._targets.items()
            if name in target.names
        )

    def issue(self, name: str, value: Any, invalid: InvalidValue) -> Issue:
        """Return the issue of a value; a contradiction of the SCHEMA takes precedence as its reason."""
        reason, target = invalid.reason, self._targets.get(name)
        said = self._declared.get(name, ANYTHING)
        if target is not None and type(value) in KINDS_BY_TYPE and not said.admits(value):
            reason = Reason.SCHEMA_VIOLATION
        key = (self.by_name[name][0] or target.names[0]) if target else None
        # A declared property yields only to other declared ones, and a note at the SCHEMA said so.
        is_announced = reason is Reason.NAME_COLLISION and name in self._declared
        return Issue(reason, self.container.path + name, key, invalid.message, counted_only=is_announced)

    def _add(self, name: str, decision: AssignedNames | Excluded) -> None:
        if isinstance(decision, AssignedNames):
            self._targets[name] = decision
            self.by_name[name] = self._dialect(decision, self._declared.get(name, self._default))
        else:
            self.by_name[name] = ("", None, refuse(decision), {})

    def _row(self, name: str, decision: AssignedNames | Excluded, note: str = "") -> PlanRow:
        path, type_ = self.container.path + name, self._declared.get(name, ANYTHING).label
        if isinstance(decision, Excluded):
            return PlanRow(path, None, type_, decision.reason, decision.note)
        return PlanRow(path, self.by_name[name][0] or ", ".join(decision.names), type_, note=note)

    def _turn(self, name: str) -> str:
        """Return a note on when a property that shares a native is sent; empty if it comes first."""
        owners = dict.fromkeys(self._owners[wanted] for wanted in self._targets[name].names)
        before = [f"`{owner}`" for owner in owners if owner != name]
        listed = " and ".join(before)
        return f"sent where {listed} has no value" if before else ""

    def _compare(self, name: str, target: AssignedNames) -> None:
        for wanted in target.names:
            rivals = self._rivals.setdefault(wanted, [])
            rivals.append(name)
            for rival in rivals if len(rivals) > 1 else ():
                self._collided = True
                self.contested.setdefault(rival, self.by_name[rival])
                self.by_name[rival] = DEFERRED

    def _note(self, name: str, decision: AssignedNames | Excluded) -> None:
        if name in self._noted or len(self._noted) > LEARNED_NAMES:
            return
        self._noted.add(name)
        row = self._row(name, decision)
        self.rows.append(row)
        if self._has_schema and (row.target or row.reason) and name not in self.container.mapping:
            fate = f"sent as `{row.target}` by its JSON type" if row.target else row.note
            self.new_notes.append(f"Property `{name}` is not in the SCHEMA: {fate}.")


def refuse(decision: Excluded) -> Convert:
    """Return the converter of an excluded property: it rejects values, or skips them if it has no reason."""
    reason, note = decision.reason, decision.note
    if reason is None:
        return _nothing

    def refused(_: Any) -> Any:
        raise InvalidValue(reason, f"Not sent: {note}.")

    return refused


def _nothing(_: Any) -> Any:
    return SKIP


DEFERRED: Column = ("", None, _nothing, {})
"""The column of a contested property, which is converted after the rest of the record."""
