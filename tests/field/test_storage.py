"""Object storage that is down, forbidden, silent or missing is reported, and nothing is created."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from singer import STRING, record, schema, state
from target_process import config_file, encoded, ended, environment, run

from target_batch.common.storage import RemoteFolder

if TYPE_CHECKING:
    from local_batch import LocalBatch

ROOT = Path(__file__).parents[2]
STORE = """
import sys, time
import fsspec
from fsspec.spec import AbstractFileSystem

class Store(AbstractFileSystem):
    protocol = "s3"
    def pipe_file(self, path, value, **options):
        raise {error}
    def makedirs(self, path, exist_ok=False):
        open({made!r}, "w").close()
    mkdir = makedirs

fsspec.register_implementation("s3", Store, clobber=True)
sys.path.insert(0, {root!r})
from target_batch.cli import cli
cli()
"""
LINES = [
    schema("users", {"user_id": STRING, "p": STRING}),
    record("users", user_id="u1", p="x"),
    record("users", user_id="", p="y"),
    state({"seen": 2}),
]
GOOD = [*LINES[:2], state({"seen": 1})]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("FileNotFoundError('x')", "there is no such bucket or folder"),
        ("PermissionError(13, 'Forbidden')", "Forbidden"),
        ("ConnectionError('canary-words')", "ConnectionError"),
        ("RuntimeError('canary-words')", "RuntimeError"),
    ],
)
@pytest.mark.parametrize("lines", [LINES, GOOD], ids=["with a reject", "all good"])
def test_a_storage_that_refuses_every_write_holds_the_state_only_for_rejects(
    tmp_path: Path, batch: LocalBatch, error: str, message: str, lines: list[str]
) -> None:
    """Rejects that cannot be written hold the state; a run log alone is a warning. The totals are logged."""
    made = tmp_path / "made"
    script = tmp_path / "store.py"
    script.write_text(STORE.format(error=error, made=str(made), root=str(ROOT)))
    config = config_file(tmp_path, batch.url, work_path="s3://bucket/prefix")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, str(script), "--config", str(config)]
    process = subprocess.Popen(command, env=environment(), **pipes)  # type: ignore[call-overload]
    found = ended(process, config, encoded(lines))
    assert (found.code, found.states) == ((1, []) if lines is LINES else (0, [{"seen": 1}])), found.log
    assert batch.attributes("u1") == {"p": "x"}
    assert "`work_path`" in found.log
    assert message in found.log
    assert "Totals: users: " in found.log
    assert "Please report" not in found.log
    assert "canary-words" not in found.log
    assert not made.exists()


@pytest.mark.parametrize("error", ["OSError('canary-words')", "ValueError('canary-words')"])
def test_a_storage_that_does_not_open_is_reported_as_a_wrong_setting(
    tmp_path: Path, batch: LocalBatch, error: str
) -> None:
    """Storage packages look for credentials or connect when created; the message names the kind of error."""
    script = tmp_path / "store.py"
    at = "class Store(AbstractFileSystem):\n"
    raising = f"{at}    def __init__(self, **options):\n        raise {error}\n"
    script.write_text(STORE.replace(at, raising).format(error="x", made="", root=str(ROOT)))
    config = config_file(tmp_path, batch.url, work_path="s3://bucket/prefix")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, str(script), "--config", str(config)]
    process = subprocess.Popen(command, env=environment(), **pipes)  # type: ignore[call-overload]
    found = ended(process, config, encoded(GOOD))
    assert (found.code, found.states, batch.journal()) == (2, [], [])
    assert f"The storage behind `work_path` (s3://) does not open ({error.partition('(')[0]})" in found.log
    assert "canary-words" not in found.log
    assert "Please report" not in found.log


@pytest.mark.parametrize("path", ["s3://", "s3:///prefix", "gs://", "abfs:///x"])
def test_a_url_without_a_bucket_is_refused(tmp_path: Path, batch: LocalBatch, path: str) -> None:
    """Otherwise the path would be taken for the name of the bucket."""
    found = run(tmp_path, batch.url, GOOD, work_path=path)
    assert found.code == 2
    assert "`work_path` names no bucket" in found.log
    assert batch.journal() == []


def test_a_storage_that_never_answers_is_abandoned_after_a_while() -> None:
    waiting = threading.Event()

    class Silent:
        protocol = "s3"

        def pipe_file(self, *_: object) -> None:
            """Wait for an answer that never comes."""
            waiting.wait()

    appender = RemoteFolder(Silent(), "bucket", lambda: 0.2).append("rejects/a.jsonl")
    appender.write(b"head\n", b"line\n")
    with pytest.raises(OSError, match="no answer within"):
        appender.sync()
    waiting.set()
