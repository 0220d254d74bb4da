"""What one run refused, from its rejects files: by stream and reason, with examples and what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from target_batch.commands.rejects import EXAMPLES, Group
from target_batch.common.reasons import Reason
from target_batch.common.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_batch.commands.history import RejectMark

UNKNOWN: Final = "A reason that this version does not know."
LONGEST_FILE: Final = 1000
NAMES: Final = {"batch": "Batch", "id": "ID", "url": "URL", "segment": "Segment"}
"""Words that keep their capitals."""
BY_CODE: Final = {reason.code: reason for reason in Reason}


@dataclass
class Refused:
    """What the rejects files of one run hold; `files` says of each whether anything in it can be replayed."""

    groups: dict[str, dict[str, Group]] = field(default_factory=dict)
    examples: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    files: dict[str, bool] = field(default_factory=dict)


def gathered(refusals: Iterable[RejectMark]) -> Refused:
    """Gather refusals; of each group a few are kept as examples, without the record."""
    found = Refused()
    for refusal in refusals:
        code = str(refusal.mark.get("code", "unknown"))
        found.groups.setdefault(refusal.stream, {}).setdefault(code, Group()).add(refusal.mark)
        examples = found.examples.setdefault((refusal.stream, code), [])
        if len(examples) < EXAMPLES:
            examples.append(_example(refusal))
        repeatable = refusal.mark.get("replay") is not False
        found.files[refusal.file] = found.files.get(refusal.file, False) or repeatable
    return found


def reason(found: Refused, stream: str, code: str, counted: int) -> dict[str, Any]:
    """Describe one reason of a stream; `counted` is what the run log says, the files may know otherwise."""
    group = found.groups.get(stream, {}).get(code) or Group()
    known = BY_CODE.get(code)
    return {
        "code": clean(code, 60),
        "label": _label(clean(code, 60)),
        "count": max(counted, group.count),
        "costs": known.level if known else "",
        "advice": known.advice if known else UNKNOWN,
        "final": group.final,
        "properties": [clean(name) for name in group.properties],
        "messages": [clean(text, 200) for text in group.messages],
        "examples": found.examples.get((stream, code), []),
    }


def _label(code: str) -> str:
    """Return the words of a code."""
    words = [NAMES.get(word, word) for word in code.split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def _example(refusal: RejectMark) -> dict[str, Any]:
    mark = refusal.mark
    line = mark.get("line")
    named = {name: clean(mark[name], 200) for name in ("property", "attribute") if mark.get(name)}
    return {
        "line": line if type(line) is int else None,
        **named,
        "file": clean(refusal.file, LONGEST_FILE),
        "position": refusal.position,
    }
