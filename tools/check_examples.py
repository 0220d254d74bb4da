"""Load the schedulers' examples with the real packages: `make test-examples` runs this in their environments.

python tools/check_examples.py airflow|dagster|kubernetes
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "schedulers"


def airflow() -> str:
    """Load the DAG, as Airflow's processor does, and look at its tasks and their order."""
    dag = runpy.run_path(str(EXAMPLES / "airflow_dag.py"))["dag"]
    assert dag.task_ids == ["check", "load"], dag.task_ids
    assert dag.get_task("check").downstream_task_ids == {"load"}
    assert (dag.get_task("check").retries, dag.get_task("load").retries) == (0, 3)
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    return f"the DAG {dag.dag_id}: {' >> '.join(dag.task_ids)}"


def dagster() -> str:
    """Resolve the definitions, and run the asset against a stand-in for Meltano for each exit code."""
    module = runpy.run_path(str(EXAMPLES / "dagster_definitions.py"))
    repository = module["defs"].get_repository_def()
    assert [schedule.name for schedule in repository.schedule_defs] == ["hourly"]
    codes = {name: _dagster_run(module, *outcome) for name, outcome in OUTCOMES.items()}
    assert codes == {"loaded": None, "wrong setting": False, "stopped": True}, codes
    return f"the asset users_in_batch and its schedule; may be tried again: {codes}"


OUTCOMES = {"loaded": (0, 0), "wrong setting": (2, 0), "stopped": (0, 1)}
"""Exit codes of the check and of the load."""


def _dagster_run(module: dict[str, Any], check: int, load: int) -> bool | None:
    """Return whether Dagster may try a failed asset again; None where it succeeded."""
    import subprocess  # noqa: PLC0415 - what the example uses

    from dagster import Failure, build_asset_context  # noqa: PLC0415 - only in its environment

    def meltano(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = {"target-batch:check": check, "tap-warehouse": load}.get(arguments[1], 0)
        return subprocess.CompletedProcess(arguments, code, stdout='[{"streams": {"users": {"read": 1}}}]')

    asset = module["users_in_batch"]
    asset.op.compute_fn.decorated_fn.__globals__["meltano"] = meltano
    try:
        result = asset(build_asset_context()) if asset.op.compute_fn.has_context_arg() else asset()
    except Failure as failure:
        return bool(failure.allow_retries)
    assert result.metadata["users"] == {"read": 1}
    return None


def kubernetes() -> str:
    """Validate each manifest strictly against the newest Kubernetes schema that the package has."""
    import kubernetes_validate  # noqa: PLC0415 - only in its environment
    import yaml  # noqa: PLC0415 - same

    manifests = list(yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text(encoding="utf-8")))
    version = kubernetes_validate.latest_version()
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)
    return f"{len(manifests)} manifests are right for Kubernetes {version}"


if __name__ == "__main__":
    (name,) = sys.argv[1:]
    print(f"{name}: {({'airflow': airflow, 'dagster': dagster, 'kubernetes': kubernetes}[name])()}")
