"""The promises of the Dockerfile, tested in kernel namespaces: process 1, read-only root, no privileges."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from sys import version_info
from typing import TYPE_CHECKING, Any

import pytest
import target_process
from feeding import wait_until
from singer import STRING, record, schema, state
from target_process import Ended, config_file, encoded, ended, start

if TYPE_CHECKING:
    from local_batch import LocalBatch

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
toml = import_module("tomllib" if version_info >= (3, 11) else "tomli")
NAMESPACES = ["--mount", "--pid", "--fork", "--mount-proc"]
IF_NOT_ROOT = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
LINES = [schema("users", {"user_id": STRING}), record("users", user_id="u1"), state({"at": 1})]


def container(writable: Path) -> list[str]:
    """Return the command that starts another one as process 1, unprivileged and with one writable folder."""
    lock = 'mount --bind "$0" "$0" && mount -o remount,bind,ro / && exec setpriv "$@"'
    drop = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    return ["unshare", *IF_NOT_ROOT, *NAMESPACES, "sh", "-c", lock, str(writable), *drop]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The folder that the container may write to."""
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        pytest.skip("needs unshare and setpriv (util-linux)")
    folder = tmp_path / "work"
    folder.mkdir()
    tried = subprocess.run([*container(folder), "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"this system does not allow namespaces: {tried.stderr.strip()}")
    return folder


def started(work: Path, batch: LocalBatch, **settings: Any) -> tuple[subprocess.Popen[bytes], Path]:
    """Start the target in the container."""
    config = config_file(work.parent, batch.url, work_path=str(work), **settings)
    return start(config, before=container(work), env={"PYTHONDONTWRITEBYTECODE": "1"}), config


def inside(process: subprocess.Popen[bytes]) -> int:
    """Return the process ID that process 1 of the container has outside."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_until(lambda: children.read_text().split(), process)
    return int(children.read_text().split()[0])


def test_nothing_is_written_outside_the_one_folder(work: Path, batch: LocalBatch) -> None:
    outside = subprocess.run(
        [*container(work), "sh", "-c", f"echo $$; touch {work.parent / 'x'}"],
        capture_output=True,
        check=False,
    )
    assert outside.stdout.split() == [b"1"]
    assert outside.returncode != 0
    process, config = started(work, batch)
    done = ended(process, config, encoded(LINES))
    assert (done.code, done.states) == (0, [{"at": 1}]), done.log
    assert batch.summary()["profiles"] == 1
    assert done.run["exit"] == 0


def test_process_1_ends_in_good_order_on_sigterm(work: Path, batch: LocalBatch) -> None:
    """The kernel drops signals for which process 1 has no handler, so the target must have its own."""
    done = stopped(work, batch)
    assert (done.code, done.states) == (143, [{"at": 1}]), done.log
    assert batch.summary()["profiles"] == 1


def test_process_1_ends_without_a_state_while_batch_fails(work: Path, batch: LocalBatch) -> None:
    batch.fault({"answer": {"status": 503}})
    done = stopped(work, batch)
    assert (done.code, done.states) == (1, []), done.log


def stopped(work: Path, batch: LocalBatch) -> Ended:
    """Stop a container whose tap goes on, as soon as its first request has arrived."""
    process, config = started(work, batch, checkpoint_seconds=0.1)
    assert process.stdin is not None
    process.stdin.write(encoded(LINES))
    process.stdin.flush()
    wait_until(batch.requests, process)
    os.kill(inside(process), signal.SIGTERM)
    process.wait(timeout=target_process.ENDED_WITHIN)
    return ended(process, config)


def instructions(name: str) -> list[str]:
    """Return the arguments of each instruction of the Dockerfile, continued lines put together."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name} +(.+)$", joined, re.MULTILINE)


def test_the_build_copies_every_file_that_the_package_needs() -> None:
    project = toml.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {"pyproject.toml", "constraints.txt", project["project"]["readme"], *wheel}
    needed |= set(project["project"]["license-files"])
    copied = [part for line in instructions("COPY") if "--from" not in line for part in line.split()[:-1]]
    assert needed <= set(copied)
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for path in copied:
        assert (ROOT / path).exists(), path
        assert f"!{path}" in allowed, path
    assert {line[1:] for line in allowed if line.startswith("!")} == set(copied)
    assert any(fnmatch(".env", line) for line in allowed if line and line[0] not in "!#")


def test_the_image_has_extras_and_settings_that_exist() -> None:
    from target_batch.config.settings import json_schema  # noqa: PLC0415 - only this test needs it

    extras = toml.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    named = [arg.partition("=") for arg in instructions("ARG")]
    assert next(value for name, _, value in named if name == "EXTRAS") in extras
    settings = {f"TARGET_BATCH_{name.upper()}" for name in json_schema()["properties"]}
    assert set(re.findall(r"TARGET_BATCH_\w+", DOCKERFILE)) <= settings


def test_the_image_runs_without_root_and_as_process_1() -> None:
    *_, user = instructions("USER")
    assert all(int(number) >= 10_000 for number in user.split(":"))
    assert instructions("ENTRYPOINT") == ['["target-batch"]']
