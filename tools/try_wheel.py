"""Try the wheel as a user installs it: no extras, no checkout, a new environment.

    python tools/try_wheel.py

The files of `examples` go through a pipe into a local Batch of this environment; all users must arrive.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from local_batch import LocalBatch  # noqa: E402 - found through the path above

EXAMPLES = ("users.singer", "events.singer")


def install(folder: Path) -> Path:
    """Build the wheel, install it into a new environment, and return the program."""
    home = folder / "venv"
    venv.create(home, with_pip=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-qq"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], check=True)
    (wheel,) = folder.glob("target_batch-*.whl")
    subprocess.run([*pip, "install", str(wheel)], check=True)
    return home / "bin" / "target-batch"


def load(program: Path, folder: Path, batch: LocalBatch, singer: bytes) -> None:
    """Pipe Singer messages into the program."""
    config = folder / "config.json"
    given = {"rest_api_key": "k", "project_key": "p", "api_url": batch.url, "late_events": "now"}
    config.write_text(json.dumps(given | {"work_path": str(folder / "work")}), encoding="utf-8")
    command = [str(program), "--config", str(config)]
    subprocess.run(command, input=singer, stdout=subprocess.DEVNULL, check=True, cwd=folder)


def users_of(singer: bytes) -> list[str]:
    """Return the user IDs of the records, in order; the rejected record without a user is left out."""
    messages = map(json.loads, singer.splitlines())
    users = [message["record"]["user_id"] for message in messages if message["type"] == "RECORD"]
    return [user for user in users if user]


def main() -> None:
    """Install, load, compare; exit code 1 where an example did not arrive."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = install(folder)
        subprocess.run([program, "--about"], stdout=subprocess.DEVNULL, check=True, cwd=folder)
        for example in EXAMPLES:
            singer = (ROOT / "examples" / example).read_bytes()
            with LocalBatch(folder) as batch:
                load(program, folder, batch, singer)
                arrived = {entry["custom_id"] for entry in batch.journal()}
            if arrived != set(users_of(singer)):
                sys.exit(f"{example}: the local Batch holds {sorted(arrived)}.")
            print(f"{example}: all of {len(arrived)} users arrived.")


if __name__ == "__main__":
    main()
