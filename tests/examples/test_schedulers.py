"""The examples for schedulers are well-formed and act on exit codes as the documentation says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from target_batch.cli import COMMANDS

FOLDER = Path(__file__).parents[2] / "examples" / "schedulers"
FILES = sorted(path for path in FOLDER.iterdir() if path.is_file())


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    """The specification of the CronJob's jobs."""
    cron, *_ = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text(encoding="utf-8"))
    assert cron["kind"] == "CronJob"
    assert cron["spec"]["concurrencyPolicy"] == "Forbid"
    found: dict[str, Any] = cron["spec"]["jobTemplate"]["spec"]
    return found


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".py"], ids=lambda path: path.name)
def test_python_compiles(path: Path) -> None:
    compile(path.read_text(encoding="utf-8"), path.name, "exec")


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".sh"], ids=lambda path: path.name)
def test_a_script_can_be_parsed_and_started(path: Path) -> None:
    assert path.stat().st_mode & 0o111
    subprocess.run([shutil.which("bash") or "/bin/bash", "-n", str(path)], check=True)


def test_every_command_exists() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in FILES)
    assert set(re.findall(r"target-batch:([a-z]+)", text)) == {"check", "runs"} <= COMMANDS.keys()


def test_the_readme_names_every_file() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([^`]+)`", readme, re.MULTILINE))
    assert named == {p.name for p in FILES if not p.name.startswith(("README", "requirements-"))}


@pytest.mark.parametrize(
    "readme", sorted(FOLDER.parent.rglob("README.md")), ids=lambda path: path.parent.name
)
def test_the_links_of_a_readme_lead_somewhere(readme: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", readme.read_text(encoding="utf-8")):
        assert (readme.parent / target).exists(), target


def test_kubernetes_does_not_retry_a_wrong_setting(job: dict[str, Any]) -> None:
    pod = job["template"]["spec"]
    (rule,) = [rule for rule in job["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
    assert rule["onExitCodes"]["values"] == [2]
    assert rule["onExitCodes"]["containerName"] in {each["name"] for each in pod["initContainers"]}
    assert pod["restartPolicy"] == "Never", "a policy for failed pods asks for it"
    assert job["backoffLimit"] > 0


def test_kubernetes_gives_a_run_the_time_to_stop_and_no_privilege(job: dict[str, Any]) -> None:
    pod = job["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= 30
    assert pod["securityContext"]["runAsNonRoot"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in (*pod["initContainers"], *pod["containers"]):
        locked = container["securityContext"]
        assert locked["readOnlyRootFilesystem"]
        assert not locked["allowPrivilegeEscalation"]
        assert locked["capabilities"] == {"drop": ["ALL"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


def test_cron_has_five_fields_and_starts_the_script() -> None:
    lines = (FOLDER / "crontab").read_text(encoding="utf-8").splitlines()
    (entry,) = [line for line in lines if re.match(r"[\d*]", line)]
    assert re.match(r"^(\S+ ){5}cd \S+ && \./load\.sh ", entry)
    names = {line.partition("=")[0] for line in lines if re.match(r"^\w+=", line)}
    assert {"TAP", "TARGET"} <= names
