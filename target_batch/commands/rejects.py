"""``target-batch rejects``: show what was refused, why, and what to do about it."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import click

from target_batch.commands import history, options
from target_batch.commands import singer_out as out
from target_batch.commands.options import config_option, format_option
from target_batch.common.errors import ConfigurationError
from target_batch.common.plain_text import cut, fitted, number, wrapped
from target_batch.common.reasons import Reason
from target_batch.common.redaction import clean
from target_batch.config import files as configuration
from target_batch.config.files import Wrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_batch.commands.history import RejectMark

EXAMPLES: Final = 5
"""Lines, properties and messages kept per group."""

UNKNOWN: Final = "A reason that this version does not know."
REASONS: Final = {reason.code: reason for reason in Reason}
KEYS: Final = ("run", "stream", "position", "number")
PLAIN_NAME = re.compile(r"[A-Za-z0-9_$.() -]{1,80}")


@dataclass
class Group:
    """Marks of one stream with the same reason."""

    count: int = 0
    final: int = 0
    lines: dict[int, None] = field(default_factory=dict)
    properties: dict[str, None] = field(default_factory=dict)
    messages: dict[str, None] = field(default_factory=dict)

    def add(self, mark: dict[str, Any]) -> None:
        """Add a mark."""
        self.count += 1
        self.final += mark.get("replay") is False
        line = mark.get("line")
        if isinstance(line, int) and len(self.lines) < EXAMPLES:
            self.lines[line] = None
        for known, value in ((self.properties, mark.get("property")), (self.messages, mark.get("message"))):
            if value and len(known) < EXAMPLES:
                known[str(value)] = None


@click.command()
@config_option
@click.option("--run", metavar="RUN", help="Only this run, or `last` for the last one that left rejects.")
@format_option()
@click.option("--with-records", is_flag=True, help="With json and singer: the rejected records too.")
def rejects(*, files: tuple[str, ...], run: str | None, form: str, with_records: bool) -> None:
    """Show what was refused, by stream and reason: how often, on which lines, and what to do about it.

    `--format json` and `singer` write every refusal, without people's data unless asked for.
    """
    settings = options.load_without_keys(configuration.read(files))
    try:
        if run == "last":
            run = history.last_refused(settings.work_path)
        found = history.refusals(settings.work_path, run)
        if form == "singer":
            _write_singer(found, with_records=with_records)
        elif form == "json":
            options.echo_json([_record(refusal, with_records=with_records) for refusal in found])
        else:
            dry = {entry["run"] for entry in history.runs(settings.work_path) if entry.get("dry_run") is True}
            _print(found, files, dry, run)
    except ConfigurationError as error:
        raise Wrong(str(error)) from None


def _print(found: Iterable[RejectMark], files: tuple[str, ...], dry: set[str], run: str | None) -> None:
    """Print the groups and how to replay them, except rejects of dry runs: those were never to be sent."""
    groups: dict[tuple[str, str], Group] = {}
    paths: dict[str, set[int]] = {}
    for refusal in found:
        code = str(refusal.mark.get("code", "unknown"))
        groups.setdefault((refusal.stream, code), Group()).add(refusal.mark)
        repeatable = paths.setdefault(refusal.file, set())
        if refusal.run not in dry and refusal.mark.get("replay") is not False:
            repeatable.add(refusal.position)
    if not groups:
        known = "This folder holds no rejects."
        click.echo(f"No rejects of the run {run!a} are here; leave --run out for all." if run else known)
        return
    for line in (*_text(groups), *_replays(paths, files)):
        click.echo(line)


def _text(groups: dict[tuple[str, str], Group]) -> Iterator[str]:
    stream = None
    for (of_stream, code), group in sorted(groups.items(), key=lambda item: (item[0][0], -item[1].count)):
        if of_stream != stream:
            stream = of_stream
            yield click.style(clean(stream, 60), bold=True)
        names = cut(clean(", ".join(group.properties), 200), 60)
        more = " …" if group.count > len(group.lines) else ""
        lines = f"line {', '.join(map(str, group.lines))}{more}" if group.lines else ""
        head = f"{number(group.count):>8}  {click.style(clean(code, 40), fg='yellow')}"
        yield fitted("  ".join(part for part in (head, names, lines) if part), 10)
        yield wrapped(REASONS[code].advice if code in REASONS else UNKNOWN, 10)
        if code == Reason.REFUSED_BY_BATCH.code:
            yield from (wrapped(f"Batch says: {clean(text, 200)}", 10) for text in group.messages)
        if group.final:
            yield wrapped(f"{number(group.final)} of them must not be sent again and are skipped.", 10)
        yield ""


def _replays(paths: dict[str, set[int]], files: tuple[str, ...]) -> Iterator[str]:
    ready = [path for path, repeatable in paths.items() if repeatable]
    if not ready:
        return
    yield click.style(fitted("Once the cause is gone, this delivers exactly what was refused:"), bold=True)
    for path in ready:
        yield f"  {target_call(files)} --input {shlex.quote(path)}"


def target_call(files: tuple[str, ...]) -> str:
    """Return the command line that calls the target with the configuration of this command."""
    loader = os.environ.get("MELTANO_LOADER_NAME")
    if loader and "ENV" in files:
        return f"meltano invoke {shlex.quote(loader)}"
    return "target-batch" + "".join(f" --config {shlex.quote(name)}" for name in files)


def _write_singer(found: Iterable[RejectMark], *, with_records: bool) -> None:
    properties: dict[str, Any] = {
        "run": out.TEXT,
        "stream": out.TEXT,
        "position": out.INTEGER,
        "number": out.INTEGER,
        "line": out.INTEGER,
        "at": out.MOMENT,
        "code": out.TEXT,
        "costs": out.TEXT,
        "property": out.TEXT,
        "attribute": out.TEXT,
        "replay": out.BOOLEAN,
        "advice": out.TEXT,
    }
    if with_records:
        properties |= {"message": out.TEXT, "record": out.OBJECT}
    records = (_record(refusal, with_records=with_records) for refusal in found)
    out.write("target_batch_rejects", properties, KEYS, records)


def _record(refusal: RejectMark, *, with_records: bool) -> dict[str, Any]:
    mark = refusal.mark
    reason = REASONS.get(str(mark.get("code")))
    made = {
        "run": refusal.run,
        "stream": refusal.stream,
        "position": refusal.position,
        "number": refusal.number,
        "line": mark.get("line"),
        "at": mark.get("at"),
        "code": mark.get("code"),
        "costs": reason.level if reason else None,
        "property": mark.get("property"),
        "attribute": _name(mark.get("attribute")),
        "replay": mark.get("replay") is not False,
        "advice": reason.advice if reason else None,
    }
    return made | ({"message": mark.get("message"), "record": refusal.record} if with_records else {})


def _name(attribute: Any) -> str | None:
    """Return the attribute's name, None if it is not a plain name and could contain anything."""
    return attribute if isinstance(attribute, str) and PLAIN_NAME.fullmatch(attribute) else None
