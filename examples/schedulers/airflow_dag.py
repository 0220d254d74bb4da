"""Users into Batch, once an hour, with Airflow 3. `/project` is a Meltano project with target-batch in it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    "users_to_batch",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
) as dag:
    # `meltano run` ends with 1 whatever its loader ended with; the check tells wrong settings (2) apart.
    # It is not tried again, the load is.
    check = BashOperator(
        task_id="check", bash_command="meltano invoke target-batch:check", cwd="/project", retries=0
    )
    load = BashOperator(
        task_id="load",
        bash_command="meltano run tap-warehouse target-batch",
        cwd="/project",
        retries=3,
        retry_delay=timedelta(minutes=5),
        execution_timeout=timedelta(hours=2),
    )
    check >> load
