"""``target-batch verify``: compare what was sent with an export from Batch. Writes nothing."""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import click

from target_batch.batch_api.client import Client
from target_batch.batch_api.endpoints import AUDIENCE_RATE, Project
from target_batch.batch_api.people import Exports
from target_batch.batch_api.rate_limiter import RateLimiter
from target_batch.batch_api.transport import Transport
from target_batch.commands import readback, shared
from target_batch.commands.readback import Comparison, SampleComparison
from target_batch.commands.samples import RECORDS, Schema, read_sample
from target_batch.commands.shared import config_option, format_option
from target_batch.commands.study import RehearsalTarget
from target_batch.common.clock import Clock, Stop
from target_batch.common.errors import ConfigurationError, InputError
from target_batch.common.operations import ProfileUpdate
from target_batch.common.plain_text import counted, fitted, number, table
from target_batch.common.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from target_batch.commands.shared import Form
    from target_batch.config.settings import Settings


@click.command()
@config_option
@click.option(
    "--sample",
    type=click.File("rb"),
    help="What was loaded: a Singer file, or rows of CSV or JSON Lines; - for standard input.",
)
@click.option(
    "--last-run", is_flag=True, help="What the last run with skip_unchanged sent, as the ledger knows it."
)
@click.option("--stream", help="The stream's name, where rows have none; else the file's name.")
@click.option("--records", type=click.IntRange(0), default=RECORDS, show_default=True, help="0 for all.")
@click.option(
    "--ids",
    is_flag=True,
    help="List the custom IDs that differ or are missing, at most 20 for each attribute.",
)
@click.option(
    "--wait-seconds",
    type=click.FloatRange(0),
    default=3600,
    show_default=True,
    help="Longest wait.",
)
@format_option()
def verify(  # noqa: PLR0913 - one for each option
    *,
    files: tuple[str, ...],
    sample: IO[bytes] | None,
    last_run: bool,
    stream: str | None,
    records: int,
    ids: bool,
    wait_seconds: float,
    form: Form,
) -> None:
    """Compare what was loaded with what Batch holds: equal, different, missing, for each attribute.

    Either a sample, which is mapped as a run maps it, or the last run, whose values the ledger knows by their
    hashes. Batch is asked for an export of the attributes concerned, which may take it half an hour. Nothing
    is written, there or here. Exit code 0 when everything is as it was sent, 1 when not or when the export
    cannot be had, 2 when a setting is wrong.
    """
    if (sample is None) is not last_run:
        raise click.UsageError("Say what was loaded: either --sample FILE or --last-run.")
    config = shared.read_named(files)
    settings = shared.load(config)
    expected: AbstractContextManager[Comparison]
    with shared.exit_codes():
        if sample is None:
            expected = readback.last_run(settings)
        else:
            expected = nullcontext(_sent(config, sample, stream, records))
        with expected as comparison:
            _read_back(settings, comparison, wait_seconds)
    _show(comparison, form, ids=ids)
    raise SystemExit(0 if comparison.is_equal else 1)


def _sent(config: dict[str, Any], sample: IO[bytes], stream: str | None, records: int) -> SampleComparison:
    """Map the sample as a run does, and keep what would be sent.

    Raises:
        StopRun: the sample cannot be read, or nothing in it can be read back.
    """
    target = RehearsalTarget(config, time.time(), keep=math.inf)
    _take(sample, stream, records, target.show)
    comparison = SampleComparison()
    for study in target.run.studies.values():
        if study.problem:
            raise ConfigurationError(study.problem)
        for operation, _ in study.operations:
            if isinstance(operation, ProfileUpdate) and operation.attributes:
                comparison.sent(operation.custom_id, operation.attributes)
    if not comparison.attributes:
        raise InputError(
            "Nothing of the sample can be read back: only the attributes of profiles can, neither events nor "
            "the members of audiences."
        )
    return comparison


def _take(sample: IO[bytes], stream: str | None, most: int, show: Callable[[Any], None]) -> None:
    """Pass at most `most` records of the sample (0: all) to `show`; say on stderr if there are more."""
    count = 0

    def take(found: Any) -> None:
        nonlocal count
        count += not isinstance(found, Schema)
        if count <= most or not most:
            show(found)

    read_sample(sample, stream, most + 1 if most else 0, take)
    if count > most > 0:
        click.echo(
            f"The sample is larger: its first {most:,} records are compared, --records 0 takes all.", err=True
        )


def _read_back(settings: Settings, comparison: Comparison, seconds: float) -> None:
    if settings.project_key is None:
        raise ConfigurationError("`project_key` is not set: profiles are read back from a project.")
    clock = Clock()
    user_agent = f"target-batch/{version('target-batch')} verify"
    transport = Transport(settings.api_url, settings.request_timeout_seconds, user_agent, clock)
    client = Client(transport, clock, Stop(clock), settings.max_retry_seconds)
    project = Project(settings.rest_api_key, settings.project_key, settings.api_version)
    exports = Exports(client, project, RateLimiter(AUDIENCE_RATE, clock), clock)
    export = exports.request(sorted(comparison.attributes))
    click.echo("Batch was asked for an export of the attributes; waiting for it.", err=True)
    for file in exports.wait(export, seconds, lambda state: click.echo(f"  {state}", err=True)):
        comparison.take(exports.profiles(file))


def _show(comparison: Comparison, form: Form, *, ids: bool) -> None:
    found = comparison.rows(ids=ids)
    if form == "singer":
        names = {"attribute": shared.TEXT} | dict.fromkeys(comparison.outcomes, shared.INTEGER)
        names |= {"custom_ids": {}} if ids else {}
        shared.echo_singer("target_batch_verify", names, ["attribute"], found)
    elif form == "json":
        named = {"custom_ids": comparison.missing_ids} if ids else {}
        profiles = {"sent": comparison.profiles, "missing": comparison.missing, **named}
        shared.echo_json({"equal": comparison.is_equal, "profiles": profiles, "attributes": found})
    else:
        for line in _text(comparison, found, ids=ids):
            click.echo(line)


def _text(comparison: Comparison, found: list[dict[str, Any]], *, ids: bool) -> Iterator[str]:
    outcomes = comparison.outcomes
    heads = ("attribute", *(outcome.replace("_", " ") for outcome in outcomes))
    cells = [[clean(row["attribute"], 60), *(number(row[outcome]) for outcome in outcomes)] for row in found]
    yield from table(heads, cells, " " + "r" * len(outcomes))
    yield ""
    named = [(row["attribute"], row["custom_ids"]) for row in found] if ids else []
    named += [("not in Batch", comparison.missing_ids)] if ids else []
    for name, custom_ids in named:
        if custom_ids:
            yield fitted(f"{name}: {', '.join(clean(one, 60) for one in custom_ids)}", 2)
    yield fitted(_verdict(comparison))


def _verdict(comparison: Comparison) -> str:
    profiles = counted(comparison.profiles, "profile")
    unclear = sum(tally.counts["not_compared"] for tally in comparison.attributes.values())
    if comparison.is_equal:
        rest = f"; {counted(unclear, 'value')} could not be compared" if unclear else ""
        return f"Batch holds everything that was sent of {profiles}{rest}."
    if not comparison.has_differences:
        return f"None of the values of {profiles} could be compared: use --sample."
    gone = f" {number(comparison.missing)} of {profiles} not found." if comparison.missing else ""
    return (
        f"Batch does not hold everything that was sent.{gone} Mass updates take a while to arrive, and "
        "others may have written since; --ids lists the custom IDs to look at."
    )
