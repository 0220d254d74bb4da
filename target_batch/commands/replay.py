"""``target-batch replay``: load archives into Batch straight from their files."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click

from target_batch.commands.shared import config_option
from target_batch.singer.archives import ArchiveReader
from target_batch.singer.row_files import located
from target_batch.target import TargetBatch

NO_STATE_YET: Final = (
    "The file of --state, {}, is empty, so this replay begins at the beginning, and what an earlier one sent "
    "is sent again. If the file held states, the shell's `>` emptied it before it was read: end this run, "
    "and next time append the new states with `>>`, or write them to another file."
)


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
    after = _position(state)
    note = NO_STATE_YET.format(state) if state is not None and after is None else ""
    reader = ArchiveReader(stream, expanded, _read(schema), after, note)
    TargetBatch.run_and_exit(files, message_reader=reader)


def _expanded(file: str) -> list[str]:
    """Expand `*` in a URL. The shell expands those in paths, and a path must be that of a file."""
    if "*" in file:
        found = _matches(file)
        if not found:
            raise click.BadParameter(f"{file}: no file matches")
        return found
    if "://" not in file and not Path(file).exists():
        raise click.BadParameter(f"{file}: the file does not exist")
    if "://" not in file and Path(file).is_dir():
        raise click.BadParameter(f"{file} is a folder, so nothing was sent. Name the files in it")
    return [file]


def _matches(pattern: str) -> list[str]:
    """Return the files that a pattern matches, without folders."""
    import fsspec  # noqa: PLC0415 - slow to import, and only needed for patterns

    place, separator, _ = pattern.partition("://")  # what follows may hold a password
    try:
        files, path = fsspec.core.url_to_fs(located(pattern))
        found = files.glob(path, detail=True)
        return [files.unstrip_protocol(name) for name in sorted(found) if not _is_folder(files, found[name])]
    except (ImportError, ValueError) as error:
        kind = type(error).__name__
        reason = "its URL is wrong, its protocol is unknown, or needs a package of its own (s3fs, gcsfs, …)"
        advice = "Correct the URL, or install the package beside target-batch"
    except Exception as error:  # noqa: BLE001 - of any package; its message may hold a key
        kind = type(error).__name__
        reason = "its storage does not list its files"
        advice = "Check the URL, the network, and where the storage's package looks for credentials"
    raise click.BadParameter(
        f"the pattern {place}{separator}… cannot be expanded: {reason} ({kind}). Nothing was sent. {advice}"
    )


def _is_folder(files: Any, info: dict[str, Any]) -> bool:
    """Return whether a match is a folder, or a link to one."""
    return info.get("type") == "directory" or bool(info.get("islink") and files.isdir(info["name"]))


def _read(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise click.BadParameter("the file is not a JSON schema that can be read") from None
    if not isinstance(found, dict) or not isinstance(found.get("properties"), dict):
        raise click.BadParameter(
            f"--schema {path}: the file is not a JSON object whose `properties` are an object. Nothing was "
            'sent. Give one such as {"properties": {"user_id": {"type": "string"}}}, or leave out --schema'
        )
    return found


def _position(state: Path | None) -> tuple[str, int] | None:
    """Read the last state of an earlier run; None if there is none."""
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
            return _checked(state, done["file"], done["rows"])
    raise click.BadParameter("the file holds no state that `target-batch replay` wrote")


def _checked(state: Path, file: object, rows: object) -> tuple[str, int]:
    if isinstance(file, str) and isinstance(rows, int) and not isinstance(rows, bool) and rows >= 0:
        return file, rows
    raise click.BadParameter(
        f"--state {state}: in its last state, `file` is not a text or `rows` is not a whole number from 0. "
        "Nothing was sent. Restore the line as `target-batch replay` wrote it, or leave --state out to begin "
        "at the beginning"
    )
