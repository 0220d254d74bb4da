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
    assert server.app("POST", f"{OLD}/vip", body).status_code == 202
    members = [{"action": "add", "id": "u1"}, {"action": "add", "id": "u2"}]
    response = server.app("PATCH", f"{OLD}/vip", {"type": "custom_ids", "ids": members})
    assert set(response.json()) == {"indexing_token"}
    assert ids(server, "vip") == [{"id": "u1"}, {"id": "u2"}]
    server.app("PUT", f"{OLD}/vip", {"type": "custom_ids", "ids": [{"id": "u3"}]})
    assert ids(server, "vip") == [{"id": "u3"}]
    view = server.app("GET", f"{OLD}/vip?indexing_token={response.json()['indexing_token']}").json()
    assert view["indexing_state"] == "APPLIED"
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
    assert server.app("GET", OLD).json()["count"] == 1
    everything = "".join(
        server.call("GET", f"/_/{path}").text
        for path in ("summary", "audiences", "requests", "journal", "rates")
    )
    assert "KEY-" not in everything
    assert "/custom-audience/vip" in everything


def test_an_audience_is_deleted(server: Any) -> None:
    server.app("POST", f"{OLD}/vip", {"type": "custom_ids"})
    assert server.app("DELETE", f"{OLD}/vip").status_code == 202
    assert server.app("GET", f"{OLD}/vip").status_code == 404


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
