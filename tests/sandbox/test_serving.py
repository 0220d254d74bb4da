"""Starting, listening and stopping."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from target_batch.sandbox.command import sandbox

ENTRY = [{"identifiers": {"custom_id": "u1"}}]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_local_batch_quietly(start: Any, number: int) -> None:
    server = start()
    server.update(ENTRY)
    server.process.send_signal(number)
    assert server.process.wait(5) == 0


def test_a_signal_ends_endless_faults(start: Any) -> None:
    server = start()
    server.script({"do": {"trickle": 60}})
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET /2.11/x HTTP/1.1\r\nhost: x\r\n\r\n")
        assert connection.recv(10)
        server.session.close()
        began = time.monotonic()
        server.process.terminate()
        assert server.process.wait(5) == 0
        assert time.monotonic() - began < 3


def test_the_local_batch_listens_on_this_machine_only(start: Any) -> None:
    server = start()
    addresses = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None)}
    for address in addresses - {"127.0.0.1", "::1"}:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((address, server.port), timeout=1)


def test_another_host_is_refused() -> None:
    result = CliRunner().invoke(sandbox, ["--host", "0.0.0.0"])  # noqa: S104 - refused
    assert result.exit_code == 2


def test_a_port_in_use_is_reported(start: Any) -> None:
    server = start()
    result = CliRunner().invoke(sandbox, ["--port", str(server.port)])
    assert result.exit_code == 1
    assert f"cannot listen on port {server.port}" in result.output


def test_a_malformed_script_is_refused_at_the_start(tmp_path: Path) -> None:
    script = tmp_path / "faults.json"
    script.write_text('[{"do": "explode"}]')
    result = CliRunner().invoke(sandbox, ["--faults", str(script)])
    assert result.exit_code == 2
    assert "explode" in result.output


def test_a_script_is_active_from_the_start(start: Any, tmp_path: Path) -> None:
    script = tmp_path / "faults.json"
    script.write_text('[{"match": {"nth": [1]}, "do": {"answer": {"status": 503}}}]')
    server = start("--faults", str(script))
    assert [server.update(ENTRY).status_code for _ in range(2)] == [503, 202]


def test_latency_delays_every_call(start: Any) -> None:
    server = start("--latency", "0.2")
    began = time.monotonic()
    server.update(ENTRY)
    assert time.monotonic() - began >= 0.2


def test_null_mode_counts_and_keeps_nothing(start: Any) -> None:
    server = start("--null")
    body = "x" * 1000
    headers = {"content-type": "application/json"}
    response = server.call("POST", "/2.11/profiles/mass-update", headers=headers, data=body)
    assert (response.status_code, response.json()) == (202, {"code": "SUCCESS"})
    created = server.call("POST", "/2.11/audiences/create", {})
    assert set(created.json()) == {"indexing_token"}
    view = server.call("GET", "/2.11/audiences/view?name=a").json()
    assert view["indexing_state"] == "APPLIED"
    assert server.call("GET", "/2.11/audiences/list").json()["has_more"] is False
    app = "/1.0/K/custom-audience"
    assert server.call("GET", app).json() == {"custom_audiences": []}
    assert server.call("GET", f"{app}/a").json()["indexing_state"] == "APPLIED"
    made = server.call("POST", f"{app}/a", {})
    assert (made.status_code, made.json()) == (200, {})
    assert set(server.call("PATCH", f"{app}/a", {}).json()) == {"indexing_token"}
    summary = server.get("summary")
    assert summary["null"] == {"on": True, "requests": 8, "bytes": 1006}
    assert (summary["profiles"], summary["requests"]["total"]) == (0, 0)


def test_without_its_packages_the_command_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from target_batch.sandbox.command import sandbox\n"
        "sandbox([])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "install target-batch[sandbox]" in done.stderr


def test_the_command_loads_no_web_server_until_it_runs() -> None:
    code = (
        "import sys, target_batch.sandbox.command\n"
        "assert not {'uvicorn', 'starlette', 'msgspec'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
