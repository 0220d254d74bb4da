"""The faults in force, their counters, and the choice of the one that acts on a request."""

from fnmatch import fnmatchcase
from random import Random
from typing import Any

from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.faults.acts import Act
from target_batch.sandbox.faults.script import kind_of, read_rule


class Fault:
    """One rule in force.

    Args:
        number: Its ID, from 1.
        raw: The decoded JSON rule.

    Raises:
        ScriptError: If the rule is malformed.
    """

    def __init__(self, number: int, raw: Any) -> None:
        self.number = number
        self.raw = raw
        self.rule, self.act = read_rule(raw)
        self.kind = kind_of(self.rule.do)
        self.enabled = self.rule.enabled
        self.rewind()

    def rewind(self) -> None:
        """Reset the counters and the random generator."""
        self.seen = 0
        self.hits = 0
        self._random = Random(self.rule.match.seed)  # noqa: S311 - repeatable, not secret

    def is_due(self, exchange: Exchange) -> bool:
        """Count a request if it matches, and return whether the rule acts on it."""
        match = self.rule.match
        if not self.enabled or not self._fits(exchange):
            return False
        self.seen += 1
        drawn = match.share is None or self._random.random() < match.share
        placed = match.nth is None or self.seen in match.nth
        left = self.rule.times is None or self.hits < self.rule.times
        return drawn and placed and left and self.act.concerns(exchange)

    def show(self) -> dict[str, Any]:
        """Describe the rule and its counters."""
        return {
            "id": self.number,
            "name": self.rule.name or self.kind,
            "kind": self.kind,
            "enabled": self.enabled,
            "seen": self.seen,
            "hits": self.hits,
            "rule": self.raw,
        }

    def _fits(self, exchange: Exchange) -> bool:
        match = self.rule.match
        return (
            fnmatchcase(exchange.path, match.path)
            and match.method in {None, exchange.method}
            and (match.contains_id is None or match.contains_id in exchange.ids)
        )


class FaultBook:
    """All faults, in order."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._last = 0

    def add(self, rules: list[Any]) -> list[int]:
        """Append rules and return their IDs; if one is malformed, none is added.

        Raises:
            ScriptError: If a rule is malformed.
        """
        added = [Fault(number, raw) for number, raw in enumerate(rules, self._last + 1)]
        self._last += len(added)
        self.faults.extend(added)
        return [fault.number for fault in added]

    def find(self, number: int) -> Fault | None:
        """Return the fault with this ID, or None if there is none."""
        return next((fault for fault in self.faults if fault.number == number), None)

    def remove(self, number: int | None = None) -> None:
        """Remove one fault, or all faults if no ID is given."""
        self.faults = [f for f in self.faults if number is not None and f.number != number]

    def pick(self, exchange: Exchange) -> Act | None:
        """Let every rule count a request; return the action to perform on it, or None."""
        due = [fault for fault in self.faults if fault.is_due(exchange)]
        if not due:
            return None
        due[0].hits += 1
        exchange.fault = due[0].kind
        return due[0].act

    def rewind(self) -> None:
        """Reset the counters of every rule."""
        for fault in self.faults:
            fault.rewind()
