"""Parsing and validation of fault scripts."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from target_batch.sandbox.faults import acts, floods
from target_batch.sandbox.faults.acts import Act

Position = Annotated[int, Meta(ge=1)]
"""A position among the matching requests, from 1."""


class ScriptError(Exception):
    """A script or rule that differs from the format described in `target_batch.sandbox.faults`."""


class Span(Struct, forbid_unknown_fields=True):
    """``nth`` as a span, including both ends; without ``to`` it has no end."""

    to: Position | None = None
    start: Position = msgspec.field(name="from", default=1)
    every: Position = 1

    def __contains__(self, place: int) -> bool:
        within = self.start <= place and (self.to is None or place <= self.to)
        return within and (place - self.start + 1) % self.every == 0


class Match(Struct, forbid_unknown_fields=True):
    """The requests that a rule matches; see `target_batch.sandbox.faults`."""

    path: str = "*"
    method: str | None = None
    contains_id: str | None = None
    nth: list[Position] | Span | None = None
    share: Annotated[float, Meta(ge=0, le=1)] | None = None
    seed: int = 0


class Rule(Struct, forbid_unknown_fields=True):
    """One rule of a script; see `target_batch.sandbox.faults`."""

    do: Any
    match: Match = msgspec.field(default_factory=Match)
    times: Position | None = None
    name: str = ""
    enabled: bool = True


KINDS: Final[dict[str, tuple[type[Act], str]]] = {
    "answer": (acts.Literal, "status"),
    "accept_then": (acts.AcceptThen, "then"),
    "reset": (acts.Reset, ""),
    "close": (acts.Close, ""),
    "delay": (acts.Delay, "seconds"),
    "trickle": (floods.Trickle, "interval"),
    "trickle_headers": (floods.TrickleHeaders, "interval"),
    "huge": (floods.Huge, "bytes"),
    "gzip_bomb": (floods.GzipBomb, "bytes"),
    "redirect": (acts.Redirect, "to"),
    "partial_errors": (acts.PartialErrors, "errors"),
    "retry_after": (acts.RetryAfter, "value"),
    "refuse_ids": (acts.RefuseIds, "ids"),
    "max_body": (acts.MaxBody, "bytes"),
}
"""The action of each keyword of ``do``, and the field whose value may be given alone."""


def read_rule(raw: Any) -> tuple[Rule, Act]:
    """Parse and check one rule.

    Raises:
        ScriptError: If it is malformed; the message says where.
    """
    try:
        rule = msgspec.convert(raw, Rule)
    except msgspec.ValidationError as error:
        raise ScriptError(f"not a rule: {error}") from None
    return rule, read_act(rule.do)


def kind_of(do: Any) -> str:
    """Return the keyword of a ``do``, such as ``reset``."""
    return do if isinstance(do, str) else next(iter(do))


def read_act(do: Any) -> Act:
    """Parse and check one ``do``.

    Raises:
        ScriptError: If it is malformed; the message says where.
    """
    if isinstance(do, str):
        do = {do: {}}
    if not isinstance(do, dict) or len(do) != 1:
        raise ScriptError("do: one word, or an object with one key")
    kind, argument = next(iter(do.items()))
    if kind not in KINDS:
        raise ScriptError(f"do: {kind!r} is none of {', '.join(KINDS)}")
    form, main = KINDS[kind]
    if main and (kind == "accept_then" or not isinstance(argument, dict)):
        argument = {main: argument}
    if isinstance(argument, dict) and "then" in argument:
        argument = {**argument, "then": read_act(argument["then"])}
    try:
        return msgspec.convert(argument, form)
    except msgspec.ValidationError as error:
        raise ScriptError(f"do: {kind}: {error}") from None
