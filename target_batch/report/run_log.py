"""`runs.jsonl`, with one line per run, and the same totals as one line of the log."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_batch.common.plain_text import counted, number
from target_batch.common.redaction import clean
from target_batch.common.storage import LocalFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_batch.common.operations import Spared, Tally
    from target_batch.common.storage import Folder

LONGEST_CAUSE: Final = 600
"""Maximum number of characters kept of the reason why a run stopped."""


def append(folder: Folder, run: str, entry: dict[str, Any]) -> None:
    """Append one run to `runs.jsonl`; if the folder is a URL, each run is an object, `runs/RUN….jsonl`.

    Raises:
        OSError: the entry could not be written.
    """
    name = "runs.jsonl" if isinstance(folder, LocalFolder) else f"runs/{run}.jsonl"
    file = folder.append(name)
    file.write(b"", msgspec.json.encode(entry) + b"\n")
    file.close()


def summary(tallies: dict[str, Tally], spared: Spared, *, dry: bool = False) -> str:
    """Return the totals of a run in one line: per stream, and what merging and the ledger saved."""
    line = "; ".join(f"{clean(stream)}: {_counted(tally, dry=dry)}" for stream, tally in tallies.items())
    merged = sum(tally.merged for tally in tallies.values())
    if merged:
        line += f"; merging saved {counted(merged, 'update')} of the quota"
    held = spared_text(asdict(spared))
    return f"{line}; {held}" if held else line


def spared_text(counts: Mapping[str, Any]) -> str:
    """Return a phrase that counts what did not have to be sent; empty if everything had to be."""
    units = {"profiles": "profile", "attributes": "attribute", "events": "event"}
    held = ", ".join(
        counted(count, unit)
        for name, unit in units.items()
        if isinstance(count := counts.get(name), int) and count > 0
    )
    return f"not sent, as Batch has it: {held}" if held else ""


def fully_rejected(tallies: dict[str, Tally], stopped: str | None) -> Iterator[str]:
    """Yield a sentence for each stream, other than `stopped`, of which every record was rejected."""
    for stream, tally in tallies.items():
        if stream == stopped:
            continue
        if tally.judged and tally.rejected == tally.judged:
            reasons = ", ".join(f"{n} {clean(code)}" for code, n in tally.reasons.most_common(3))
            records = (
                "its only record was"
                if tally.judged == 1
                else f"all {number(tally.judged)} of its records were"
            )
            yield (
                f"Stream '{clean(stream)}': {records} rejected ({reasons}). "
                "`target-batch rejects` shows what to do about it."
            )


def _counted(tally: Tally, *, dry: bool) -> str:
    counts = tally.as_dict()
    reasons = counts.pop("reasons")
    shown = [f"{counts.pop('read')} read"]
    words = {"delivered": "would be sent"} if dry else {}
    shown += [f"{n} {words.get(name, name)}" for name, n in counts.items() if n or name == "delivered"]
    line = ", ".join(shown)
    if reasons:
        line += " (" + ", ".join(f"{n} {clean(code)}" for code, n in reasons.items()) + ")"
    return line
