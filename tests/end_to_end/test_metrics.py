"""`metrics_path`: a run writes its counts for Prometheus, always a whole file, and never stops for it."""

from __future__ import annotations

import http.server
import os
import socketserver
import stat
import threading
from typing import TYPE_CHECKING, Any

import pytest
from feeding import wait_until
from prometheus_client.parser import text_string_to_metric_families
from singer import INTEGER, STRING, record, schema, state, users
from target_process import config_file, encoded, ended, run, start

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Return samples by name and label values in order, as Prometheus' own parser reads them.

    The label `pipeline`, which all have, is left out.
    """
    return {
        (sample.name, *(value for name, value in sample.labels.items() if name != "pipeline")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_counts_are_those_of_the_run_log(tmp_path: Path, batch: LocalBatch) -> None:
    """Quotes and line breaks in the name of a stream do not break the lines of the file."""
    odd = 'us"ers\\ \n{x}'
    lines = [
        *users(1, 3),
        record("users", user_id=None),
        schema(odd, {"user_id": STRING, "seat": INTEGER}),
        record(odd, user_id="u9", seat=9),
        state({"seen": 5}),
    ]
    path = tmp_path / "target_batch.prom"
    found = run(tmp_path, batch.url, lines, metrics_path=str(path), default_kind="profiles")
    assert found.code == 0
    metrics = samples(path.read_text())
    assert metrics["target_batch_records_read", "users"] == 4
    assert metrics["target_batch_records", "delivered", "users"] == 3
    assert metrics["target_batch_records", "rejected", "users"] == 1
    assert metrics["target_batch_refusals", "missing_custom_id", "users"] == 1
    assert metrics["target_batch_records", "delivered", odd] == 1
    assert metrics["target_batch_run_info", found.run["run"]] == 1
    assert metrics["target_batch_run_ended",] == 1
    assert metrics["target_batch_run_exit_code",] == 0
    assert metrics["target_batch_run_requests",] == batch.summary()["requests"]["total"]


def test_every_user_may_read_the_file_and_no_other_file_is_left_beside_it(
    tmp_path: Path, batch: LocalBatch
) -> None:
    folder = tmp_path / "collected"
    folder.mkdir()
    path = folder / "target_batch.prom"
    path.write_text("of another run")
    mask = os.umask(0o022)
    try:
        run(tmp_path, batch.url, users(1, 3), metrics_path=str(path))
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [found.name for found in folder.iterdir()] == ["target_batch.prom"]


def test_two_jobs_in_one_folder_of_a_collector_have_no_equal_samples(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """The textfile collector of node_exporter reads all files of its folder, and refuses equal samples."""
    met: list[tuple[str, frozenset[tuple[str, str]]]] = []
    for job in ("nightly", "hourly"):
        path = tmp_path / f"{job}.prom"
        run(tmp_path, batch.url, users(1, 3), metrics_path=str(path))
        found = [
            sample for family in text_string_to_metric_families(path.read_text()) for sample in family.samples
        ]
        assert {sample.labels["pipeline"] for sample in found} == {job}
        met += [(sample.name, frozenset(sample.labels.items())) for sample in found]
    assert len(set(met)) == len(met)


def test_a_dry_run_leaves_the_file_of_the_live_runs_alone(tmp_path: Path, batch: LocalBatch) -> None:
    """A dry run delivers nothing that an alarm could rely on; the SDK's metrics count no request either."""
    path = tmp_path / "m.prom"
    path.write_text("of a live run")
    found = run(tmp_path, batch.url, users(1, 3), metrics_path=str(path), dry_run=True)
    assert (found.code, path.read_text()) == (0, "of a live run")
    assert '"metric":"http_request_count","value":0' in found.log


def test_during_a_run_the_file_shows_its_last_checkpoint(tmp_path: Path, batch: LocalBatch) -> None:
    """While the tap goes on, the file has the counts so far and no exit code."""
    path = tmp_path / "m.prom"
    config = config_file(tmp_path, batch.url, metrics_path=str(path), checkpoint_records=100)
    process = start(config)
    assert process.stdin is not None
    process.stdin.write(encoded(users(1, 300, every=100)))
    process.stdin.flush()
    wait_until(lambda: path.exists() and delivered(path) >= 100, process)
    metrics = samples(path.read_text())
    assert metrics["target_batch_run_ended",] == 0
    assert ("target_batch_run_exit_code",) not in metrics
    assert ended(process, config).code == 0
    assert delivered(path) == 300


def delivered(path: Path) -> float:
    return samples(path.read_text()).get(("target_batch_records", "delivered", "users"), 0)


def test_the_file_has_the_exit_code_of_a_run_that_stopped(tmp_path: Path, batch: LocalBatch) -> None:
    path = tmp_path / "m.prom"
    run(tmp_path, batch.url, [*users(1, 3), "not JSON"], metrics_path=f"file://{path}")
    assert samples(path.read_text())["target_batch_run_exit_code",] == 1


@pytest.mark.parametrize(
    "name", ["missing/m.prom", "", "file.txt/m.prom", "nowhere://bucket/m.prom", "http://127.0.0.1:9/m.prom"]
)
def test_a_path_that_cannot_be_written_is_reported_once_and_stops_nothing(
    tmp_path: Path, batch: LocalBatch, name: str
) -> None:
    """The warning comes before anything is sent, and is not repeated at each checkpoint."""
    (tmp_path / "file.txt").write_text("a file")
    path = name if "://" in name else str(tmp_path / name)
    lines = users(1, 1000, every=100)
    found = run(tmp_path, batch.url, lines, metrics_path=path, checkpoint_records=100)
    assert found.code == 0
    assert found.totals("users")["delivered"] == 1000
    warnings = [line for line in found.log.splitlines() if "`metrics_path`" in line]
    assert len(warnings) == 1
    assert "WARNING" in warnings[0]
    first = next(line for line in found.log.splitlines() if "Checkpoint" in line or "Totals" in line)
    assert found.log.index(warnings[0]) < found.log.index(first)
    assert "Traceback" not in found.log


class Silent(socketserver.BaseRequestHandler):
    """A storage that accepts connections and never answers."""

    hold = threading.Event()

    def handle(self) -> None:
        self.hold.wait(60)


def test_a_storage_that_never_answers_does_not_delay_a_run(tmp_path: Path, batch: LocalBatch) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = f"http://127.0.0.1:{server.server_port}/m.prom"
        settings: dict[str, Any] = {"metrics_path": path, "checkpoint_records": 100}
        found = run(tmp_path, batch.url, users(1, 500, every=100), **settings)
        Silent.hold.set()
        server.shutdown()
    assert found.code == 0
    assert found.totals("users")["delivered"] == 500
    assert found.log.count("`metrics_path`") == 1
