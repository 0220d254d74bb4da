"""The faults in force: which acts on a request, and how often each did."""

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
        raw: The rule as it was given.

    Raises:
        ScriptError: When the rule is malformed.
    """

    def __init__(self, number: int, raw: Any) -> None:
        self.number = number
        self.raw = raw
        self.rule, self.act = read_rule(raw)
        self.kind = kind_of(self.rule.do)
        self.enabled = self.rule.enabled
        self.rewind()

    def rewind(self) -> None:
        """Count and draw from the beginning."""
        self.seen = 0
        self.hits = 0
        self._random = Random(self.rule.match.seed)  # noqa: S311 - repeatable, not secret

    def is_due(self, exchange: Exchange) -> bool:
        """Count a request and return whether it is this rule's turn."""
        match = self.rule.match
        if not self.enabled or not self._fits(exchange):
            return False
        self.seen += 1
        drawn = match.share is None or self._random.random() < match.share
        placed = match.nth is None or self.seen in match.nth
        left = self.rule.times is None or self.hits < self.rule.times
        return drawn and placed and left and self.act.concerns(exchange)

    def show(self) -> dict[str, Any]:
        """Describe the rule and its counts."""
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
        """Add rules at the end, all or none; return their IDs.

        Raises:
            ScriptError: When one is malformed.
        """
        added = [Fault(number, raw) for number, raw in enumerate(rules, self._last + 1)]
        self._last += len(added)
        self.faults.extend(added)
        return [fault.number for fault in added]

    def find(self, number: int) -> Fault | None:
        """Return the fault with this ID."""
        return next((fault for fault in self.faults if fault.number == number), None)

    def remove(self, number: int | None = None) -> None:
        """Remove one fault, or all."""
        self.faults = [f for f in self.faults if number is not None and f.number != number]

    def pick(self, exchange: Exchange) -> Act | None:
        """Count a request with every rule; return what to do with it, None for nothing."""
        due = [fault for fault in self.faults if fault.is_due(exchange)]
        if not due:
            return None
        due[0].hits += 1
        exchange.fault = due[0].kind
        return due[0].act

    def rewind(self) -> None:
        """Let every rule count from the beginning."""
        for fault in self.faults:
            fault.rewind()
