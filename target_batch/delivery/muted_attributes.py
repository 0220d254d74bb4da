"""What of a stream is left out because Batch, or the mapping, refused it too often for one reason.

Batch refuses attributes singly: without this one bad column would make millions of rejects. What is
left out is taken out of the records themselves, so that nothing behind has to know of it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_batch.common.reasons import Fault

REMEMBERED = 10_000
"""Refusals told apart at a time: a source that invents a name for each record must not fill the memory."""


class Blame:
    """Counts the refusals of one stream's properties, and takes out those that were too many.

    `most` refusals for one reason are enough, 0 never are; `refused` counts them, `paths` are what is
    left out by now.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.refused: Counter[tuple[str, str]] = Counter()
        self.paths: list[str] = []

    def count(self, faults: Iterable[Fault]) -> Iterator[tuple[str, str]]:
        """Count refusals, and give the property and the reason's code of those that are now enough."""
        for fault in faults:
            if fault.property is not None and self._most:
                blamed = fault.property, fault.reason.code
                if len(self.refused) >= REMEMBERED:
                    self.refused = Counter(dict(self.refused.most_common(REMEMBERED // 2)))
                self.refused[blamed] += 1
                if self.refused[blamed] == self._most:
                    yield blamed

    def concerns(self, fault: Fault) -> bool:
        """Tell whether a fault is about something that is left out."""
        return fault.property in self.paths

    def spare(self, record: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """Return a record without what is left out, and how many values that were; nulls are none."""
        values = 0
        for path in self.paths:
            record, found = _without(record, path)
            values += found
        return record, values


def _without(value: Any, path: str) -> tuple[Any, int]:
    """Take out what stands at a dotted path, inside the objects of arrays too; nothing is changed."""
    if isinstance(value, list):
        parts = [_without(item, path) for item in value]
        return [part for part, _ in parts], sum(found for _, found in parts)
    if not isinstance(value, dict):
        return value, 0
    if path in value:
        rest = {name: item for name, item in value.items() if name != path}
        return rest, int(value[path] is not None)
    head, _, inside = path.partition(".")
    if not inside or head not in value:
        return value, 0
    kept, found = _without(value[head], inside)
    return {**value, head: kept}, found
