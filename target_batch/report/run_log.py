"""What a run leaves: a line in `runs.jsonl`, its totals in one line of the log, and a webhook's notification.

A notification has counts and reasons, and no personal data.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_batch.common.plain_text import counted, number
from target_batch.common.redaction import clean
from target_batch.common.storage import LocalFolder

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Mapping

    from target_batch.common.operations import Spared, Tally
    from target_batch.common.storage import Folder

LONGEST_CAUSE: Final = 600
"""Maximum number of characters kept of the reason why a run stopped."""

NOTIFY_SECONDS: Final = 5.0
"""Maximum seconds for the whole notification; the end of a run waits for it."""

HURRIED_NOTIFY_SECONDS: Final = 0.8
"""The same after a signal."""

NOTIFIED: Final = (
    "run",
    "started",
    "seconds",
    "exit",
    "cause",
    "dry_run",
    "streams",
    "requests",
    "retries",
)
"""The fields of the run log's entry that a notification contains."""


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


def must_notify(entry: dict[str, Any], rejected_more_than: int | None) -> bool:
    """Return whether a run has to be reported: it stopped, or rejected more than `rejected_more_than`."""
    return entry["exit"] != 0 or (
        rejected_more_than is not None and _total(entry, "rejected") > rejected_more_than
    )


def notify(url: str, entry: dict[str, Any], logger: logging.Logger, seconds: float) -> None:
    """Post a run's counts; a failure is logged and does not affect the run."""
    if problem := post_notification(url, notification(entry), seconds):
        logger.warning("%s", problem)


def notification(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a run's notification."""
    return {"text": _sentence(entry), "target": "target-batch"} | {name: entry[name] for name in NOTIFIED}


def post_notification(url: str, body: dict[str, Any], seconds: float = NOTIFY_SECONDS) -> str:
    """Post a notification; return what went wrong, without the address, or an empty string."""
    try:
        status = _post(url, body, seconds)
    except TimeoutError:
        late = f"no answer within {seconds:g} seconds"
        return f"The notification could not be delivered to `notify_url` ({late})."
    except Exception as error:  # noqa: BLE001 - it may name the address, and must not change how the run ends
        return f"The notification could not be delivered to `notify_url` ({type(error).__name__})."
    if not 200 <= status < 300:  # noqa: PLR2004 - what HTTP calls success; a redirect is not followed
        return f"`notify_url` answered the notification with status {status}."
    return ""


def _post(url: str, body: dict[str, Any], seconds: float) -> int:
    """Post under one deadline, read only the headers of the answer, and do not follow redirects."""
    import requests  # noqa: PLC0415 - only runs that have something to report

    from target_batch.batch_api.deadline import DeadlineAdapter, Deadlines  # noqa: PLC0415 - same

    with Deadlines(seconds).attempt() as attempt, requests.Session() as session:
        for scheme in ("https://", "http://"):
            session.mount(scheme, DeadlineAdapter())
        try:
            answer = session.post(url, json=body, timeout=seconds, allow_redirects=False, stream=True)
        except requests.RequestException as error:
            if attempt.expired or isinstance(error, requests.Timeout):
                raise TimeoutError from None
            raise
        return answer.status_code


def _sentence(entry: dict[str, Any]) -> str:
    """Summarize the run for the field `text`, which chat services show."""
    how = "ended" if entry["exit"] == 0 else f"stopped with exit code {entry['exit']}"
    words = {"delivered": "would be sent (dry run)"} if entry["dry_run"] else {}
    names = ("delivered", "rejected", "undelivered")
    counts = [f"{number(_total(entry, name))} {words.get(name, name)}" for name in names]
    cause = f" {entry['cause']}" if entry["cause"] else ""
    return (
        f"target-batch {how}: {counted(_total(entry, 'read'), 'record')} read, {', '.join(counts)}.{cause} "
        f"Run {entry['run']}."
    )


def _total(entry: dict[str, Any], name: str) -> int:
    return sum(stream[name] for stream in entry["streams"].values())
