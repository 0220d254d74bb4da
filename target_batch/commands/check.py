"""``target-batch check``: are the keys right? One read-only call a platform and key."""

from __future__ import annotations

import sys
from typing import Final

import click

from target_batch.commands import options
from target_batch.commands.options import config_option
from target_batch.common.errors import ConfigurationError
from target_batch.config import files as configuration

NO_FILE: Final = "No configuration was named: give it with --config FILE, or --config ENV."


@click.command()
@config_option
def check(*, files: tuple[str, ...]) -> None:
    """Check the keys with one read-only call each; say what is wrong and where to find the value.

    Exit code 0 when all is well, 2 when a setting is wrong, 1 when Batch cannot be reached.
    """
    settings = options.load(configuration.read(files), hint=NO_FILE if not files else "")
    from target_batch.connection_test import exit_code, probe, report  # noqa: PLC0415 - slow, and `--help` needs none of it

    try:
        findings = probe(settings, "check")
    except ConfigurationError as error:
        raise configuration.Wrong(str(error)) from None
    for line in report(findings):
        click.echo(line)
    sys.exit(exit_code(findings))
