"""``target-batch runs``: show the last runs as a table, as data or on a page."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import click

from target_batch.commands import history, shared
from target_batch.commands.history import COUNTS, STREAM_COUNTS, object_in, real, reasons, streams, whole
from target_batch.commands.rejects import target_call
from target_batch.commands.shared import config_option, format_option
from target_batch.common.plain_text import number, table, wrapped
from target_batch.common.redaction import clean
from target_batch.config import files as configuration
from target_batch.config.files import Wrong
from target_batch.report.run_log import LONGEST_CAUSE, spared_text

if TYPE_CHECKING:
    from collections.abc import Iterator

TOTALS: Final = ("requests", "retries", "throttled", "possibly_twice")
"""Counts of a whole run."""
ALWAYS: Final = {"read", "delivered", "rejected"}
"""Counts that always have a column. Columns of other counts are hidden if they are all zero."""

TOP_REASONS: Final = 3
DRY: Final = "dry, (n): a dry run, which would have delivered n and has sent nothing."
DID_NOT_END: Final = (
    "It did not end: it was killed, or it is still at work. The next run repeats what no state covers."
)

IN_TABLE: Final = 10
"""Number of runs in the table by default."""


@click.command()
@config_option
@click.option(
    "--last",
    type=click.IntRange(1),
    help=f"How many runs; by default {IN_TABLE} in the table, and all of them as JSON or Singer.",
)
@format_option()
@click.option("--web", is_flag=True, help="Show them on a page, with what each refused and why.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8766,
    show_default=True,
    help="Port of the page; 0 for any.",
)
def runs(*, files: tuple[str, ...], last: int | None, form: str, web: bool, port: int) -> None:
    """Show the last runs: when, how they ended, what became of each stream's records.

    `--web` shows all of them on a page that only this machine can open, until Ctrl-C.
    """
    if web and form != "text":
        raise click.UsageError("--web shows a page. Leave out --format, or leave out --web.")
    settings = shared.load(shared.keyless(configuration.read(files)))
    with shared.exit_codes():
        everything = history.runs(settings.work_path)
        if web:
            _serve(settings.work_path, files, port)
            return
    most = last or (IN_TABLE if form == "text" else len(everything))
    found = everything[-most:]
    if form == "singer":
        _write_singer(found)
    elif form == "json":
        shared.echo_json(found)
    elif found:
        for line in _table(found):
            click.echo(line)
    else:
        click.echo("No run has left a line here yet. Is `work_path` the one of the runs?")


def _serve(work_path: str, files: tuple[str, ...], port: int) -> None:
    try:
        from target_batch.commands.runs_page.page import serve  # noqa: PLC0415 - needs the extra
    except ImportError:
        raise Wrong("The page needs two more packages: install target-batch[sandbox].") from None
    try:
        serve(work_path, target_call(files), port)
    except OSError as error:
        raise Wrong(
            f"The page cannot listen on port {port}: {error.strerror}. Choose another with --port."
        ) from None


def _table(found: list[dict[str, Any]]) -> Iterator[str]:
    tallies = [counts for entry in found for _, counts in streams(entry)]
    shown = [name for name in COUNTS if name in ALWAYS or any(counts[name] for counts in tallies)]
    rows = [row for entry in found for row in _rows(entry, shown)]
    heads = ("started (UTC)", "seconds", "exit", "stream", *shown, "reasons")
    yield from table(heads, rows, right=" rr " + "r" * len(shown), longest=60)
    if any(entry.get("dry_run") is True for entry in found):
        yield DRY
    for entry in found:
        for text in (cause(entry), spared_text(object_in(entry.get("spared")))):
            if text:
                yield wrapped(f"{_started(entry)}  {text}", 0, hanging=21)


def _rows(entry: dict[str, Any], shown: list[str]) -> Iterator[list[str]]:
    is_dry, counted = entry.get("dry_run") is True, streams(entry)
    code = f"{whole(entry.get('exit'))}{' dry' if is_dry else ''}"
    head = [_started(entry), f"{real(entry.get('seconds')):,.1f}", code]
    if entry.get("ended") is False:
        yield [_started(entry), "", "", "did not end", *[""] * len(shown), ""]
    elif not counted:
        yield [*head, "no records", *[""] * len(shown), ""]
    for name, counts in counted:
        numbers = {count: number(counts[count]) for count in shown}
        if is_dry:
            numbers["delivered"] = f"({numbers['delivered']})"
        yield [*head, clean(name, 60), *numbers.values(), clean(_reasons(entry, name), 200)]
        head = ["", "", ""]


def _started(entry: dict[str, Any]) -> str:
    return clean(str(entry.get("started", ""))[:19].replace("T", " "))


def cause(entry: dict[str, Any]) -> str:
    """Return why a run stopped, "" if it reached its end."""
    if entry.get("ended") is False:
        return DID_NOT_END
    return clean(entry["cause"], LONGEST_CAUSE) if isinstance(entry.get("cause"), str) else ""


def _reasons(entry: dict[str, Any], stream: str) -> str:
    by_count = Counter(reasons(entry, stream)).most_common()
    shown = [f"{code} {number(count)}" for code, count in by_count[:TOP_REASONS]]
    return ", ".join(shown) + (", ..." if len(by_count) > TOP_REASONS else "")


def _write_singer(found: list[dict[str, Any]]) -> None:
    run = {"run": shared.TEXT, "started": shared.MOMENT, "seconds": shared.NUMBER, "exit": shared.INTEGER}
    run |= dict.fromkeys(TOTALS, shared.INTEGER)
    run |= {"trouble": shared.OBJECT, "spared": shared.OBJECT, "dry_run": shared.BOOLEAN}
    run |= {"ended": shared.BOOLEAN, "cause": shared.TEXT}
    records = ({name: entry.get(name) for name in run} for entry in found)
    shared.echo_singer("target_batch_runs", run, ["run"], records)
    stream = {"run": shared.TEXT, "started": shared.MOMENT, "stream": shared.TEXT}
    stream |= dict.fromkeys(STREAM_COUNTS, shared.INTEGER) | {"reasons": shared.OBJECT}
    records = (
        {"run": entry["run"], "started": entry.get("started"), "stream": name}
        | {count: object_in(tally).get(count) for count in (*STREAM_COUNTS, "reasons")}
        for entry in found
        for name, tally in object_in(entry.get("streams")).items()
    )
    shared.echo_singer("target_batch_run_streams", stream, ["run", "stream"], records)
