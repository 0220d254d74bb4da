"""A webhook for runs that stopped or rejected too much: counts and reasons, no personal data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from target_batch.common.plain_text import counted, number

if TYPE_CHECKING:
    import logging

TIMEOUT_SECONDS: Final = 5.0
"""Maximum seconds for the whole notification; the end of a run waits for it."""

HURRIED_SECONDS: Final = 0.8
"""The same after a signal."""

FIELDS: Final = ("run", "started", "seconds", "exit", "cause", "dry_run", "streams", "requests", "retries")
"""The fields of the run log's entry that a notification contains."""


def is_due(entry: dict[str, Any], rejected_more_than: int | None) -> bool:
    """Return whether a run has to be reported: it stopped, or rejected more than `rejected_more_than`."""
    return entry["exit"] != 0 or (
        rejected_more_than is not None and _total(entry, "rejected") > rejected_more_than
    )


def notify(url: str, entry: dict[str, Any], logger: logging.Logger, seconds: float = TIMEOUT_SECONDS) -> None:
    """Post a run's counts; a failure is logged and does not affect the run."""
    if problem := post(url, body_of(entry), seconds):
        logger.warning("%s", problem)


def body_of(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a run's notification."""
    return {"text": _sentence(entry), "target": "target-batch"} | {name: entry[name] for name in FIELDS}


def post(url: str, body: dict[str, Any], seconds: float = TIMEOUT_SECONDS) -> str:
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
    """Post under one deadline, read only the headers of the answer, and do not follow redirects.

    Raises:
        TimeoutError: the deadline has passed.
    """
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
