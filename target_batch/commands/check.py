"""``target-batch check``: are the keys right? One read-only call a platform and key."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from target_batch.commands import configuration
from target_batch.commands.configuration import config_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_batch.commands.probing import Finding
    from target_batch.settings import Settings

TEST_STREAM: Final = "meltano_test_stream"
TEST_PROPERTIES: Final = {"id", "name", "created_at"}
NO_FILE: Final = "No configuration was named: give it with --config FILE, or --config ENV."
ALL_WELL: Final = "All settings are right: Batch opens with these keys. Nothing was written."


@click.command()
@config_option
def check(*, files: tuple[str, ...]) -> None:
    """Check the keys with one read-only call each; say what is wrong and where to find the value.

    Exit code 0 when all is well, 2 when a setting is wrong, 1 when Batch cannot be reached.
    """
    settings = configuration.load(configuration.read(files), hint=NO_FILE if not files else "")
    findings = _probe(settings)
    for line in report(findings):
        click.echo(line)
    sys.exit(exit_code(findings))


def _probe(settings: Settings) -> list[Finding]:
    from importlib.metadata import version  # noqa: PLC0415 - slow

    from target_batch.commands.probing import probe  # noqa: PLC0415 - same

    return probe(settings, f"target-batch/{version('target-batch')} check")


def report(findings: list[Finding]) -> Iterator[str]:
    """Write a line for each setting, and where to find the value of one that is wrong."""
    widest = max(len(finding.setting) for finding in findings)
    for finding in findings:
        mark = click.style("OK   ", fg="green") if finding.good else click.style("WRONG", fg="red")
        if finding.problem and not finding.exit_code:
            mark = click.style("?    ", fg="yellow")
        yield f"{mark}  {finding.setting:<{widest}}  {finding.good or finding.problem}"
        if finding.exit_code and finding.where:
            yield f"{'':7}{'':{widest}}  {finding.where}"
    yield last_line(findings)


def last_line(findings: list[Finding]) -> str:
    """Say in one line what to do now."""
    wrong = next((finding for finding in findings if finding.exit_code), None)
    if wrong is None:
        return ALL_WELL
    where = f" To put it right: {wrong.where}." if wrong.where else ""
    spoken_of = (finding for finding in findings if f"`{finding.setting}`" in wrong.problem)
    others = [finding for finding in spoken_of if finding is not wrong and finding.where]
    where += "".join(f" `{finding.setting}`: {finding.where}." for finding in others)
    return f"`{wrong.setting}`: {wrong.problem}.{where}"


def exit_code(findings: list[Finding]) -> int:
    """Return 0 when all is well, 2 when a setting is wrong, 1 when Batch cannot be reached."""
    return max((finding.exit_code for finding in findings), default=0)


def is_connection_test(line: int, stream: str | None, schema: dict[str, Any] | None) -> bool:
    """Tell whether the first message is the one by which `meltano config test` begins.

    A stream of a tap that happens to have that name has other properties or comes later.
    """
    if line != 1 or stream != TEST_STREAM or schema is None:
        return False
    return set(schema.get("properties") or {}) == TEST_PROPERTIES


def answer_connection_test(settings: Settings) -> None:
    """Check the keys instead of loading the test's record, then end the process with the exit code.

    Meltano reads both outputs: a line with the word "error" or "exception" means failure, the last line
    is what its user sees.
    """
    findings = _probe(settings)
    for line in report(findings):
        click.echo(line, err=True)
    while os.read(0, 65_536):
        continue
    sys.exit(exit_code(findings))
