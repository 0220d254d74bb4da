"""``target-batch rejects``: show what was refused, why, and what to do about it."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING, Any, Final

import click

from target_batch.commands import history, shared
from target_batch.commands.shared import REASONS, config_option, format_option, reason_lines
from target_batch.common.plain_text import fitted, number, wrapped
from target_batch.common.reasons import Reason
from target_batch.common.redaction import clean
from target_batch.config import files as configuration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_batch.commands.history import Refused, RejectMark

KEYS: Final = ("run", "stream", "position", "number")
PLAIN_NAME = re.compile(r"[A-Za-z0-9_$.() -]{1,80}")
"""Matches names of attributes that are shown; another could contain anything."""


@click.command()
@config_option
@click.option("--run", metavar="RUN", help="Only this run, or `last` for the last one that left rejects.")
@format_option()
@click.option("--with-records", is_flag=True, help="With json and singer: the rejected records too.")
def rejects(*, files: tuple[str, ...], run: str | None, form: str, with_records: bool) -> None:
    """Show what was refused, by stream and reason: how often, on which lines, and what to do about it.

    `--format json` and `singer` write every refusal, without people's data unless asked for.
    """
    settings = shared.load(shared.keyless(configuration.read(files)))
    with shared.exit_codes():
        if run == "last":
            run = history.last_refused(settings.work_path)
        found = history.refusals(settings.work_path, run)
        records = (_record(refusal, with_records=with_records) for refusal in found)
        if form == "singer":
            _write_singer(records, with_records=with_records)
        elif form == "json":
            shared.echo_json(list(records))
        else:
            dry = {entry["run"] for entry in history.runs(settings.work_path) if entry.get("dry_run") is True}
            for line in _text(history.grouped(found, dry), target_call(files), run):
                click.echo(line)


def _text(refused: Refused, target: str, run: str | None) -> Iterator[str]:
    """Yield the groups, then how to replay them."""
    for stream, groups in sorted(refused.groups.items()):
        yield click.style(clean(stream, 60), bold=True)
        for code, group in sorted(groups.items(), key=lambda item: -item[1].count):
            yield from reason_lines(code, group.count, group.properties, group.lines)
            if code == Reason.REFUSED_BY_BATCH.code:
                yield from (wrapped(f"Batch says: {clean(text, 200)}", 10) for text in group.messages)
            if group.final:
                yield wrapped(f"{number(group.final)} of them must not be sent again and are skipped.", 10)
            yield ""
    if commands := refused.replays(target):
        lead = fitted("Once the cause is gone, this delivers exactly what was refused:")
        yield click.style(lead, bold=True)
        yield from (f"  {command}" for command in commands)
    if not refused.groups:
        known = "This folder holds no rejects."
        yield f"No rejects of the run {run!a} are here; leave --run out for all." if run else known


def target_call(files: tuple[str, ...]) -> str:
    """Return the command line that calls the target with the configuration of this command."""
    loader = os.environ.get("MELTANO_LOADER_NAME")
    if loader and "ENV" in files:
        return f"meltano invoke {shlex.quote(loader)}"
    return "target-batch" + "".join(f" --config {shlex.quote(name)}" for name in files)


def _write_singer(records: Iterable[dict[str, Any]], *, with_records: bool) -> None:
    properties: dict[str, Any] = {
        "run": shared.TEXT,
        "stream": shared.TEXT,
        "position": shared.INTEGER,
        "number": shared.INTEGER,
        "line": shared.INTEGER,
        "at": shared.MOMENT,
        "code": shared.TEXT,
        "costs": shared.TEXT,
        "property": shared.TEXT,
        "attribute": shared.TEXT,
        "replay": shared.BOOLEAN,
        "advice": shared.TEXT,
    }
    if with_records:
        properties |= {"message": shared.TEXT, "record": shared.OBJECT}
    shared.echo_singer("target_batch_rejects", properties, KEYS, records)


def _record(refusal: RejectMark, *, with_records: bool) -> dict[str, Any]:
    mark = refusal.mark
    reason, attribute = REASONS.get(str(mark.get("code"))), mark.get("attribute")
    is_plain = isinstance(attribute, str) and PLAIN_NAME.fullmatch(attribute)
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
        "attribute": attribute if is_plain else None,
        "replay": mark.get("replay") is not False,
        "advice": reason.advice if reason else None,
    }
    return made | ({"message": mark.get("message"), "record": refusal.record} if with_records else {})
