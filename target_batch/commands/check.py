"""``target-batch check`` and ``notify-test``: call what the settings name, and say whether it accepts."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import click

from target_batch.commands import shared
from target_batch.commands.shared import BOOLEAN, TEXT, Stopped, config_option, format_option
from target_batch.config.files import Wrong
from target_batch.connection_test import exit_code, probe, report
from target_batch.report.run_log import notification, post_notification

if TYPE_CHECKING:
    from target_batch.commands.shared import Form
    from target_batch.connection_test import Finding


@click.command()
@config_option
@format_option()
def check(*, files: tuple[str, ...], form: Form) -> None:
    """Check the keys with one read-only call each; say what is wrong and where to find the value.

    Exit code 0 when all is well, 2 when a setting is wrong, 1 when Batch cannot be reached.
    """
    settings = shared.load(shared.read_named(files))
    with shared.exit_codes():
        findings = probe(settings)
    if form == "text":
        for line in report(findings):
            click.echo(line)
    elif form == "json":
        shared.echo_json([_as_data(finding) for finding in findings])
    else:
        properties = {"setting": TEXT, "ok": BOOLEAN, "finding": TEXT, "where": TEXT}
        shared.echo_singer("target_batch_check", properties, ["setting"], map(_as_data, findings))
    sys.exit(exit_code(findings))


def _as_data(finding: Finding) -> dict[str, object]:
    known = bool(finding.good or finding.exit_code)
    return {
        "setting": finding.setting,
        "ok": bool(finding.good) if known else None,
        "finding": finding.good or finding.problem,
        "where": finding.where if finding.exit_code else None,
    }


@click.command("notify-test")
@config_option
def notify_test(*, files: tuple[str, ...]) -> None:
    """Send a test notification to `notify_url`, and say whether it was accepted.

    Exit code 0 if it was accepted, 1 if it was not, 2 if `notify_url` is not set. Batch is not called.
    """
    settings = shared.load(shared.keyless(shared.read_named(files)))
    if settings.notify_url is None:
        raise Wrong("`notify_url` is not set: it is the webhook that is notified of stopped runs.")
    if problem := post_notification(settings.notify_url, notification(_stopped_run()) | {"test": True}):
        raise Stopped(problem)
    click.echo("The webhook of `notify_url` accepted the notification.")


def _stopped_run() -> dict[str, Any]:
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
