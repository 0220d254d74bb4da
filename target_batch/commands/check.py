"""``target-batch check``: test each platform and key with one read-only call."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from target_batch.commands import options
from target_batch.commands import singer_out as out
from target_batch.commands.options import config_option, format_option
from target_batch.common.errors import ConfigurationError
from target_batch.config import files as configuration
from target_batch.connection_test import exit_code, probe, report

if TYPE_CHECKING:
    from target_batch.commands.options import Form
    from target_batch.connection_test import Finding


@click.command()
@config_option
@format_option()
def check(*, files: tuple[str, ...], form: Form) -> None:
    """Check the keys with one read-only call each; say what is wrong and where to find the value.

    Exit code 0 when all is well, 2 when a setting is wrong, 1 when Batch cannot be reached.
    """
    settings = options.load(options.read_named(files))
    try:
        findings = probe(settings)
    except ConfigurationError as error:
        raise configuration.Wrong(str(error)) from None
    if form == "text":
        for line in report(findings):
            click.echo(line)
    elif form == "json":
        options.echo_json([_as_data(finding) for finding in findings])
    else:
        _write_singer(findings)
    sys.exit(exit_code(findings))


def _as_data(finding: Finding) -> dict[str, object]:
    known = bool(finding.good or finding.exit_code)
    return {
        "setting": finding.setting,
        "ok": bool(finding.good) if known else None,
        "finding": finding.good or finding.problem,
        "where": finding.where if finding.exit_code else None,
    }


def _write_singer(findings: list[Finding]) -> None:
    properties = {"setting": out.TEXT, "ok": out.BOOLEAN, "finding": out.TEXT, "where": out.TEXT}
    out.write("target_batch_check", properties, ["setting"], map(_as_data, findings))
