"""A webhook for runs that stopped or rejected too much: counts and reasons, nobody's data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import logging

TIMEOUT_SECONDS: Final = 10
FIELDS: Final = ("run", "started", "seconds", "exit", "streams", "requests", "retries")
"""What a notification holds of the run log's entry."""


def is_due(entry: dict[str, Any], rejected_more_than: int | None) -> bool:
    """Tell whether a run has to be told of: it stopped, or rejected more records than is usual."""
    rejected = sum(stream["rejected"] for stream in entry["streams"].values())
    return entry["exit"] != 0 or (rejected_more_than is not None and rejected > rejected_more_than)


def notify(url: str, entry: dict[str, Any], logger: logging.Logger) -> None:
    """Post a run's counts; whatever goes wrong is logged, and the run stays as it is."""
    import requests  # noqa: PLC0415 - only runs that have something to tell

    body = {name: entry[name] for name in FIELDS} | {"target": "target-batch"}
    try:
        answer = requests.post(url, json=body, timeout=TIMEOUT_SECONDS, allow_redirects=False)
    except (requests.RequestException, ValueError) as error:
        logger.warning("The notification could not be delivered to `notify_url` (%s).", type(error).__name__)
        return
    if not answer.ok:
        logger.warning("`notify_url` answered the notification with status %d.", answer.status_code)
