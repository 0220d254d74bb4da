"""The command line: the Singer target and its subcommands, each imported when it is called."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Final, NoReturn

import click

from target_batch.common import standard_streams
from target_batch.common.plain_text import is_plain
from target_batch.config.files import Wrong, check_log_level
from target_batch.singer.row_files import opened
from target_batch.target import TOO_FEW_DESCRIPTORS, TargetBatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

COMMANDS: Final = {
    "check": ("target_batch.commands.check", "check"),
    "init": ("target_batch.commands.init", "init"),
    "notify-test": ("target_batch.commands.check", "notify_test"),
    "explain": ("target_batch.commands.explain", "explain"),
    "replay": ("target_batch.commands.replay", "replay"),
    "rejects": ("target_batch.commands.rejects", "rejects"),
    "runs": ("target_batch.commands.runs", "runs"),
    "verify": ("target_batch.commands.verify", "verify"),
    "sandbox": ("target_batch.sandbox.command", "sandbox"),
}
"""Name of a command → its module and object."""

NOT_WRITTEN: Final = frozenset({errno.ENOSPC, errno.EPIPE, errno.EIO})
"""Error numbers of writing to a standard output that is full or has lost its reader."""

END_OF_LIFE: Final = r"Python \d+\.\d+ (will reach|reached) its end of life"
"""Beginning of the SDK's warning about old Pythons. It is meant for plugin developers: this plugin decides
itself which Pythons it supports, and the warning would only clutter every night's log."""

LOG_CONFIG: Final = "SINGER_SDK_LOG_CONFIG"
"""The variable that names a file from which the SDK configures logging."""

SENTENCE: Final = 200
"""Maximum length of a command's description in the help, in characters."""

FROM_TERMINAL: Final = (
    "Reading Singer messages from this terminal. Pipe a tap into target-batch or name a file with --input; "
    "target-batch --help lists the commands."
)


class InputFile(click.File):
    """The type of `--input`: a path, or a URL that fsspec supports, as in `work_path`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Open the file; one that cannot be opened is an invalid value."""
        if not isinstance(value, str) or "://" not in value:
            return super().convert(value, param, ctx)
        try:
            return opened(value).open()
        except Exception as error:  # noqa: BLE001 - backends raise errors of their own
            reason = getattr(error, "strerror", None) or type(error).__name__
            self.fail(f"{value!r}: {reason}. Is its package installed (s3fs, gcsfs, …)?", param, ctx)


class CommandGroup(click.Group):
    """The Singer target as a command group: without a subcommand, it reads Singer messages."""

    def __init__(self, singer: click.Command) -> None:
        for parameter in singer.params:
            if isinstance(parameter.type, click.File):
                parameter.type = InputFile()
        super().__init__(
            singer.name,
            params=singer.params,
            callback=partial(_unless_subcommand, singer.callback),
            help=singer.help,
            invoke_without_command=True,
            context_settings={
                **singer.context_settings,
                "help_option_names": ["-h", "--help"],
                **({"color": False} if is_plain() else {}),
            },
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        _ = ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; return None if there is none of that name."""
        _ = ctx
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with; for an unknown one, the error names the closest."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if close := get_close_matches(args[0], COMMANDS, n=1):
                raise click.UsageError(f"{error.message} Did you mean `{close[0]}`?", ctx) from None
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, each described in a whole sentence."""
        rows = []
        for name in self.list_commands(ctx):
            found = self.get_command(ctx, name)
            rows.append((name, found.get_short_help_str(SENTENCE) if found else ""))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _unless_subcommand(callback: Callable[..., Any] | None, **params: Any) -> None:
    if callback is not None and click.get_current_context().invoked_subcommand is None:
        reads_standard_input = not params.get("about") and params.get("file_input") is None
        if reads_standard_input and sys.stdin is not None and sys.stdin.isatty():
            click.echo(FROM_TERMINAL, err=True)
        callback(**params)


def command() -> CommandGroup:
    """Return the command line; as a side effect, the SDK sets up its console logging.

    Raises:
        Wrong: the file named by SINGER_SDK_LOG_CONFIG is not a logging configuration.
    """
    path = os.environ.get(LOG_CONFIG)
    try:
        singer = TargetBatch.cli
    except Exception as error:
        if path is None:
            raise
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise Wrong(
            f"The file that {LOG_CONFIG} names is not a configuration of Python's logging in YAML ({reason})."
        ) from None
    return CommandGroup(singer)


def cli() -> NoReturn:
    """Run the command line: the entry point `target-batch`."""
    warnings.filterwarnings("ignore", END_OF_LIFE)
    try:
        standard_streams.prepare()
        code = _run()
    except OSError as error:
        if error.errno == errno.EMFILE:
            standard_streams.say_if_possible(TOO_FEW_DESCRIPTORS)
            sys.exit(1)
        if error.errno not in NOT_WRITTEN:
            raise
        code = _not_written(error.strerror or type(error).__name__)
    if reason := standard_streams.flushed():
        code = code or _not_written(reason)
    sys.exit(code)


def _run() -> int:
    try:
        check_log_level()
        command()()
    except Wrong as error:
        error.show()
        return error.exit_code
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        return ended.code or 0
    return 0


def _not_written(reason: str) -> int:
    standard_streams.flushed()
    click.echo(f"The output cannot be written: {reason}.", err=True)
    return 1
