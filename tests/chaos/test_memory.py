"""Large records and a slow API: what waits is bounded in bytes, and the tap waits too (P6, P7)."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from feeding import arrived, collected, wait_until
from singer import INTEGER, STRING, record, schema, state
from target_process import config_file, start

if TYPE_CHECKING:
    import subprocess

    from local_batch import LocalBatch

pytestmark = pytest.mark.chaos

MB = 1_000_000
RECORDS = 1200
LARGE = "x" * 100_000


def peak(process: subprocess.Popen[bytes]) -> float:
    """Return the peak memory of a process so far, in MB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1000


def is_still(written: list[int]) -> bool:
    """Tell whether the tap has not got rid of anything for a while."""
    before = written[0]
    time.sleep(0.3)
    return written[0] == before > 0


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the memory of a process is read from /proc"
)
def test_large_records_wait_in_the_tap_and_not_in_memory(tmp_path: Path, batch: LocalBatch) -> None:
    """120 MB of records of 100 kB against an API that hangs at first: 20 MB are taken in, the rest waits."""
    batch.fault({"delay": 3.0}, nth=[1])
    options = {"users": {"attributes": {"text": None}}}
    process = start(config_file(tmp_path, batch.url, streams=options))
    lines = [schema("users", {"user_id": STRING, "seat": INTEGER, "text": STRING})]
    lines += [record("users", user_id=f"u{n}", seat=n, text=LARGE) for n in range(RECORDS)]
    written = [0]

    def write() -> None:
        assert process.stdin is not None
        with contextlib.suppress(OSError), process.stdin as pipe:
            for line in [*lines, state({"seen": RECORDS})]:
                written[0] += pipe.write(f"{line}\n".encode())

    threading.Thread(target=write, daemon=True).start()
    wait_until(arrived(batch), process)
    wait_until(lambda: is_still(written), process)
    assert batch.journal() == []
    assert 5 * MB < written[0] < 25 * MB
    begun = written[0]
    wait_until(lambda: written[0] >= RECORDS * len(LARGE), process)
    most = peak(process)
    ended = collected(process, tmp_path / "work")
    assert begun < written[0]
    assert (ended.code, ended.emitted) == (0, [json.dumps({"seen": RECORDS})])
    assert batch.summary()["profiles"] == RECORDS
    assert most < 200
