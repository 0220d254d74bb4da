"""``target-batch notify-test``: send a test notification to the webhook of `notify_url`."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import click

from target_batch.commands import options
from target_batch.commands.options import Stopped, config_option
from target_batch.config.files import Wrong
from target_batch.report.run_log import notification, post_notification


@click.command("notify-test")
@config_option
def notify_test(*, files: tuple[str, ...]) -> None:
    """Send a test notification to `notify_url`, and say whether it was accepted.

    Exit code 0 if it was accepted, 1 if it was not, 2 if `notify_url` is not set. Batch is not called.
    """
    settings = options.load_without_keys(options.read_named(files))
    if settings.notify_url is None:
        raise Wrong("`notify_url` is not set: it is the webhook that is notified of stopped runs.")
    if problem := post_notification(settings.notify_url, notification(_example()) | {"test": True}):
        raise Stopped(problem)
    click.echo("The webhook of `notify_url` accepted the notification.")


def _example() -> dict[str, Any]:
    """Return a run log entry such as a stopped run would leave."""
    now = datetime.now(timezone.utc)
    counts = {"read": 3, "delivered": 2, "merged": 0, "unchanged": 0, "ignored": 0, "rejected": 0}
    return {
        "run": f"{now:%Y%m%dT%H%M%SZ}-test",
        "started": now.isoformat(timespec="seconds"),
        "seconds": 1.0,
        "exit": 1,
        "cause": "This is a test by `target-batch notify-test`; no run has stopped.",
        "dry_run": False,
        "streams": {"example": counts | {"undelivered": 1, "reasons": {}}},
        "requests": 1,
        "retries": 0,
    }
