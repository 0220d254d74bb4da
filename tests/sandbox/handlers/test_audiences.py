"""Project audiences, over a real socket."""

import time
from typing import Any

import pytest


def create(server: Any, name: str = "vip", **more: Any) -> Any:
    return server.project(
        "POST", "create", {"name": name, "type": "custom_ids", "display_name": name, **more}
    )


def add(server: Any, *ids: str, name: str = "vip") -> Any:
    members = [{"action": "add", "id": identifier} for identifier in ids]
    return server.project("POST", "update", {"name": name, "ids": members})


def ids(server: Any, name: str = "vip") -> list[str]:
    return [member["id"] for member in server.get(f"audiences/project/{name}")["ids"]]


def test_an_audience_is_created_empty_and_viewed(server: Any) -> None:
    response = create(server, display_name="Very important")
    assert response.status_code == 202
    assert set(response.json()) == {"indexing_token"}
    view = server.project("GET", "view?name=vip").json()
    assert view.pop("created").endswith("Z")
    assert view.pop("updated").endswith("Z")
    assert view == {
        "name": "vip",
        "display_name": "Very important",
        "type": "CUSTOM_ID",
        "nb_ids": 0,
        "indexing_state": "APPLIED",
    }


def test_members_are_added_removed_and_the_last_action_wins(server: Any) -> None:
    create(server)
    members: list[dict[str, Any]] = [
        {"action": "add", "id": "u1", "attributes": {"rank": 1}},
        {"action": "add", "id": "u2"},
        {"action": "remove", "id": "u2"},
        {"action": "remove", "id": "never"},
        {"action": "add", "id": "u3"},
        {"action": "add", "id": "u1", "attributes": {"rank": 2}},
    ]
    assert server.project("POST", "update", {"name": "vip", "ids": members}).status_code == 202
    shown = server.get("audiences/project/vip")
    assert shown["ids"] == [{"id": "u1", "attributes": {"rank": 2}}, {"id": "u3"}]
    assert [line.get("id") for line in server.journal()] == [None, *(m["id"] for m in members)]
    assert server.journal()[1]["action"] == "add"


def test_a_replace_removes_all_others(server: Any) -> None:
    create(server)
    add(server, "u1", "u2")
    body = {"name": "vip", "ids": [{"id": "u2"}, {"id": "u3"}]}
    assert server.project("POST", "replace", body).status_code == 202
    assert ids(server) == ["u2", "u3"]
    assert server.project("GET", "view?name=vip").json()["indexing_state"] == "APPLIED"
    assert [line["action"] for line in server.journal(3)] == ["replace", "replace"]


def test_a_removed_audience_is_unknown(server: Any) -> None:
    create(server)
    assert server.project("POST", "remove", {"name": "vip"}).status_code == 202
    assert server.project("GET", "view?name=vip").json()["error_code"] == "AUDIENCE_NOT_FOUND"
    assert server.journal()[-1]["action"] == "delete"


def test_an_index_takes_its_time_and_pending_changes_are_shown(server: Any) -> None:
    create(server)
    server.post("settings", {"index_seconds": 0.5})
    token = add(server, "u1").json()["indexing_token"]
    view = f"view?name=vip&indexing_token={token}"
    assert server.project("GET", view).json()["indexing_state"] == "IN_PROGRESS"
    shown = server.get("audiences")["audiences"][0]
    assert (shown["members"], shown["indexing_state"]) == (0, "IN_PROGRESS")
    assert [(p["token"], p["action"], p["members"]) for p in shown["pending"]] == [(token, "update", 1)]
    assert server.get("summary")["members_pending"] == 1
    time.sleep(0.6)
    found = server.project("GET", view).json()
    assert (found["indexing_state"], found["nb_ids"]) == ("APPLIED", 1)


def test_the_list_is_paged(server: Any) -> None:
    for number in range(12):
        create(server, f"a{number}")
    first = server.project("GET", "list").json()
    assert (len(first["audiences"]), first["count"], first["has_more"]) == (10, 12, True)
    assert isinstance(first["next_from"], str)
    rest = server.project("GET", f"list?from={first['next_from']}&limit=100").json()
    assert set(rest) == {"audiences", "has_more"}
    assert rest["has_more"] is False
    assert [audience["name"] for audience in rest["audiences"]] == ["a10", "a11"]
    assert rest["audiences"][0] == server.project("GET", "view?name=a10").json()


def test_only_a_cursor_that_a_page_returned_is_accepted(server: Any) -> None:
    create(server)
    for made_up in ("", "0", "1", "10", "vip"):
        assert server.project("GET", f"list?from={made_up}").status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "create", {"name": "vip", "type": "custom_ids", "display_name": "B"}, 400),
        ("POST", "create", {"name": "b c", "type": "custom_ids", "display_name": "B"}, 400),
        ("POST", "create", {"name": "b", "type": "custom_ids"}, 400),
        ("POST", "create", {"name": "b"}, 400),
        ("POST", "create", {"name": "b", "type": "install_ids", "display_name": "B"}, 400),
        ("POST", "create", {"name": "b", "type": "custom_ids", "display_name": ""}, 400),
        ("POST", "create", {"name": "b", "type": "custom_ids", "display_name": "B", "color": "red"}, 400),
        ("POST", "update", {"name": "vip", "ids": []}, 400),
        ("POST", "update", {"name": "vip", "ids": [{"id": "u1"}]}, 400),
        ("POST", "update", {"name": "vip", "ids": [{"action": "keep", "id": "u1"}]}, 400),
        ("POST", "update", {"name": "vip", "ids": [{"action": "add", "id": "null"}]}, 400),
        ("POST", "update", {"name": "vip", "ids": [{"action": "add", "id": 5}]}, 400),
        (
            "POST",
            "update",
            {"name": "vip", "ids": [{"action": "remove", "id": "u1", "attributes": {"a": 1}}]},
            400,
        ),
        (
            "POST",
            "update",
            {"name": "vip", "ids": [{"action": "add", "id": f"u{n}"} for n in range(10_001)]},
            400,
        ),
        ("POST", "update", {"name": "other", "ids": [{"action": "add", "id": "u1"}]}, 400),
        ("POST", "update?name=vip", {"name": "vip", "ids": [{"action": "add", "id": "u1"}]}, 400),
        (
            "POST",
            "update",
            {"name": "vip", "ids": [{"action": "add", "id": "u1", "attributes": {"a": 2**63}}]},
            400,
        ),
        ("POST", "replace", {"name": "vip", "ids": []}, 400),
        ("POST", "replace", {"name": "vip", "ids": [{"action": "add", "id": "u1"}]}, 400),
        ("POST", "remove", {"name": "other"}, 400),
        ("GET", "list", {"limit": 10}, 400),
        ("GET", "view", None, 400),
        ("GET", "view?name=other", None, 404),
        ("GET", "view?name=vip&indexing_token=x", None, 400),
        ("GET", "view?name=vip&name=vip", None, 400),
        ("GET", "list?limit=101", None, 400),
        ("GET", "list?limit=0", None, 400),
        ("GET", "list?from=-1", None, 400),
        ("GET", "list?page=2", None, 400),
    ],
)
def test_what_is_not_documented_is_refused(
    server: Any, method: str, path: str, body: Any, status: int
) -> None:
    create(server)
    assert server.project(method, path, body).status_code == status
    assert ids(server) == []


def test_names_are_case_sensitive(server: Any) -> None:
    assert create(server, "vip").status_code == 202
    assert create(server, "VIP").status_code == 202
