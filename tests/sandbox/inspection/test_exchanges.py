"""Requests as the inspection API shows them, beside profiles, audiences and events in pages."""

import json
from typing import Any

import pytest


def entries(count: int) -> list[dict[str, Any]]:
    return [{"identifiers": {"custom_id": f"u{n}"}, "attributes": {"plan": "pro"}} for n in range(count)]


def test_a_request_shows_its_entries_each_with_its_partial_errors(server: Any) -> None:
    sent = entries(50)
    sent[31]["attributes"] = {"BAD": 1, "$email_address": "nonsense"}
    server.update(sent)
    shown = server.get("requests/1")
    assert shown["row"]["partial_errors"] == 2
    assert json.loads(shown["answer"]["text"])["errors"] == ["… 2, beside their entries"]
    assert '"SUCCESS_WITH_PARTIAL_ERRORS"' in shown["answer"]["text"]
    body = shown["body"]
    assert (body["total"], body["found"], body["refused"]) == (50, 50, 1)
    assert [entry["id"] for entry in body["entries"]] == [f"u{n}" for n in range(20)]
    refused = server.get("requests/1?refused=1")["body"]
    assert (refused["found"], [entry["index"] for entry in refused["entries"]]) == (1, [31])
    assert {error["attribute"] for error in refused["entries"][0]["errors"]} == {"BAD", "$email_address"}
    assert '"nonsense"' in refused["entries"][0]["text"]


def test_partial_errors_of_any_form_are_shown(server: Any) -> None:
    server.post("settings", {"readings": {"numbers": "text"}})
    server.update([{**entries(1)[0], "attributes": {"BAD": 1}}])
    assert server.get("requests/1")["body"]["entries"][0]["errors"][0]["bulk_index"] == "0"
    strange = ["words", {"bulk_index": 7, "reason": "out of range"}, {"bulk_index": None}]
    server.script({"do": {"partial_errors": strange}})
    server.update(entries(1))
    shown = server.get("requests/2")
    assert '"words"' in shown["answer"]["text"]
    assert '"out of range"' in shown["answer"]["text"]
    assert shown["body"]["refused"] == 0


def test_entries_come_in_pages_that_are_bounded(server: Any) -> None:
    server.update(entries(150))
    assert [entry["index"] for entry in server.get("requests/1?from=148")["body"]["entries"]] == [148, 149]
    assert len(server.get("requests/1?limit=10000")["body"]["entries"]) == 100


def test_members_of_an_audience_are_entries_too(server: Any) -> None:
    server.project("POST", "create", {"name": "vip", "type": "custom_ids", "display_name": "VIP"})
    server.project("POST", "update", {"name": "vip", "ids": [{"action": "add", "id": "u1"}]})
    body = server.get("requests/2")["body"]
    assert (body["entries"][0]["id"], '"vip"' in body["around"]) == ("u1", True)


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"{broken", "{broken"),
        (b"\xff\xfe", "\ufffd"),
        (b"5", "5"),
        (b"[" * 100_000, "[[["),
        (b"", ""),
        (b'{"a": "' + b"x" * 500_000 + b'"}', "xxx"),
    ],
)
def test_a_body_of_any_kind_is_shown_and_cut(server: Any, sent: bytes, text: str) -> None:
    server.session.post(f"{server.url}/2.11/profiles/update", data=sent, timeout=5)
    body = server.get("requests/1")["body"]
    assert body["bytes"] == len(sent)
    assert text in body["text"]
    assert len(body["text"]) < 25_000


def test_only_a_part_of_an_endless_answer_is_kept(server: Any) -> None:
    server.script({"do": {"huge": {"bytes": 9_000_000}}})
    server.call("GET", "/2.11/audiences/list")
    shown = server.get("requests/1")["answer"]
    assert shown["bytes"] == 9_000_000
    assert len(shown["text"]) < 25_000


