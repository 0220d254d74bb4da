"""Starting a server from the command's options."""

import json
from pathlib import Path
from typing import Any

import click

from target_batch.sandbox.batch import LocalBatch, Options
from target_batch.sandbox.faults.book import FaultBook
from target_batch.sandbox.faults.script import ScriptError
from target_batch.sandbox.keys import Keys
from target_batch.sandbox.readings import ReadingError, Readings, parse_readings
from target_batch.sandbox.serving import serve


def make_batch(options: dict[str, Any]) -> LocalBatch:
    """Make a local Batch from the command's options.

    Raises:
        click.BadParameter: If the fault script is malformed or a reading is unknown.
    """
    behaviour = Options(
        latency=options["latency"],
        index_seconds=options["index_seconds"],
        export_seconds=options["export_seconds"],
        null=options["null"],
        journal=options["journal"],
        rates=options["rates"],
        readings=read_readings(options["readings"]),
    )
    keys = Keys(options["rest"], options["projects"], options["apps"])
    return LocalBatch(behaviour, keys, faults=read_faults(options["faults"]))


def read_readings(texts: tuple[str, ...]) -> Readings:
    """Parse the readings given on the command line.

    Raises:
        click.BadParameter: If one is unknown.
    """
    try:
        return parse_readings(texts)
    except ReadingError as error:
        raise click.BadParameter(str(error), param_hint="--reading") from None


def read_faults(path: Path | None) -> FaultBook:
    """Read a file of scripted faults; without a file there are no faults.

    Raises:
        click.BadParameter: If the file is malformed.
    """
    book = FaultBook()
    if path is None:
        return book
    try:
        rules = json.loads(path.read_text(encoding="utf-8"))
        book.add(rules if isinstance(rules, list) else [rules])
    except (ValueError, ScriptError) as error:
        raise click.BadParameter(f"{path.name}: {error}", param_hint="--faults") from None
    return book


def start(options: dict[str, Any]) -> None:
    """Serve a local Batch until a signal stops it."""
    serve(make_batch(options), options["port"], options["port_file"])
