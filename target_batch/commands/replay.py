"""``target-batch replay``: load archives into Batch straight from their files."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from target_batch.commands.shared import config_option
from target_batch.singer.archives import ArchiveReader
from target_batch.singer.row_files import located
from target_batch.target import TargetBatch


@click.command("replay", short_help="Load archives (JSON lines, CSV, Parquet) straight from their files.")
@config_option
@click.option("--stream", required=True, help="Name of the stream that the rows are.")
@click.option("--schema", type=click.Path(path_type=Path), help="JSON schema of the rows; else learned.")
@click.option("--state", type=click.Path(path_type=Path), help="States of an earlier run, to go on from.")
@click.argument("archives", nargs=-1, required=True, metavar="FILES...")
def replay(
    *, files: tuple[str, ...], stream: str, schema: Path | None, state: Path | None, archives: tuple[str, ...]
) -> None:
    """Load FILES, paths or URLs (`s3://…`), as the rows of one stream.

    Files are JSON lines or CSV (compressed or plain) or Parquet, of Segment messages or of flat rows.
    Mapping, counts, rejects and limits are those of the target; the setting `replay` narrows the time and
    the types. States go to standard output: keep them, and `--state` goes on where they end.
    """
    expanded = [found for file in archives for found in _expanded(file)]
    reader = ArchiveReader(stream, expanded, _read(schema), _position(state))
    TargetBatch.run_and_exit(files, message_reader=reader)


def _expanded(file: str) -> list[str]:
    """Expand `*` in a URL. The shell expands those in paths, and a path must exist."""
    if "*" not in file:
        if "://" not in file and not Path(file).exists():
            raise click.BadParameter(f"{file}: the file does not exist")
        return [file]
    import fsspec  # noqa: PLC0415 - slow to import, and only needed for patterns

    files, path = fsspec.core.url_to_fs(located(file))
    found = [files.unstrip_protocol(name) for name in sorted(files.glob(path))]
    if not found:
        raise click.BadParameter(f"{file}: no file matches")
    return found


def _read(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise click.BadParameter("the file is not a JSON schema that can be read") from None
    return found


def _position(state: Path | None) -> tuple[str, int] | None:
    """Read the last state of an earlier run."""
    if state is None:
        return None
    if not state.exists():
        raise click.BadParameter(
            f"--state {state}: the file does not exist. Without --state a replay begins at the beginning"
        )
    try:
        lines = [line for line in state.read_text(encoding="utf-8").split("\n") if line.strip()]
    except (OSError, ValueError):
        raise click.BadParameter(f"--state {state}: the file cannot be read as text in UTF-8") from None
    if not lines:
        return None
    for line in reversed(lines[-2:]):  # a crash may have truncated the last one
        with suppress(ValueError, KeyError, TypeError):
            done = json.loads(line)["replay"]
            return done["file"], done["rows"]
    raise click.BadParameter("the file holds no state that `target-batch replay` wrote")
