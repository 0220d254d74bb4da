"""Keys and addresses: which servers are called, how often, and which must never see the key."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from listener import Listener, certified, closed_port
from singer import users
from target_process import KEY, Ended, config_file, finished, run, start

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

WRONG = "canary-wrong-key-90d2"


def run_with(folder: Path, url: str, environment: dict[str, str], lines: list[str]) -> Ended:
    """Run the target with these environment variables and short time limits."""
    config = config_file(folder, url, max_retry_seconds=0.5, request_timeout_seconds=2)
    return finished(config, lines, env=environment)


@pytest.mark.parametrize("count", [3, 1000], ids=["one request's worth", "five requests' worth"])
def test_a_wrong_key_costs_one_request(tmp_path: Path, strict_batch: LocalBatch, count: int) -> None:
    """The run ends with 2 after one request and names the setting; no output holds the key."""
    ended = run(tmp_path, strict_batch.url, users(1, count, every=1), rest_api_key=WRONG)
    assert ended.code == 2
    assert strict_batch.summary()["requests"]["total"] == 1
    assert "rest_api_key" in ended.log
    assert WRONG not in ended.log + ended.out + (ended.work / "runs.jsonl").read_text()
    assert ended.states == []
    assert ended.totals("users")["undelivered"] == count
    assert ended.rejects() == []


def test_a_wrong_project_key_costs_one_request(tmp_path: Path, strict_batch: LocalBatch) -> None:
    ended = run(tmp_path, strict_batch.url, users(1, 3, every=1), project_key="project_wrong")
    assert ended.code == 2
    assert strict_batch.summary()["requests"]["total"] == 1
    assert "project_key" in ended.log
    assert ended.states == []


def test_an_api_that_cannot_be_reached_holds_the_state(tmp_path: Path) -> None:
    """The run ends with 1 soon after the time for retries is over, and passes no state."""
    begun = time.monotonic()
    ended = run(tmp_path, f"http://127.0.0.1:{closed_port()}", users(1, 500, every=10), max_retry_seconds=1)
    assert time.monotonic() - begun < 8
    assert ended.code == 1
    assert ended.states == []
    assert ended.totals("users")["undelivered"] == 500
    assert "Traceback" not in ended.log
    assert KEY not in ended.log


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_is_not_followed(
    tmp_path: Path, batch: LocalBatch, listener: Listener, status: int
) -> None:
    """Neither body nor key reach the other address; the run stops without a state or rejects."""
    batch.fault({"redirect": {"to": f"http://127.0.0.1:{listener.port}/x", "status": status}})
    ended = run(tmp_path, batch.url, users(1, 3, every=1), max_retry_seconds=1)
    assert listener.heard == []
    assert ended.code != 0
    assert ended.states == []
    assert ended.rejects() == []
    assert ended.totals("users")["undelivered"] == 3


def test_a_netrc_entry_does_not_replace_the_key(tmp_path: Path, strict_batch: LocalBatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    environment = {"HOME": str(tmp_path), "NETRC": str(netrc)}
    ended = run_with(tmp_path, strict_batch.url, environment, users(1, 3, every=3))
    assert ended.code == 0
    assert strict_batch.summary()["profiles"] == 3


def test_a_proxy_of_the_environment_is_used(tmp_path: Path, listener: Listener) -> None:
    """The call for Batch goes through the proxy, which learns the host and never the key."""
    proxy = f"http://127.0.0.1:{listener.port}"
    ended = run_with(tmp_path, "https://api.batch.com", {"HTTPS_PROXY": proxy}, users(1, 2, every=1))
    assert ended.code == 1
    assert ended.states == []
    assert listener.heard
    assert all(heard.startswith(b"CONNECT api.batch.com:443 ") for heard in listener.heard)
    assert KEY.encode() not in b"".join(listener.heard)


def test_a_proxy_that_is_down_is_not_bypassed(tmp_path: Path, batch: LocalBatch) -> None:
    proxy = f"http://127.0.0.1:{closed_port()}"
    environment = {"HTTP_PROXY": proxy, "http_proxy": proxy}
    ended = run_with(tmp_path, batch.url, environment, users(1, 2, every=1))
    assert ended.code == 1
    assert ended.states == []
    assert batch.summary()["requests"]["total"] == 0


WRONG_VARIABLES = {
    "no such bundle": ({"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem"}, "REQUESTS_CA_BUNDLE", "is not there"),
    "no such bundle, curl's": ({"CURL_CA_BUNDLE": "/nowhere/ca.pem"}, "CURL_CA_BUNDLE", "is not there"),
    "not certificates": ({"REQUESTS_CA_BUNDLE": __file__}, "REQUESTS_CA_BUNDLE", "cannot be read as cert"),
    "no host": ({"HTTPS_PROXY": "http://"}, "HTTPS_PROXY", "is not the address of a proxy"),
    "no port": ({"https_proxy": "http://proxy:port"}, "https_proxy", "is not the address of a proxy"),
    "another scheme": ({"ALL_PROXY": "ftp://proxy:21"}, "ALL_PROXY", "is not the address of a proxy"),
}


@pytest.mark.parametrize(("variables", "name", "what"), WRONG_VARIABLES.values(), ids=WRONG_VARIABLES)
def test_an_invalid_variable_is_named_at_once(
    tmp_path: Path, variables: dict[str, str], name: str, what: str
) -> None:
    """The run ends with 2 before anything is read, since retries would not help."""
    given = {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": "", **variables}
    config = config_file(tmp_path, "https://api.batch.com", max_retry_seconds=300)
    ended = finished(config, users(1, 2, every=1), env=given)
    assert ended.code == 2, ended.log
    assert f"The variable {name} " in ended.log
    assert what in ended.log
    assert not (tmp_path / "work").exists()


def test_check_names_an_invalid_variable_too(tmp_path: Path) -> None:
    config = config_file(tmp_path, "https://api.batch.com")
    process = start(config, command=["check"], env={"HTTPS_PROXY": "http://"})
    _, log = process.communicate(timeout=30)
    assert process.returncode == 2
    assert b"The variable HTTPS_PROXY is not the address of a proxy" in log
    assert b"Traceback" not in log


def test_a_socks_proxy_needs_its_package(tmp_path: Path) -> None:
    if find_spec("socks") is not None:
        pytest.skip("PySocks is installed here")
    config = config_file(tmp_path, "https://api.batch.com")
    ended = finished(config, users(1, 2, every=1), env={"ALL_PROXY": "socks5://127.0.0.1:1"})
    assert ended.code == 2
    assert "The variable ALL_PROXY names a SOCKS proxy, for which a package is missing" in ended.log


def test_variables_about_https_do_not_affect_a_local_address(tmp_path: Path, batch: LocalBatch) -> None:
    """The local Batch is called over http, and `NO_PROXY` excludes it from the proxy."""
    given = {"REQUESTS_CA_BUNDLE": "/nowhere", "http_proxy": "http://", "no_proxy": "127.0.0.1"}
    assert run_with(tmp_path, batch.url, given, users(1, 2, every=1)).code == 0


def test_no_proxy_is_honoured(tmp_path: Path, batch: LocalBatch) -> None:
    proxy = f"http://127.0.0.1:{closed_port()}"
    environment = {"HTTP_PROXY": proxy, "http_proxy": proxy, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    ended = run_with(tmp_path, batch.url, environment, users(1, 2, every=1))
    assert ended.code == 0
    assert batch.summary()["profiles"] == 2


def test_a_certificate_that_does_not_verify_ends_the_connection(tmp_path: Path) -> None:
    """Nothing is sent to a server with a self-signed certificate."""
    _, context = certified(tmp_path)
    with Listener(context) as server:
        ended = run_with(tmp_path, f"https://localhost:{server.port}", {}, users(1, 2, every=1))
    assert ended.code == 1
    assert ended.states == []
    assert server.heard
    assert set(server.heard) == {b""}
    assert KEY not in ended.log


def test_the_only_record_of_a_run_is_rejected_if_batch_refuses_it(
    tmp_path: Path, strict_batch: LocalBatch
) -> None:
    """In a run of one record, a read-only call proves that keys and address are right."""
    refused = {"error_code": "BAD_REQUEST", "error_message": "not like this"}
    strict_batch.fault({"answer": {"status": 400, "json": refused}}, path="*/profiles/*")
    ended = run(tmp_path, strict_batch.url, users(1, 1, every=1))
    assert ended.code == 0, ended.log
    assert ended.codes() == ["refused_by_batch"]
    assert ended.states
    assert [row["method"] for row in strict_batch.requests()].count("GET") == 1


def test_the_only_record_of_a_run_is_undelivered_if_the_keys_are_wrong(
    tmp_path: Path, strict_batch: LocalBatch
) -> None:
    refused = {"error_code": "BAD_REQUEST", "error_message": "not like this"}
    strict_batch.fault({"answer": {"status": 400, "json": refused}}, path="*/profiles/*")
    strict_batch.fault({"answer": {"status": 401}}, path="*/audiences/*")
    ended = run(tmp_path, strict_batch.url, users(1, 1, every=1))
    assert (ended.code, ended.states, ended.codes()) == (2, [], [])
    assert "`rest_api_key`" in ended.log
