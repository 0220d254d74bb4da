"""App audiences, over a real socket."""

from typing import Any

import pytest

OLD = "/1.0/KEY-A/custom-audience"
NEW = "/1.1/KEY-A/custom-audience"


def ids(server: Any, name: str, app: str = "KEY-A") -> list[Any]:
    found: list[Any] = server.get(f"audiences/{app}/{name}")["ids"]
    return found


def test_version_1_0_takes_custom_ids(server: Any) -> None:
    body = {"type": "custom_ids", "description": "All"}
    created = server.app("POST", f"{OLD}/vip", body)
    assert (created.status_code, created.json()) == (200, {})
    members = [{"action": "add", "id": "u1"}, {"action": "add", "id": "u2"}]
    response = server.app("PATCH", f"{OLD}/vip", {"type": "custom_ids", "ids": members})
    assert set(response.json()) == {"indexing_token"}
    assert ids(server, "vip") == [{"id": "u1"}, {"id": "u2"}]
    server.app("PUT", f"{OLD}/vip", {"type": "custom_ids", "ids": [{"id": "u3"}]})
    assert ids(server, "vip") == [{"id": "u3"}]
    view = server.app("GET", f"{OLD}/vip?indexing_token={response.json()['indexing_token']}").json()
    assert view["indexing_state"] == "REPLACED"
    assert server.app("GET", f"{OLD}/vip").json()["indexing_state"] == "APPLIED"
    assert (view["name"], view["type"], view["description"]) == ("vip", "custom_ids", "All")
    assert len(view["created"]) == len("2024-01-01T00:00:00")


def test_version_1_1_takes_installations_with_attributes_and_tags(server: Any) -> None:
    server.app("POST", f"{NEW}/vip", {"type": "install_ids"})
    member = {"id": "i1", "attributes": {"rank": 1}, "tags": ["a", "b"]}
    server.app("PATCH", f"{NEW}/vip", {"ids": [{"action": "add", **member}]})
    assert ids(server, "vip") == [member]
    line = server.journal()[-1]
    assert (line["platform"], line["tags"]) == (
        server.get("audiences")["audiences"][0]["platform"],
        ["a", "b"],
    )
    server.app("PUT", f"{NEW}/vip", {"ids": [{"id": "i2"}]})
    assert ids(server, "vip") == [{"id": "i2"}]


def test_apps_are_separate_and_their_keys_are_never_shown(server: Any) -> None:
    server.app("POST", f"{OLD}/vip", {"type": "custom_ids"})
    server.app("POST", "/1.0/KEY-B/custom-audience/vip", {"type": "advertising_ids"})
    assert len(server.app("GET", OLD).json()["custom_audiences"]) == 1
    everything = "".join(
        server.call("GET", f"/_/{path}").text
        for path in ("summary", "audiences", "requests", "journal", "rates")
    )
    assert "KEY-" not in everything
    assert "/custom-audience/vip" in everything


def test_an_audience_is_deleted(server: Any) -> None:
    server.app("POST", f"{OLD}/vip", {"type": "custom_ids"})
    deleted = server.app("DELETE", f"{OLD}/vip")
    assert (deleted.status_code, deleted.json()) == (200, {})
    assert server.app("GET", f"{OLD}/vip").status_code == 404


def test_the_list_is_paged_by_offset_with_the_newest_first(server: Any) -> None:
    for number in range(12):
        server.app("POST", f"{OLD}/a{number}", {"type": "custom_ids"})
    first = server.app("GET", OLD).json()
    assert set(first) == {"custom_audiences"}
    assert [audience["name"] for audience in first["custom_audiences"]] == [f"a{n}" for n in range(11, 1, -1)]
    rest = server.app("GET", f"{OLD}?from=10&limit=100").json()["custom_audiences"]
    assert [audience["name"] for audience in rest] == ["a1", "a0"]
    assert set(rest[0]) == {"name", "type", "description", "nb_ids", "created", "updated"}
    assert server.app("GET", f"{OLD}?from=12&limit=100").json() == {"custom_audiences": []}


def test_errors_have_the_codes_of_the_app_platform(server: Any) -> None:
    answers = [
        server.app("POST", f"{OLD}/vip", {}),
        server.app("GET", f"{OLD}/vip"),
        server.call("GET", OLD),
    ]
    assert [(answer.status_code, answer.json()["error_code"]) for answer in answers] == [
        (400, "MISSING_PARAMETER"),
        (404, "ROUTE_NOT_FOUND"),
        (401, "AUTHENTICATION_INVALID"),
    ]


def test_dates_of_members_have_no_zone(server: Any) -> None:
    server.app("POST", f"{NEW}/vip", {"type": "install_ids"})
    for date, status in (("2012-08-12T22:30:05", 202), ("2012-08-12T22:30:05Z", 400)):
        member = {"action": "add", "id": "i1", "attributes": {"date(since)": date}}
        assert server.app("PATCH", f"{NEW}/vip", {"ids": [member]}).status_code == status


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", f"{OLD}/b", {"type": "install_ids"}, 400),
        ("POST", f"{NEW}/b", {"type": "custom_ids"}, 400),
        ("POST", f"{OLD}/b%20c", {"type": "custom_ids"}, 400),
        ("POST", f"{OLD}/vip", {"type": "custom_ids"}, 400),
        ("POST", OLD, {"type": "custom_ids"}, 405),
        ("PATCH", f"{OLD}/vip", {"ids": [{"action": "add", "id": "u1"}]}, 400),
        (
            "PATCH",
            f"{OLD}/vip",
            {"type": "advertising_ids", "ids": [{"action": "add", "id": "u1"}]},
            400,
        ),
        (
            "PATCH",
            f"{OLD}/vip",
            {"type": "custom_ids", "ids": [{"action": "add", "id": "u1", "attributes": {"a": 1}}]},
            400,
        ),
        ("PATCH", f"{NEW}/vip", {"ids": [{"action": "add", "id": "i1"}]}, 400),
        ("PATCH", f"{OLD}/other", {"type": "custom_ids", "ids": [{"action": "add", "id": "u"}]}, 404),
        ("PUT", f"{OLD}/vip", {"type": "custom_ids", "ids": []}, 400),
        ("GET", f"{OLD}/vip?indexing_token=x", None, 400),
        ("GET", f"{OLD}?from=-1", None, 400),
        ("GET", f"{OLD}?from=a", None, 400),
        ("GET", f"{OLD}?from={'9' * 5000}", None, 400),
        ("GET", f"{OLD}?limit=101", None, 400),
        ("GET", f"{OLD}?page=1", None, 400),
        ("DELETE", f"{OLD}/vip?force=true", None, 400),
        ("DELETE", f"{OLD}/vip", {"type": "custom_ids"}, 400),
        ("GET", f"{OLD}/other", None, 404),
        ("GET", "/1.2/KEY-A/custom-audience/vip", None, 404),
    ],
)
def test_what_is_not_documented_is_refused(
    server: Any, method: str, path: str, body: Any, status: int
) -> None:
    server.app("POST", f"{OLD}/vip", {"type": "custom_ids"})
    assert server.app(method, path, body).status_code == status
    assert ids(server, "vip") == []


def test_tags_come_only_with_add(server: Any) -> None:
    server.app("POST", f"{NEW}/vip", {"type": "install_ids"})
    body = {"ids": [{"action": "remove", "id": "i1", "tags": ["a"]}]}
    assert server.app("PATCH", f"{NEW}/vip", body).status_code == 400
