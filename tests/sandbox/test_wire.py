"""The local Batch takes every request of ``tests/wire`` and answers it as the file says."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
import requests
from wire import Golden, documented, fill, goldens

from target_batch.sandbox.handlers import HANDLERS
from target_batch.sandbox.readings import Readings
from target_batch.sandbox.routing import resolve

GOLDENS = goldens()
JSON = {"Content-Type": "application/json"}
KEYS = {
    "VERSION": "2.11",
    "APP_KEY": "KEY-A",
    "NAME": "vip",
    "REST_API_KEY": "rest",
    "PROJECT_KEY": "project_1",
}


def send(server: Any, request: dict[str, Any]) -> requests.Response:
    """Send a request of a golden file, filled in."""
    body = request.get("body")
    answer: requests.Response = server.session.request(
        request["method"],
        server.url + request["path"],
        params=request.get("query"),
        headers=request["headers"],
        data=None if body is None else json.dumps(body),
        timeout=5,
        allow_redirects=False,
    )
    return answer


def prepare(server: Any, golden: Golden) -> dict[str, Any]:
    """Send what comes before a golden request; return the request, filled in."""
    server.post("settings", {**golden.settings, "readings": golden.reading})
    values = {**KEYS, "NOW": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")}
    for before in golden.before:
        answer = send(server, fill(GOLDENS[before].request, values))
        assert answer.ok, answer.text
        content = answer.json()
        if "indexing_token" in content:
            values.setdefault("FIRST_TOKEN", content["indexing_token"])
            values["TOKEN"] = content["indexing_token"]
        values["CURSOR"] = content.get("next_from", "")
        if "id" in content:
            values["EXPORT_ID"] = values["REQUEST_ID"] = content["id"]
        for file in content.get("files", ()):
            values["FILE_ID"] = file["id"]
    if golden.scripted:
        shown = golden.answer
        server.script({"match": {}, "do": {"answer": {"status": shown["status"], "json": shown["body"]}}})
    filled: dict[str, Any] = fill(golden.request, values)
    return filled


@pytest.mark.parametrize("name", sorted(GOLDENS))
def test_a_golden_request_has_its_golden_answer(server: Any, name: str) -> None:
    golden = GOLDENS[name]
    answer = send(server, prepare(server, golden))
    assert answer.status_code == golden.answer["status"], answer.text
    assert answer.headers.get("content-type") == golden.answer["headers"].get("Content-Type")
    assert golden.differences("answer/body", answer.json() if answer.content else None) == []
    applied = server.get("requests")["requests"][-1]["applied"]
    changes = golden.request["method"] != "GET" and not name.endswith("-existing-accepted")
    assert applied is (changes and golden.answer["status"] < 300)


def damaged(golden: Golden, request: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of each damage to a request, and the request that is no longer as documented."""
    yield "an unknown parameter", {**request, "query": {**request.get("query", {}), "async": "true"}}
    yield "an unknown method", {**request, "method": "OPTIONS"}
    yield "another version", {**request, "path": re.sub(r"^/\d\.\d+", "/9.9", request["path"])}
    for name in request["headers"]:
        headers = {key: value for key, value in request["headers"].items() if key != name}
        yield f"no {name}", {**request, "headers": headers}
    if "body" not in request:
        yield "a body", {**request, "headers": {**request["headers"], **JSON}, "body": {}}
        return
    for at, holder in objects(request["body"], "/request/body", golden.free):
        holder["surplus"] = 1
        yield f"{at}/surplus", request
        del holder["surplus"]
        for key in list(holder):
            if f"{at}/{key}" not in golden.optional:
                value = holder.pop(key)
                yield f"no {at}/{key}", request
                holder[key] = value


def objects(value: Any, at: str, free: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object of a body whose keys are documented, with its pointer."""
    if isinstance(value, list):
        for item in value:
            yield from objects(item, f"{at}/*", free)
    elif isinstance(value, dict) and at not in free:
        yield at, value
        for key, inner in value.items():
            yield from objects(inner, f"{at}/{key}", free)


ACCEPTED = [
    name
    for name, golden in GOLDENS.items()
    if golden.answer["status"] < 300
    and golden.reading.get("bad_entry") != "partial_error"
    and not golden.scripted
]


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_request_that_differs_in_shape_is_refused(server: Any, name: str) -> None:
    golden = GOLDENS[name]
    request = prepare(server, golden)
    for damage, changed in damaged(golden, request):
        answer = send(server, changed)
        assert answer.status_code >= 400, damage
        assert set(answer.json()) == {"error_code", "error_message"}, damage
    assert send(server, request).status_code == golden.answer["status"]


@pytest.mark.parametrize("name", sorted(GOLDENS))
def test_a_golden_file_fits_its_own_example(name: str) -> None:
    golden = GOLDENS[name]
    assert golden.mark in {"doc", "sdk", "read", "open"}
    assert golden.page in {"0", "1", "2", "3", "4", "5"}
    assert golden.title
    Readings(golden.reading)
    assert all(before in GOLDENS for before in golden.before)
    assert golden.differences("answer/body", golden.answer.get("body")) == []


def test_every_route_has_a_file() -> None:
    answered: dict[str, set[bool]] = {}
    for golden in GOLDENS.values():
        path = fill(golden.request["path"], KEYS)
        endpoint = resolve(golden.request["method"], path).endpoint
        answered.setdefault(endpoint, set()).add(golden.answer["status"] < 400)
    assert {endpoint for endpoint, kinds in answered.items() if True in kinds} == set(HANDLERS)


def test_a_sent_request_is_found_among_the_files() -> None:
    headers = {"Authorization": "Bearer k", "X-Batch-Project": "p"}
    url = "/2.13/audiences/list?limit=100"
    assert "audiences-list" in documented("GET", url, headers, None)
    assert documented("GET", f"{url}&from=CDEF", headers, None) == ["audiences-list-next-page"]
    assert documented("GET", url, {"X-Authorization": "k"}, None) == []


def test_a_sent_request_is_compared_with_its_file() -> None:
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
