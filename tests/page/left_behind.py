"""A work folder as 60 nights leave it: most succeeded, one failed, one was killed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "<img src=x onerror=alert(1)>"
LAST = "20260301T030000Z-00003c"
LONG = "a_stream_with_a_long_name_" + "x" * 120


def night(number: int) -> dict[str, Any]:
    """Return the run of one night, 1 to 60."""
    month, day = (1, number) if number <= 31 else ((2, number - 31) if number < 60 else (3, 1))
    return {
        "run": f"2026{month:02}{day:02}T030000Z-{number:06x}",
        "started": f"2026-{month:02}-{day:02}T03:00:00+00:00",
        "seconds": 61.5,
        "ended": True,
        "exit": 0,
        "cause": None,
        "streams": {"customers": tally(1000, 100, {}), LONG: tally(10, 0, {})},
        "requests": 12,
        "retries": 0,
        "throttled": 0,
        "possibly_twice": 0,
        "dry_run": False,
    }


def tally(read: int, unchanged: int, reasons: dict[str, int], rejected: int = 0) -> dict[str, Any]:
    """Return the counts of a stream."""
    counts = {
        "read": read,
        "delivered": read - unchanged - rejected,
        "merged": read // 10,
        "unchanged": unchanged,
    }
    return counts | {"ignored": 0, "rejected": rejected, "undelivered": 0, "reasons": reasons}


def leave_behind(work: Path) -> Path:
    """Write the folder and return it."""
    nights = [night(number) for number in range(1, 61)]
    nights[59]["streams"] = {
        "customers": tally(52_392, 500, {"invalid_email": 2, "missing_custom_id": 1, HOSTILE: 1}, rejected=2),
        LONG: tally(10, 0, {}),
    }
    nights[58] = {name: nights[58][name] for name in ("run", "started")} | {"ended": False, "dry_run": False}
    nights[57] |= {"exit": 1, "cause": f"Batch does not answer: the state is held. {HOSTILE}"}
    nights[56] |= {"dry_run": True}
    nights[55] |= {"exit": 143}
    (work / "rejects").mkdir(parents=True)
    (work / "runs.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in nights))
    marks = [
        ("invalid_email", "email", 4),
        ("invalid_email", "email", 9),
        ("missing_custom_id", "user_id", 12),
    ]
    records = [
        {"_batch_reject": [{"code": code, "property": name, "message": "", "line": line}]}
        for code, name, line in marks
    ]
    messages = [{"type": "RECORD", "stream": "customers", "record": record} for record in records]
    file = work / "rejects" / f"{LAST}-customers.singer.jsonl"
    file.write_text("".join(f"{json.dumps(message)}\n" for message in messages))
    return work
