"""``/profiles/update`` and ``/profiles/mass-update``, over a real socket."""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

MASS = "/2.11/profiles/mass-update"
KEYS = {"Authorization": "Bearer rest", "X-Batch-Project": "project_1"}


def entry(custom_id: str = "u1", **more: Any) -> dict[str, Any]:
    return {"identifiers": {"custom_id": custom_id}, **more}


def ago(**delta: float) -> str:
    moment = datetime.now(timezone.utc) - timedelta(**delta)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("path", ["/2.11/profiles/update", "/2.1/profiles/update", MASS])
def test_valid_entries_are_answered_202_and_kept(server: Any, path: str) -> None:
    attributes = {"a": 1, "date(b)": "2024-01-01T00:00:00Z", "$email_address": "a@b.co"}
    response = server.update([entry(attributes=attributes, events=[{"name": "e"}])], path)
    assert (response.status_code, response.json()) == (202, {"code": "SUCCESS"})
    assert response.headers["content-type"] == "application/json"
    kept = server.get("profiles/u1")
    assert kept["attributes"] == {"a": 1, "b": "2024-01-01T00:00:00Z", "$email_address": "a@b.co"}
    assert kept["types"] == {"a": "integer", "b": "date", "$email_address": "string"}
    assert kept["events"] == [{"name": "e"}]


def test_partial_errors_name_the_entry_and_the_attribute_and_the_rest_is_applied(
    server: Any,
) -> None:
    entries = [
        entry("u1", attributes={"a": 1}),
        entry("u2", attributes={"BAD": 1, "b": ""}, events=[{"name": "Bad"}, {"name": "good"}]),
        entry("null", attributes={"a": 1}),
    ]
    response = server.update(entries)
    content = response.json()
    assert (response.status_code, content["code"]) == (202, "SUCCESS_WITH_PARTIAL_ERRORS")
    named = [(e["category"], e["bulk_index"], e.get("attribute")) for e in content["errors"]]
    assert named == [
        ("attribute", 1, "BAD"),
        ("attribute", 1, "b"),
        ("event", 1, "Bad"),
        ("profile", 2, None),
    ]
    assert all(error["reason"] for error in content["errors"])
    assert [event["name"] for event in server.get("profiles/u2")["events"]] == ["good"]
    summary = server.get("summary")
    assert (summary["profiles"], summary["entries"], summary["entries_refused"]) == (2, 2, 1)
    assert summary["partial_errors"] == 4


def test_a_change_that_the_profile_forbids_is_a_partial_error_too(server: Any) -> None:
    server.update([entry(attributes={"a": "text"})])
    content = server.update([entry(attributes={"a": {"$add": ["x"]}, "b": 1})]).json()
    assert [error["attribute"] for error in content["errors"]] == ["a"]
    assert server.get("profiles/u1")["attributes"] == {"a": "text", "b": 1}
    assert server.journal()[-1]["attributes"] == {"b": 1}


def test_a_late_event_is_refused_alone_and_named(server: Any) -> None:
    events = [
        {"name": "late", "time": ago(hours=25)},
        {"name": "early", "time": ago(hours=-1)},
        {"name": "good", "time": ago(hours=23)},
    ]
    content = server.update([entry(attributes={"a": 1}, events=events)]).json()
    named = [(e["category"], e["bulk_index"], e["attribute"]) for e in content["errors"]]
    assert named == [("event", 0, "late"), ("event", 0, "early")]
    assert server.get("profiles/u1")["attributes"] == {"a": 1}
    summary = server.get("summary")
    assert (summary["events"], summary["events_late"]) == (1, 2)
    assert [event["name"] for event in server.get("profiles/u1")["events"]] == ["good"]
    assert [event["name"] for event in server.journal()[0]["late_events"]] == ["late", "early"]


