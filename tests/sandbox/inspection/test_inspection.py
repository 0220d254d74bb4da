"""The inspection API."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from target_batch.sandbox.readings import Readings


def entry(custom_id: str, **more: Any) -> dict[str, Any]:
    return {"identifiers": {"custom_id": custom_id}, **more}


def test_the_summary_counts_requests_by_endpoint_and_status(server: Any) -> None:
    server.update([entry("u1"), entry("u2")])
    server.update([entry("u3")], "/2.11/profiles/mass-update")
    server.update([])
    server.project("GET", "list")
    server.call("GET", "/nowhere")
    summary = server.get("summary")
    assert summary["requests"]["by_endpoint"] == {
        "audiences/list": {"200": 1},
        "profiles/mass-update": {"202": 1},
        "profiles/update": {"202": 1, "400": 1},
        "unknown": {"404": 1},
    }
    assert summary["requests"]["total"] == 5
    assert summary["custom_ids"] == {
        "profiles/update": {"total": 2, "peak_in_one_second": 2},
        "profiles/mass-update": {"total": 1, "peak_in_one_second": 1},
    }
    assert summary["calls"] == {"default": {"total": 1, "peak_in_one_second": 1}}


def test_the_summary_shows_how_many_requests_were_in_flight_together(server: Any) -> None:
    server.post("settings", {"latency": 0.3})
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: server.update([entry(f"u{n}")]), range(4)))
    assert server.get("summary")["requests"]["peak_in_flight"] == 4


def test_a_request_is_logged_with_its_outcome(server: Any) -> None:
    server.update([entry("u1", attributes={"BAD": 1}), entry("u2")])
    row = server.get("requests")["requests"][0]
    assert row["number"] == 1
    assert (row["method"], row["path"]) == ("POST", "/2.11/profiles/update")
    assert (row["status"], row["entries"], row["partial_errors"]) == (202, 2, 1)
    assert (row["applied"], row["fault"]) == (True, "")
    assert row["bytes"] > 50
    assert row["since_start"] >= 0


def test_requests_are_paged_by_number(server: Any) -> None:
    for number in range(5):
        server.update([entry(f"u{number}")])
    numbers = [row["number"] for row in server.get("requests?from=3")["requests"]]
    assert numbers == [3, 4, 5]
    assert [row["number"] for row in server.get("requests?limit=2")["requests"]] == [4, 5]


def test_profiles_are_searched_by_id_and_by_text(server: Any) -> None:
    server.update([entry("Ada", attributes={"$email_address": "ada@x.co"}), entry("bob")])
    assert [p["id"] for p in server.get("profiles?search=AD")["profiles"]] == ["Ada"]
    assert [p["id"] for p in server.get("profiles?search=ada@x")["profiles"]] == ["Ada"]
    assert server.get("profiles?search=nobody") == {"total": 0, "profiles": []}
    assert server.get("profiles?from=1&limit=5")["total"] == 2
    assert [p["id"] for p in server.get("profiles?from=1&limit=5")["profiles"]] == ["bob"]


@pytest.mark.parametrize("custom_id", ["a/b", "..", "a?b#c", "é 😀", "%2e", "<script>"])
def test_a_profile_is_found_by_any_id(server: Any, custom_id: str) -> None:
    server.update([entry(custom_id)])
    response = server.call("GET", "/_/profile", params={"id": custom_id})
    assert response.json()["id"] == custom_id


def test_an_unknown_profile_or_audience_is_404(server: Any) -> None:
    assert server.call("GET", "/_/profiles/none").status_code == 404
    assert server.call("GET", "/_/audiences/project/none").status_code == 404


def test_a_reset_forgets_what_came_and_keeps_settings_and_faults(server: Any) -> None:
    server.script({"match": {"nth": [1]}, "do": {"delay": 0}})
    server.post("settings", {"index_seconds": 7})
    server.update([entry("u1")])
    assert server.get("faults")["faults"][0]["hits"] == 1
    summary = server.post("reset")
    assert (summary["profiles"], summary["requests"]["total"], summary["journal"]["total"]) == (
        0,
        0,
        0,
    )
    assert summary["settings"]["index_seconds"] == 7
    assert server.get("faults")["faults"][0]["hits"] == 0


def test_faults_are_added_switched_and_removed(server: Any) -> None:
    number = server.post("faults", {"name": "down", "do": {"answer": {"status": 503}}})["ids"][0]
    assert server.update([entry("u1")]).status_code == 503
    assert server.post(f"faults/{number}", {"enabled": False})["enabled"] is False
    assert server.update([entry("u1")]).status_code == 202
    shown = server.get("faults")["faults"][0]
    assert (shown["name"], shown["kind"], shown["seen"], shown["hits"]) == ("down", "answer", 1, 1)
    assert server.call("DELETE", f"/_/faults/{number}").json() == {"faults": 0}
    assert server.call("DELETE", f"/_/faults/{number}").status_code == 404
    assert server.get("faults")["ready"]


@pytest.mark.parametrize("number", ["9" * 5000, "-1", "1.0", "²", "one"])
def test_the_number_of_an_unknown_fault_is_404(server: Any, number: str) -> None:
    server.script({"do": {"delay": 0}})
    assert server.call("POST", f"/_/faults/{number}", {"enabled": False}).status_code == 404
    assert server.call("DELETE", f"/_/faults/{number}").status_code == 404
    assert len(server.get("faults")["faults"]) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"do": "explode"}),
        ("faults", 5),
        ("settings", {"latency": -1}),
        ("settings", {"speed": 1}),
        ("settings", {"readings": {"speed": "high"}}),
        ("settings", {"readings": {"numbers": "roman"}}),
        ("settings", []),
    ],
)
def test_invalid_input_is_refused_with_a_reason(server: Any, path: str, body: Any) -> None:
    response = server.call("POST", f"/_/{path}", body)
    assert response.status_code == 400
    assert response.json()["error"]


def test_settings_change_at_run_time(server: Any) -> None:
    changed = server.post("settings", {"rates": True, "latency": 0.1, "readings": {"numbers": "text"}})
    assert (changed["rates"], changed["latency"], changed["index_seconds"]) == (True, 0.1, 0)
    assert changed["readings"] == Readings({"numbers": "text"}).show()
    assert server.get("rates")["enforced"] is True


def test_the_rates_show_limit_and_use(server: Any) -> None:
    server.update([entry("u1"), entry("u2")])
    shown = {rate["endpoint"]: rate for rate in server.get("rates")["rates"]}
    update = shown["profiles/update"]
    assert (update["unit"], update["limit"], update["burst"]) == ("custom IDs", 300, 1000)
    assert len(update["used"]) == len(update["refused"]) == 120
    assert sum(update["used"]) == 2


def test_a_journal_that_is_not_kept_is_404(start: Any) -> None:
    server = start("--no-journal")
    server.update([entry("u1")])
    assert server.call("GET", "/_/journal").status_code == 404
    assert server.get("summary")["journal"] == {"kept": False, "total": 1}


def test_the_page_needs_nothing_from_elsewhere(server: Any) -> None:
    page = server.call("GET", "/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "://" not in page.text
    for name in ("main.js", "page.css", "shared/look.css", "shared/icon.svg", "shared/dom.js"):
        response = server.call("GET", f"/static/{name}")
        assert response.status_code == 200
        assert "innerHTML" not in response.text
    assert server.call("GET", "/static/../app.py").status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
)
def test_pages_of_other_origins_are_kept_out(server: Any, headers: dict[str, str]) -> None:
    for method, path in (("GET", "/"), ("GET", "/_/summary"), ("POST", "/_/reset")):
        assert server.call(method, path, headers=headers).status_code == 403


def test_a_link_on_another_site_is_followed_but_a_form_there_is_not(server: Any) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert server.call("GET", "/", headers=headers).status_code == 200
    assert server.call("POST", "/_/reset", headers=headers).status_code == 403


def test_no_other_site_may_read_or_frame(server: Any) -> None:
    for path in ("/", "/_/summary", "/_/profiles"):
        headers = server.call("GET", path).headers
        assert not [name for name in headers if name.lower().startswith("access-control-")]
        assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in server.call("GET", "/").headers["content-security-policy"]


def test_the_page_itself_may_call_the_inspection_api(server: Any) -> None:
    for name in ("127.0.0.1", "localhost"):
        headers = {"Host": f"{name}:{server.port}", "Origin": f"http://{name}:{server.port}"}
        assert server.call("GET", "/_/summary", headers=headers).status_code == 200


def test_the_journal_is_lines_of_json(server: Any) -> None:
    server.update([entry("u\u00e91")])
    response = server.call("GET", "/_/journal")
    assert response.headers["content-type"] == "application/x-ndjson"
    assert json.loads(response.content)["custom_id"] == "u\u00e91"


def test_a_profile_with_many_events_shows_the_newest(server: Any) -> None:
    server.update([entry("u1", events=[{"name": f"e{n}"} for n in range(5)])])
    shown = server.get("profiles/u1?events=2")
    assert shown["events_total"] == 5
    assert [event["name"] for event in shown["events"]] == ["e3", "e4"]


def test_a_call_in_flight_does_not_count_after_a_reset(server: Any) -> None:
    server.post("settings", {"latency": 0.4})
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(server.update, [entry("u1")])
        while not server.get("summary")["requests"]["in_flight"]:
            pass
        server.post("reset")
        assert answer.result().status_code == 503
    summary = server.get("summary")
    assert (summary["profiles"], summary["requests"]["in_flight"]) == (0, 0)
    assert summary["requests"]["total"] == 0
