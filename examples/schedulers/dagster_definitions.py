"""Users into Batch, once an hour, with Dagster. `/project` is a Meltano project with target-batch in it."""

import json
import subprocess

import dagster as dg


def meltano(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Meltano in the project; its log goes to Dagster's."""
    return subprocess.run(
        ["meltano", "--log-level=error", *arguments],
        cwd="/project",
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )


@dg.asset(retry_policy=dg.RetryPolicy(max_retries=3, delay=300))
def users_in_batch() -> dg.MaterializeResult:
    """Load the users; what became of each stream is the asset's metadata."""
    if meltano("invoke", "target-batch:check").returncode == 2:
        raise dg.Failure("target-batch: a setting is wrong, see the log", allow_retries=False)
    load = meltano("run", "tap-warehouse", "target-batch")
    if load.returncode:
        raise dg.Failure(
            f"target-batch: the load ended with {load.returncode}; the next run goes on from there"
        )
    shown = meltano("invoke", "target-batch:runs", "--last", "1", "--format", "json")
    (run,) = json.loads(shown.stdout)
    return dg.MaterializeResult(metadata=run["streams"])


defs = dg.Definitions(
    assets=[users_in_batch],
    schedules=[
        dg.ScheduleDefinition(
            name="hourly",
            target=dg.AssetSelection.assets(users_in_batch),
            cron_schedule="15 * * * *",
        )
    ],
)
