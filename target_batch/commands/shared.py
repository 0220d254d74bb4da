"""Shared by the commands: options, loading settings, stopping, and output in all forms."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import click
import msgspec

from target_batch.common.errors import ConfigurationError, StopRun
from target_batch.common.plain_text import fitted, number, shortened, wrapped
from target_batch.common.reasons import Reason
from target_batch.common.redaction import clean
from target_batch.config import files as configuration
from target_batch.config.files import NO_CONFIGURATION, Wrong
from target_batch.mapping.checks import ready

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from target_batch.config.settings import Settings

UNKNOWN_REASON: Final = "A reason that this version does not know."
REASONS: Final = {reason.code: reason for reason in Reason}

Form = Literal["text", "json", "singer"]

TEXT = {"type": ["string", "null"]}
INTEGER = {"type": ["integer", "null"]}
NUMBER = {"type": ["number", "null"]}
BOOLEAN = {"type": ["boolean", "null"]}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
OBJECT = {"type": ["object", "null"]}

config_option = click.option(
    "--config",
    "files",
    multiple=True,
    metavar="FILE",
    help="Configuration file, or ENV for variables TARGET_BATCH_…; may be given several times.",
)
"""Decorator that adds `--config` to a command, with the same meaning as for the target."""


def format_option(*more: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds `--format`: text, JSON, a Singer stream, and the formats in `more`."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json", "singer", *more]),
        default="text",
        show_default=True,
        help="A table, JSON, or a Singer stream for any target to load.",
    )


class Stopped(Wrong):
    """The command had to stop: reported as the target reports it, with the same exit code."""

    exit_code = 1


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn errors of the target into `Wrong` and `Stopped`, which end a command with the same exit code."""
    try:
        yield
    except ConfigurationError as error:
        raise Wrong(str(error)) from None
    except StopRun as error:
        raise Stopped(str(error)) from None


def read_named(files: Sequence[str]) -> dict[str, Any]:
    """Read the configuration for a command that needs one.

    Raises:
        Wrong: no configuration was named, or it cannot be read.
    """
    if not files:
        raise Wrong(NO_CONFIGURATION)
    return configuration.read(files)


def load(config: dict[str, Any]) -> Settings:
    """Check a configuration as the target does.

    Raises:
        Wrong: the target would refuse it.
    """
    try:
        return ready(configuration.nested(config))
    except ConfigurationError as error:
        raise Wrong(clean(error, 600)) from None


def keyless(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration for a command that needs no key: with a placeholder for each one missing."""
    return config | {name: config.get(name) or "not-set" for name in ("rest_api_key", "project_key")}


encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def echo_json(found: object) -> None:
    """Write data to standard output as indented JSON."""
    click.echo(msgspec.json.format(encode(found), indent=2).decode())


def echo_singer(
    stream: str, properties: Mapping[str, Any], keys: Sequence[str], records: Iterable[dict[str, Any]]
) -> None:
    """Write the SCHEMA message of a stream and a RECORD for each record, for any Singer target to load."""
    schema = {"type": "object", "properties": properties}
    click.echo(encode({"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": keys}))
    for record in records:
        click.echo(encode({"type": "RECORD", "stream": stream, "record": record}))


def reason_lines(
    code: str, count: int, properties: Collection[str], lines: Collection[int], indent: int = 0
) -> Iterator[str]:
    """Yield a reason's count, code, properties and first lines of the input, then what to do about it."""
    names = shortened(clean(", ".join(properties), 200), 60)
    more = " …" if count > len(lines) else ""
    where = f"line {', '.join(map(str, lines))}{more}" if lines else ""
    head = f"{' ' * indent}{number(count):>8}  {click.style(clean(code, 40), fg='yellow')}"
    yield fitted("  ".join(part for part in (head, names, where) if part), indent + 10)
    yield wrapped(REASONS[code].advice if code in REASONS else UNKNOWN_REASON, indent + 10)
