"""``target-batch notify-test``: does the webhook of `notify_url` take a notification?"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import click

from target_batch.commands import options
from target_batch.commands.options import Stopped, config_option
from target_batch.config import files as configuration
from target_batch.config.files import NO_CONFIGURATION, Wrong


@click.command("notify-test")
@config_option
def notify_test(*, files: tuple[str, ...]) -> None:
    """Send a notification of a run that never was to `notify_url`, and say what became of it.

    Exit code 0 when it was taken, 1 when it was not, 2 when `notify_url` is not set. Batch is not asked.
    """
    from target_batch.report.webhook import body_of, post  # noqa: PLC0415 - slow, and `--help` needs none of it

    if not files:
        raise Wrong(NO_CONFIGURATION)
    settings = options.load_without_keys(configuration.read(files))
    if settings.notify_url is None:
        raise Wrong("`notify_url` is not set: it is the webhook that hears of runs that stopped.")
    if problem := post(settings.notify_url, body_of(_example()) | {"test": True}):
        raise Stopped(problem)
    click.echo("The webhook of `notify_url` has taken the notification.")


def _example() -> dict[str, Any]:
    """Return what a run log would hold of a run that stopped."""
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
