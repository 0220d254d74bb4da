"""``target-batch explain``: show what would happen to a sample, without keys or requests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from target_batch.commands import shared
from target_batch.commands.curl import curls
from target_batch.commands.findings import as_data, shown
from target_batch.commands.samples import RECORDS, read_sample
from target_batch.commands.shared import config_option, format_option
from target_batch.commands.study import RehearsalTarget
from target_batch.common.plain_text import wrapped
from target_batch.config import files as configuration
from target_batch.config.files import Wrong
from target_batch.mapping.dates import instant, seconds_since_epoch
from target_batch.mapping.values import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_batch.commands.study import Study
    from target_batch.config.settings import Settings

NO_STREAM: Final = "No stream would be loaded: the input holds no SCHEMA, or `stream_maps` removes them all."


@click.command()
@config_option
@click.option(
    "--input",
    "file",
    type=click.File("rb"),
    default="-",
    help="Singer file, rows of CSV or JSON Lines, a tap's catalog, a JSON schema; standard input by default.",
)
@click.option("--stream", help="The stream's name, where rows have none; else the file's name.")
@click.option("--records", type=click.IntRange(0), default=RECORDS, show_default=True, help="0 for all.")
@click.option("--at", metavar="TIME", help="Judge the age of events as at this time (RFC 3339); else now.")
@format_option("curl")
def explain(
    *, files: tuple[str, ...], file: Any, stream: str | None, records: int, at: str | None, form: str
) -> None:
    """Show what would become of a sample: names, types, what is left out and why. Needs no keys.

    Nothing is sent and nothing is written. Exit code 2 when the target would refuse the
    configuration, 1 when the input cannot be read.
    """
    config = shared.keyless(configuration.read(files))
    settings = shared.load(config)
    with shared.exit_codes():
        target = RehearsalTarget(config, _moment(at))
        read_sample(file, stream, records, target.show)
    studies = target.run.studies.values()
    found = [as_data(study, settings) for study in studies]
    if form == "json":
        shared.echo_json({"streams": found})
    elif form == "singer":
        _write_singer(found)
    elif form == "curl":
        _print_curls(studies, settings)
    else:
        blocks = ["\n".join(shown(one)) for one in found] or [NO_STREAM]
        blocks += [wrapped(sentence, 0) for sentence, _ in target.idle_entries]
        click.echo("\n\n".join(blocks))
    if any(study.problem for study in studies):
        raise SystemExit(Wrong.exit_code)


def _moment(at: str | None) -> float:
    if at is None:
        return time.time()
    try:
        return seconds_since_epoch(instant(at) or "")
    except (InvalidValue, ValueError):
        raise click.BadParameter("--at is not a time such as 2026-01-31T12:00:00Z") from None


def _write_singer(found: Iterable[dict[str, Any]]) -> None:
    """Write a row for each property, without examples: those are values from the sample."""
    names = ("property", "attribute", "type", "reason", "note")
    properties = dict.fromkeys(("stream", "kind", *names), shared.TEXT)
    rows = (
        {"stream": one["stream"], "kind": one["kind"]} | {name: row[name] for name in names}
        for one in found
        for row in one["properties"]
    )
    shared.echo_singer("target_batch_mapping", properties, ["stream", "property"], rows)


def _print_curls(studies: Iterable[Study], settings: Settings) -> None:
    for study in studies:
        made = list(curls(study, settings))
        note = "the first records as requests" if made else "the sample results in no request"
        click.echo(f"# {study.schema.stream!a}: {study.problem or note}")
        for command in made:
            click.echo(f"{command}\n")
