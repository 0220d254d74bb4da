"""``target-batch init``: write a first configuration from a few answers and a sample of the data.

Each option that it proposes for a stream is tried with the real target.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, get_args

import click

from target_batch.commands.findings import as_data, shown
from target_batch.commands.samples import RECORDS, SampleRow, Schema, read_sample
from target_batch.commands.shared import Stopped, exit_codes, keyless, load
from target_batch.commands.study import RehearsalTarget
from target_batch.common.errors import ConfigurationError
from target_batch.common.limits import NAME_LENGTH
from target_batch.common.properties import words
from target_batch.common.reasons import Reason
from target_batch.common.redaction import clean
from target_batch.config.files import PREFIX, Wrong
from target_batch.config.routing import kind_by_name, kind_by_shape
from target_batch.config.settings import Kind
from target_batch.singer.rows import schema_of, typed_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_batch.commands.study import Study

KEY_VARIABLE: Final = f"{PREFIX}REST_API_KEY"

MELTANO_HEAD: Final = """\
# For meltano.yml, once target-batch is added there (see the quick start).
# The key belongs elsewhere: meltano config set target-batch rest_api_key YOUR_KEY
"""

REPLAYED: Final = re.compile(r"\.(csv|tsv|jsonl?|ndjson)(\.gz)?$", re.IGNORECASE)
"""Matches names of files whose rows `replay` can load directly."""

IDENTIFYING: Final = frozenset({"id", "uid", "uuid", "guid", "key", "number", "no", "code"})
"""Last words of the names of properties that may hold an ID."""

READ_FROM_TEXT: Final = frozenset({"integer", "number", "boolean"})
"""JSON types that the setting `attributes` can read from text: `integer(name)`."""


@dataclass(frozen=True)
class Flags:
    """The options of the command line. Missing values are asked for; with `--yes` the proposals are used."""

    file: str | None
    stream: str | None
    kind: str | None
    custom_id: str | None
    time: str | None
    project_key: str | None
    api_url: str | None
    output: str
    meltano: str | None
    with_key: bool
    force: bool
    yes: bool

    def ask(self, text: str, proposed: str | None, choices: list[str] | None = None) -> str:
        """Ask for a value. With `--yes` return the proposed one, "" if there is none."""
        if self.yes:
            return proposed or ""
        kind = click.Choice(choices) if choices else str
        empty = None if choices else ""
        answer: str = click.prompt(text, default=proposed or empty, type=kind)
        return answer


@click.command("init")
@click.option("--input", "file", help="Sample: CSV, JSON Lines, Singer, a catalog.")
@click.option("--stream", help="The stream's name, where rows have none; else the file's name.")
@click.option("--kind", type=click.Choice(get_args(Kind)), help="Kind of the streams; else found or asked.")
@click.option("--custom-id", metavar="PROPERTY", help="Property of the custom ID; else found or asked.")
@click.option("--time", metavar="PROPERTY", help="Property of the records' own time; else found or asked.")
@click.option("--project-key", help="The project's key (project_…); on its own it gives no access.")
@click.option("--api-url", help="Another address than Batch's, such as that of a local Batch.")
@click.option("--output", default="batch.json", show_default=True, help="Configuration to write.")
@click.option("--meltano", metavar="FILE", help="File for the part of meltano.yml; else it is shown.")
@click.option(
    "--with-key", is_flag=True, help=f"Write the REST API key too, asked for or from {KEY_VARIABLE}."
)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.option("--yes", "-y", is_flag=True, help="Ask nothing: take the flags and what is proposed.")
def init(**flags: Any) -> None:
    """Write a configuration, and the part of a meltano.yml, from a few answers and a sample.

    Each proposal is tried with the real target, offline. No key is written unless `--with-key` asks for it.
    Exit code 2 when the target would refuse the result, 1 when the sample cannot be read; then nothing is
    written.
    """
    given = Flags(**flags)
    for path in filter(None, (given.output, given.meltano)):
        if Path(path).exists() and not given.force:
            raise Wrong(f"{path}: the file is there already. Name another one, or overwrite it with --force.")
    config, replayed = _config(given)
    load(keyless(config))  # raises if the target would refuse it
    key = _key(given) if given.with_key else {}
    _write(given.output, json.dumps(config | key, indent=2, ensure_ascii=False) + "\n", private=bool(key))
    part = _meltano_part(config)
    if given.meltano:
        _write(given.meltano, part)
    else:
        click.echo(part)
    _tell(given, replayed)


def _config(flags: Flags) -> tuple[dict[str, Any], str]:
    """Ask for the configuration, and show what it does to the sample.

    Returns:
        The configuration, and the options with which `replay` loads the sample, "" if it cannot.
    """
    project_key = flags.project_key
    if project_key is None:
        project_key = flags.ask("Project key (project_…), empty for apps only", None)
    file = flags.file or flags.ask(
        "A sample of the data (CSV, JSON Lines, Singer, a catalog), empty for none", None
    )
    given = {"project_key": project_key, "api_url": flags.api_url}
    config: dict[str, Any] = {name: value for name, value in given.items() if value}
    if not file:
        return config, ""
    try:
        with Path(file).open("rb") as opened, exit_codes():
            sample = Sample(opened, flags.stream or None)
            config |= {"streams": {name: _options(sample, name, config, flags) for name in sample.schemas}}
            studies = sample.tried(config)
    except OSError as error:
        raise Stopped(f"{clean(file, 200)}: the file cannot be read: {error.strerror}.") from None
    if not studies:
        raise Stopped("The sample describes no stream: it has neither a SCHEMA nor a row.")
    settings = load(keyless(config))
    for study in studies.values():
        if study.problem:
            raise Wrong(study.problem)
        click.echo("\n".join(shown(as_data(study, settings))) + "\n")
    inferred = [name for name, schema in sample.schemas.items() if schema.inferred]
    is_replayed = inferred and REPLAYED.search(file)
    return config, shlex.join(["--stream", inferred[0], file]) if is_replayed else ""


def _key(flags: Flags) -> dict[str, str]:
    key = os.environ.get(KEY_VARIABLE)
    if not key and not flags.yes:
        key = click.prompt("REST API key (not shown)", hide_input=True)
    if not key:
        raise Wrong(f"--with-key finds no key: with --yes it is taken from the variable {KEY_VARIABLE}.")
    return {"rest_api_key": key}


class Sample:
    """The schemas and rows of a sample, read once.

    Raises:
        InputError: the sample cannot be read, or has no stream.
    """

    def __init__(self, file: IO[bytes], stream: str | None) -> None:
        found: list[Schema | SampleRow] = []
        read_sample(file, stream, RECORDS, found.append)
        self.schemas = {one.stream: one for one in found if isinstance(one, Schema)}
        self.rows = [one for one in found if isinstance(one, SampleRow)]

    def of(self, stream: str) -> list[dict[str, Any]]:
        """Return the records of a stream."""
        return [row.row.record for row in self.rows if row.stream == stream]

    def properties(self, stream: str) -> dict[str, Any]:
        """Return the properties in the SCHEMA of a stream."""
        found: dict[str, Any] = self.schemas[stream].schema.get("properties") or {}
        return found

    def tried(self, config: dict[str, Any]) -> dict[str, Study]:
        """Run the sample through the real target with a configuration, without sending anything.

        Raises:
            ConfigurationError: the target would refuse the configuration.
        """
        target = RehearsalTarget(keyless(config), time.time())
        for schema in self.schemas.values():
            target.show(schema)
        for row in self.rows:
            target.show(row)
        return target.run.studies


def _options(sample: Sample, stream: str, config: dict[str, Any], flags: Flags) -> dict[str, Any]:
    """Propose options for one stream.

    Raises:
        ConfigurationError: the target would refuse them.
    """
    found = flags.kind or kind_by_shape(sample.properties(stream)) or kind_by_name(stream)
    kind = flags.ask(f"Kind of stream '{clean(stream, 60)}'", found, list(get_args(Kind)))
    given = {"kind": kind, "custom_id": flags.custom_id, "time": flags.time if kind != "ignore" else None}
    options: dict[str, Any] = {name: value for name, value in given.items() if value}

    def study() -> Study:
        return sample.tried(config | {"streams": {stream: options}})[stream]

    if kind != "ignore":
        _ask_properties(sample, stream, options, study, flags)
        last = study()
        if last.problem:
            raise ConfigurationError(last.problem)
        if named := _attributes(sample, stream, last):
            options["attributes"] = named
    return options


def _ask_properties(
    sample: Sample, stream: str, options: dict[str, Any], study: Callable[[], Study], flags: Flags
) -> None:
    """Ask for the custom ID and the time where the target finds none; have a found custom ID confirmed."""
    shown, first = clean(stream, 60), study()
    found = first.route.custom_id if first.route else None
    unknown = found is None and "custom ID" in (first.problem or "")
    if not flags.custom_id and (unknown or (found and not flags.yes)):
        proposed = found or _likely_custom_id(sample, stream)
        answer = flags.ask(f"Property that holds the custom ID of '{shown}'", proposed)
        if answer and answer != found:
            options["custom_id"] = answer
    if options.get("kind") == "events" and not flags.time and study().problem:
        moment = flags.ask(f"Property of the event's own time in '{shown}'", None)
        if moment:
            options["time"] = moment


def _likely_custom_id(sample: Sample, stream: str) -> str | None:
    """Return the property that may hold the custom ID, and has the most distinct values."""
    rows = sample.of(stream)

    def distinct(name: str) -> int:
        return len({str(row[name]) for row in rows if row.get(name) is not None and row[name] != ""})

    named = [name for name in sample.properties(stream) if set(words(name)[-1:]) & IDENTIFYING]
    return max(named, key=distinct, default=None)


def _attributes(sample: Sample, stream: str, study: Study) -> dict[str, str]:
    """Return names for properties without a valid one, and types for those that a tap sends as text.

    Properties that the mapping already handles well are left out.
    """
    taken = {name for row in study.rows if row.target for name in row.target.split(", ")}
    found: dict[str, str] = {}
    for row in study.rows:
        if row.reason is Reason.INVALID_NAME:
            found[row.property] = name = _shortened(row.property, taken)
            taken.add(name)
    if study.route is not None and study.route.kind == "profiles":
        found |= dict(_typed_texts(sample, stream, study))
    return {name: target for name, target in found.items() if target}


def _shortened(name: str, taken: set[str]) -> str:
    """Return as many words of a name as Batch accepts, "" if there are none or the name is taken."""
    short = ""
    for word in words(name):
        longer = f"{short}_{word}" if short else word
        if len(longer) > NAME_LENGTH:
            break
        short = longer
    return "" if short in taken else short


def _typed_texts(sample: Sample, stream: str, study: Study) -> Iterator[tuple[str, str]]:
    """Yield conversions for properties declared as text that only hold numbers or booleans."""
    texts = [
        {name: value for name, value in row.items() if isinstance(value, str)} for row in sample.of(stream)
    ]
    seen = schema_of(typed_columns(texts))["properties"]
    for row in study.rows:
        kinds = set(seen.get(row.property, {}).get("type", ())) - {"null"}
        plain = row.target is not None and row.type == "string" and row.target.replace("_", "").isalnum()
        if plain and len(kinds) == 1 and kinds <= READ_FROM_TEXT:
            yield row.property, f"{kinds.pop()}({row.target})"


def _meltano_part(config: dict[str, Any]) -> str:
    import yaml  # noqa: PLC0415 - only here

    loader = {"name": "target-batch", "config": config}
    part = yaml.safe_dump({"plugins": {"loaders": [loader]}}, sort_keys=False, allow_unicode=True)
    return MELTANO_HEAD + str(part)


def _write(path: str, text: str, *, private: bool = False) -> None:
    """Write a file; a private one can be read by its owner only."""
    try:
        if private:
            Path(path).unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(path, flags, 0o600 if private else 0o666), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Stopped(f"{path}: the file cannot be written: {error.strerror}.") from None


def _tell(flags: Flags, replayed: str) -> None:
    click.echo(f"Written: {flags.output}. What to do now:")
    files = f"--config {shlex.quote(flags.output)}" + ("" if flags.with_key else " --config ENV")
    if not flags.with_key:
        click.echo(f"  export {KEY_VARIABLE}=…")
    click.echo(f"  target-batch check {files}")
    if replayed:
        click.echo(f"  target-batch replay {files} {replayed}")
        click.echo("Or from a tap:")
    click.echo(f"  some-tap | target-batch {files}")