def test_no_key_is_shown(start: Any) -> None:
    server = start("--app-key", "app-secret-key")
    server.app("GET", "/1.0/app-secret-key/custom-audience")
    server.update(entries(1))
    for path in ("requests/1", "requests/2", "log", "log?search=app-secret-key"):
        assert "secret" not in server.call("GET", f"/_/{path}").text
    assert server.get("log?search=app-secret-key")["found"] == 0


def test_an_unknown_request_is_404(server: Any) -> None:
    assert server.call("GET", "/_/requests/7").status_code == 404
    assert server.call("GET", f"/_/requests/{'7' * 5000}").status_code == 404


def test_the_log_is_searched_filtered_and_paged_the_newest_first(server: Any) -> None:
    for number in range(30):
        server.update([{"identifiers": {"custom_id": f"u{number:02}"}}])
    server.update([])
    everything = server.get("log?limit=3")
    assert [row["number"] for row in everything["requests"]] == [31, 30, 29]
    assert (everything["total"], everything["kept"], everything["found"], everything["problems"]) == (
        31,
        31,
        31,
        1,
    )
    assert [row["number"] for row in server.get("log?limit=3&from=29")["requests"]] == [2, 1]
    assert [row["number"] for row in server.get("log?search=u07")["requests"]] == [8]
    assert [row["number"] for row in server.get("log?problems=1")["requests"]] == [31]
    assert server.get("log?search=PROFILES/")["found"] == 31


@pytest.mark.parametrize("number", ["-1", "1e3", "x", "9" * 5000, "\u0663"])
def test_an_invalid_number_counts_as_the_default(server: Any, number: str) -> None:
    server.update(entries(3))
    for path in ("log", "requests/1", "profiles", "audiences"):
        answer = server.call("GET", f"/_/{path}", params={"from": number, "limit": number})
        assert answer.status_code == 200


def test_a_profile_names_its_audiences_and_members_their_address(server: Any) -> None:
    email = {"$email_address": "ada@example.com"}
    server.update([{"identifiers": {"custom_id": "ada"}, "attributes": email}])
    server.project("POST", "create", {"name": "vip", "type": "custom_ids", "display_name": "VIP"})
    members = [{"action": "add", "id": name} for name in ("ada", "stranger")]
    server.project("POST", "update", {"name": "vip", "ids": members})
    assert server.get("profiles/ada")["audiences"] == [{"platform": "project", "name": "vip", "label": "VIP"}]
    assert server.get("audiences/project/vip")["ids"] == [
        {"id": "ada", "email": "ada@example.com"},
        {"id": "stranger"},
    ]
    assert server.get("profiles")["profiles"][0]["email"] == "ada@example.com"
    found = server.get("audiences/project/vip?search=STR")
    assert (found["total"], found["members"], found["ids"]) == (1, 2, [{"id": "stranger"}])


def test_audiences_are_searched_and_paged(server: Any) -> None:
    for number in range(5):
        server.project(
            "POST", "create", {"name": f"a{number}", "type": "custom_ids", "display_name": f"Nr {number}"}
        )
    page = server.get("audiences?from=1&limit=2")
    assert ([one["name"] for one in page["audiences"]], page["total"], page["all"]) == (["a1", "a2"], 5, 5)
    found = server.get("audiences?search=nr%203")
    assert ([one["name"] for one in found["audiences"]], found["total"], found["all"]) == (["a3"], 1, 5)


def test_events_come_in_pages_from_the_newest(server: Any) -> None:
    events = [{"name": f"e{n}"} for n in range(7)]
    server.update([{"identifiers": {"custom_id": "u1"}, "events": events}])
    shown = server.get("profile?id=u1&events=3&events_from=3")
    assert [event["name"] for event in shown["events"]] == ["e1", "e2", "e3"]
    assert [event["name"] for event in server.get("profile?id=u1&events=3&events_from=6")["events"]] == ["e0"]
    assert server.get("profile?id=u1&events=3&events_from=9")["events"] == []
