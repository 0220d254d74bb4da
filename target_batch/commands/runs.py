"""``target-batch runs``: show the last runs as a table, as data or on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from target_batch.commands import history, options
from target_batch.commands import singer_out as out
from target_batch.commands.history import object_in
from target_batch.commands.options import config_option, format_option
from target_batch.commands.rejects import target_call
from target_batch.common.errors import ConfigurationError
from target_batch.common.plain_text import table, wrapped
from target_batch.common.redaction import clean
from target_batch.config import files as configuration
from target_batch.config.files import Wrong
from target_batch.report.run_log import LONGEST_CAUSE, spared_text

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNTS: Final = ("read", "delivered", "unchanged", "added", "removed", "ignored", "rejected", "undelivered")
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
    settings = options.load_without_keys(configuration.read(files))
    if web:
        _serve(settings.work_path, files, port)
        return
    try:
        everything = history.runs(settings.work_path)
    except ConfigurationError as error:
        raise Wrong(str(error)) from None
    most = last or (IN_TABLE if form == "text" else len(everything))
    found = everything[-most:]
    if form == "singer":
        _write_singer(found)
    elif form == "json":
        options.echo_json(found)
    elif found:
        for line in _table(found):
            click.echo(line)
    else:
        click.echo("No run has left a line here yet. Is `work_path` the one of the runs?")


def _serve(work_path: str, files: tuple[str, ...], port: int) -> None:
    """Serve the page. Reading the folder first reports a wrong one here instead of on the page."""
    try:
        from target_batch.commands.runs_page.serving import serve  # noqa: PLC0415 - needs the extra
    except ImportError:
        raise Wrong("The page needs two more packages: install target-batch[sandbox].") from None
    try:
        history.runs(work_path)
        serve(work_path, target_call(files), port)
    except ConfigurationError as error:
        raise Wrong(str(error)) from None
    except OSError as error:
        raise Wrong(
            f"The page cannot listen on port {port}: {error.strerror}. Choose another with --port."
        ) from None


def _table(found: list[dict[str, Any]]) -> Iterator[str]:
    tallies = [tally for entry in found for tally in object_in(entry.get("streams")).values()]
    shown = [name for name in COUNTS if name in ALWAYS or any(_integer(tally.get(name)) for tally in tallies)]
    rows = [row for entry in found for row in _rows(entry, shown)]
    heads = ("started (UTC)", "seconds", "exit", "stream", *shown, "reasons")
    yield from table(heads, rows, right=" rr " + "r" * len(shown), longest=60)
    if any(entry.get("dry_run") is True for entry in found):
        yield DRY
    for entry in found:
        if text := cause(entry):
            yield wrapped(f"{_started(entry)}  {text}", 0, hanging=21)
        if held := spared_text(object_in(entry.get("spared"))):
            yield wrapped(f"{_started(entry)}  {held}", 0, hanging=21)


def _rows(entry: dict[str, Any], shown: list[str]) -> Iterator[list[str]]:
    code = f"{_integer(entry.get('exit'))}{' dry' if entry.get('dry_run') is True else ''}"
    head = [_started(entry), f"{_float(entry.get('seconds')):,.1f}", code]
    streams = object_in(entry.get("streams"))
    if entry.get("ended") is False:
        yield [_started(entry), "", "", "did not end", *[""] * len(shown), ""]
    elif not streams:
        yield [*head, "no records", *[""] * len(shown), ""]
    for name, counts in streams.items():
        numbers = [_number(counts, count, dry=entry.get("dry_run") is True) for count in shown]
        yield [*head, clean(name, 60), *numbers, clean(_reasons(counts), 200)]
        head = ["", "", ""]


def _number(counts: dict[str, Any], name: str, *, dry: bool) -> str:
    """Format a count; the number that a dry run would have delivered is in parentheses."""
    text = f"{_integer(counts.get(name)):,}"
    return f"({text})" if dry and name == "delivered" else text


def _started(entry: dict[str, Any]) -> str:
    return clean(str(entry.get("started", ""))[:19].replace("T", " "))


def cause(entry: dict[str, Any]) -> str:
    """Return why a run stopped, "" if it reached its end."""
    if entry.get("ended") is False:
        return DID_NOT_END
    return clean(entry["cause"], LONGEST_CAUSE) if isinstance(entry.get("cause"), str) else ""


def _reasons(counts: dict[str, Any]) -> str:
    by_count = sorted(object_in(counts.get("reasons")).items(), key=lambda item: -_integer(item[1]))
    shown = [f"{code} {_integer(count):,}" for code, count in by_count[:TOP_REASONS]]
    return ", ".join(shown) + (", ..." if len(by_count) > TOP_REASONS else "")


def _write_singer(found: list[dict[str, Any]]) -> None:
    run = {"run": out.TEXT, "started": out.MOMENT, "seconds": out.NUMBER, "exit": out.INTEGER}
    run |= dict.fromkeys(TOTALS, out.INTEGER) | {
        "trouble": out.OBJECT,
        "spared": out.OBJECT,
        "dry_run": out.BOOLEAN,
    }
    run |= {"ended": out.BOOLEAN, "cause": out.TEXT}
    out.write("target_batch_runs", run, ["run"], ({name: entry.get(name) for name in run} for entry in found))
    counts = (*COUNTS, "merged")
    stream = {"run": out.TEXT, "started": out.MOMENT, "stream": out.TEXT}
    stream |= dict.fromkeys(counts, out.INTEGER) | {"reasons": out.OBJECT}
    records = (
        {"run": entry["run"], "started": entry.get("started"), "stream": name}
        | {count: tally.get(count) for count in (*counts, "reasons")}
        for entry in found
        for name, tally in object_in(entry.get("streams")).items()
    )
    out.write("target_batch_run_streams", stream, ["run", "stream"], records)


def _integer(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _float(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