@pytest.mark.parametrize(
    ("path", "count", "status"),
    [
        ("/2.11/profiles/update", 200, 202),
        ("/2.11/profiles/update", 201, 400),
        (MASS, 10_000, 202),
        (MASS, 10_001, 400),
    ],
)
def test_too_many_entries_refuse_the_whole_call(server: Any, path: str, count: int, status: int) -> None:
    response = server.update([entry(f"u{n}") for n in range(count)], path)
    assert response.status_code == status
    assert server.get("summary")["profiles"] == (count if status == 202 else 0)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        None,
        [entry(), entry()],
        [entry("u2"), {"identifiers": {}}],
        [entry("u2"), entry(attributes=[])],
    ],
)
def test_a_malformed_call_is_refused_as_a_whole(server: Any, body: Any) -> None:
    response = server.update(body if body is not None else "null")
    assert response.status_code == 400
    assert set(response.json()) == {"error_code", "error_message"}
    assert server.get("summary")["profiles"] == 0


@pytest.mark.parametrize(
    ("headers", "data", "status"),
    [
        ({"Content-Type": "application/json; charset=utf-8"}, b"[]", 400),
        ({"Content-Type": "text/plain"}, b"[]", 415),
        ({}, b"[]", 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"x", 415),
        ({"Content-Type": "application/json"}, b" " * 5_000_001, 413),
        ({"Content-Type": "application/json"}, b"", 400),
    ],
)
def test_a_body_is_plain_json_of_a_bounded_size(
    server: Any, headers: dict[str, str], data: bytes, status: int
) -> None:
    keys = {"Authorization": "Bearer k", "X-Batch-Project": "p"}
    response = server.call("POST", "/2.11/profiles/update", headers=keys | headers, data=data)
    assert response.status_code == status


def test_the_journal_holds_every_accepted_entry_in_order(server: Any) -> None:
    server.update([entry("u1", attributes={"a": 1}), entry("u2")])
    server.update([entry("u1", events=[{"name": "e"}])])
    lines = server.journal()
    assert [(line["n"], line["request"], line["custom_id"]) for line in lines] == [
        (0, 1, "u1"),
        (1, 1, "u2"),
        (2, 2, "u1"),
    ]
    assert lines[0]["attributes"] == {"a": 1}
    assert lines[2]["events"] == [{"name": "e"}]
    assert lines[0]["endpoint"] == "profiles/update"
    assert [line["n"] for line in server.journal(1)] == [1, 2]
    assert server.journal(3) == []


def test_a_query_is_refused(server: Any) -> None:
    assert server.update([entry()], "/2.11/profiles/update?async=true").status_code == 400
    assert server.get("summary")["profiles"] == 0


def test_an_installation_has_a_profile_of_its_own(server: Any) -> None:
    server.update([{"identifiers": {"installation": "u1"}, "attributes": {"a": 1}}])
    assert server.get("profiles")["profiles"][0]["id"] == 'installation:"u1"'


@pytest.mark.parametrize("name", ["$nonsense", "$ x", "$email"])
def test_an_export_knows_the_native_attributes_only(server: Any, name: str) -> None:
    body = {"export_type": "ATTRIBUTES", "attributes": ["$language", name], "identifiers": ["custom_id"]}
    assert server.call("POST", "/2.11/profiles/export", body, headers=KEYS).status_code == 400
    body["attributes"] = ["$language"]
    assert server.call("POST", "/2.11/profiles/export", body, headers=KEYS).status_code == 202


def test_a_profile_without_a_custom_id_is_in_no_export_of_custom_ids(server: Any) -> None:
    for who in ("installation", "custom_id"):
        server.update([{"identifiers": {who: "u1"}, "attributes": {"a": 1}}])
    server.post("settings", {"export_seconds": 0})
    body = {"export_type": "ATTRIBUTES", "attributes": ["a"], "identifiers": ["custom_id"]}
    asked = server.call("POST", "/2.11/profiles/export", body, headers=KEYS).json()
    view = server.call("GET", f"/2.11/exports/view?id={asked['id']}", headers=KEYS).json()
    link = server.call("GET", f"/2.11/exports/download?id={view['files'][0]['id']}", headers=KEYS)
    lines = server.session.get(link.headers["Location"], timeout=5).text.splitlines()
    assert [json.loads(line)["identifiers"] for line in lines] == [{"custom_id": "u1"}]
