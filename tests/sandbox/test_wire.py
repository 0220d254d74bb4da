"""The local Batch takes every request of ``tests/wire`` and answers it as the file says."""

from datetime import datetime, timezone
from typing import Any

import pytest
import requests
from wire import Golden, fill, goldens

from target_batch.sandbox.handlers import HANDLERS
from target_batch.sandbox.readings import Readings
from target_batch.sandbox.routing import resolve

GOLDENS = goldens()
KEYS = {
    "VERSION": "2.11",
    "APP_KEY": "KEY-A",
    "NAME": "vip",
    "REST_API_KEY": "rest",
    "PROJECT_KEY": "project_1",
}


def send(server: Any, golden: Golden, values: dict[str, str]) -> requests.Response:
    """Send a golden request; what later ones need of its answer joins the values."""
    request = fill(golden.request, values)
    url = server.url + request["path"]
    answer: requests.Response = server.session.request(
        request["method"],
        url,
        params=request.get("query"),
        headers=request["headers"],
        json=request.get("body"),
        timeout=5,
    )
    content = answer.json()
    if "indexing_token" in content:
        values.setdefault("FIRST_TOKEN", content["indexing_token"])
        values["TOKEN"] = content["indexing_token"]
    values["CURSOR"] = content.get("next_from", "")
    return answer


@pytest.mark.parametrize("name", sorted(GOLDENS))
def test_a_golden_request_has_its_golden_answer(server: Any, name: str) -> None:
    golden = GOLDENS[name]
    server.post("settings", {**golden.settings, "readings": golden.reading})
    values = {**KEYS, "NOW": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")}
    for before in golden.before:
        assert send(server, GOLDENS[before], values).ok
    answer = send(server, golden, values)
    assert answer.status_code == golden.answer["status"], answer.text
    assert answer.headers["content-type"] == golden.answer["headers"]["Content-Type"]
    assert golden.differences("answer/body", answer.json()) == []
    applied = server.get("requests")["requests"][-1]["applied"]
    changes = golden.request["method"] != "GET" and not name.endswith("-existing-accepted")
    assert applied is (changes and golden.answer["status"] < 300)


@pytest.mark.parametrize("name", sorted(GOLDENS))
def test_a_golden_file_fits_its_own_example(name: str) -> None:
    golden = GOLDENS[name]
    assert golden.mark in {"doc", "sdk", "read", "open"}
    assert golden.page in {"0", "1", "2", "3", "4"}
    assert golden.title
    Readings(golden.reading)
    assert all(before in GOLDENS for before in golden.before)
    assert golden.differences("answer/body", golden.answer["body"]) == []


def test_every_route_has_a_file() -> None:
    answered: dict[str, set[bool]] = {}
    for golden in GOLDENS.values():
        path = fill(golden.request["path"], KEYS)
        endpoint = resolve(golden.request["method"], path).endpoint
        answered.setdefault(endpoint, set()).add(golden.answer["status"] < 300)
    assert {endpoint for endpoint, kinds in answered.items() if True in kinds} == set(HANDLERS)


def test_a_request_is_compared_with_what_left() -> None:
    golden = GOLDENS["audiences-list"]
    headers = {"authorization": "Bearer k", "x-batch-project": "p", "accept": "*/*"}
    url = "/2.11/audiences/list"
    assert golden.request_differences("GET", f"{url}?limit=50", headers, None) == []
    assert golden.request_differences("GET", f"{url}?limit=50&from=0", headers, None)
    assert golden.request_differences("GET", f"{url}?limit=all", headers, None)
    assert golden.request_differences("GET", url, headers, None)
    assert golden.request_differences("GET", f"{url}?limit=50", {"authorization": "Bearer k"}, None)
    assert golden.request_differences("POST", f"{url}?limit=50", headers, None)
    assert golden.request_differences("GET", f"{url}?limit=50", headers, b"{}")
