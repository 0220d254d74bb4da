"""``target-batch sandbox``: start a local Batch."""

from pathlib import Path
from typing import Any

import click

from target_batch.sandbox.readings import describe_readings

DEFAULT_PORT = 8765
"""Default port of the local Batch."""

INDENT = 2
"""Number of columns by which click indents an epilog."""


class SandboxCommand(click.Command):
    """The command, with a list of the readings at the end of its help."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the readings, wrapped to the width of the help."""
        self.epilog = describe_readings(formatter.width - INDENT)
        super().format_epilog(ctx, formatter)


@click.command(cls=SandboxCommand)
@click.option(
    "--host",
    type=click.Choice(["127.0.0.1", "localhost"]),
    default="127.0.0.1",
    hidden=True,
    help="Only this machine can be listened on.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port to listen on; 0 for any that is free.",
)
@click.option("--rest-api-key", "rest", multiple=True, help="REST API key to accept; default: any.")
@click.option("--project-key", "projects", multiple=True, help="Project key to accept; default: any.")
@click.option("--app-key", "apps", multiple=True, help="App key to accept; default: any.")
@click.option(
    "--latency", type=click.FloatRange(0), default=0.0, help="Minimum duration of a call in seconds."
)
@click.option(
    "--index-seconds",
    type=click.FloatRange(0),
    default=0.0,
    help="Seconds until a change of an audience is indexed.",
)
@click.option(
    "--export-seconds", type=click.FloatRange(0), default=0.0, help="Seconds until an export has ended."
)
@click.option("--rates/--no-rates", default=True, help="Enforce the documented rates, or not.")
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file with scripted faults.",
)
@click.option(
    "--reading",
    "readings",
    multiple=True,
    metavar="NAME=VALUE",
    help="What to answer where Batch's documentation is silent; repeatable, see below.",
)
@click.option("--null", is_flag=True, help="Answer at once and keep nothing, for benchmarks.")
@click.option("--journal/--no-journal", default=True, help="Keep every accepted entry, or not.")
@click.option(
    "--port-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write the port to once the local Batch listens.",
)
def sandbox(**options: Any) -> None:
    """Start a local Batch to try against, with a page that shows what arrived.

    It listens on this machine only. Any key is accepted unless one is given.
    """
    try:
        import starlette  # noqa: F401, PLC0415 - an optional extra
        import uvicorn  # noqa: F401, PLC0415 - same
    except ImportError:
        raise click.ClickException(
            "the local Batch needs two more packages: install target-batch[sandbox]"
        ) from None
    from target_batch.sandbox.starting import start  # noqa: PLC0415 - needs the extra

    try:
        start(options)
    except OSError as error:
        message = f"cannot listen on port {options['port']}: {error.strerror}"
        raise click.ClickException(message) from None
