"""The calls whose keys are accepted."""

from typing import Any

import pytest

from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.keys import Keys
from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.routing import resolve

REST, PROJECT = ("authorization", "Bearer rest"), ("x-batch-project", "project_1")


def owner(keys: Keys, *headers: tuple[str, str], path: str = "/2.11/audiences/list") -> str:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    return keys.owner(resolve("GET", path), Exchange(1, "GET", path, b"", raw, 0.0, 0.0))


def test_any_key_is_accepted_unless_one_is_configured() -> None:
    assert owner(Keys(), REST, PROJECT) == "project:project_1"
    assert owner(Keys(("other", "rest"), ("project_1",)), REST, PROJECT)


@pytest.mark.parametrize(
    ("keys", "headers"),
    [
        (Keys(), []),
        (Keys(), [REST]),
        (Keys(), [PROJECT]),
        (Keys(), [("authorization", "rest"), PROJECT]),
        (Keys(), [("authorization", "Basic rest"), PROJECT]),
        (Keys(), [("authorization", "Bearer "), PROJECT]),
        (Keys(), [REST, REST, PROJECT]),
        (Keys(), [REST, PROJECT, ("x-batch-project", "project_2")]),
        (Keys(), [("x-authorization", "rest"), PROJECT]),
        (Keys(("other",)), [REST, PROJECT]),
        (Keys((), ("project_2",)), [REST, PROJECT]),
    ],
)
def test_a_missing_repeated_or_wrong_key_is_refused(keys: Keys, headers: Any) -> None:
    with pytest.raises(Refused) as refused:
        owner(keys, *headers)
    assert (refused.value.status, refused.value.code) == (401, "AUTHENTICATION_INVALID")


def test_an_app_is_opened_by_its_key_in_the_path_and_the_rest_key() -> None:
    keys = Keys(("rest",), (), ("A", "B"))
    path = "/1.0/B/custom-audience"
    assert owner(keys, ("x-authorization", "rest"), path=path) == "app-2"
    for headers, where in (
        ([("x-authorization", "wrong")], path),
        ([REST], path),
        ([("x-authorization", "rest")], "/1.0/C/custom-audience"),
    ):
        with pytest.raises(Refused):
            owner(keys, *headers, path=where)


def test_a_path_is_shown_without_the_key_of_the_app() -> None:
    keys = Keys((), (), ("SECRET",))
    assert keys.mask("/1.0/SECRET/custom-audience/a") == "/1.0/app-1/custom-audience/a"
    assert keys.mask("/1.0/UNSEEN/custom-audience/a") == "/1.0/app/custom-audience/a"
    assert keys.mask("/2.11/profiles/update") == "/2.11/profiles/update"
    assert "SECRET" not in repr(keys.mask("/9.9/SECRET/custom-audience"))


def test_a_wrong_key_is_answered_in_the_documented_form(start: Any) -> None:
    server = start("--rest-api-key", "rest", "--project-key", "project_1", "--app-key", "A")
    assert server.update([{"identifiers": {"custom_id": "u1"}}]).status_code == 202
    response = server.call("POST", "/2.11/profiles/update", [], headers={"Authorization": "x"})
    assert response.status_code == 401
    assert response.json()["error_code"] == "AUTHENTICATION_INVALID"
    assert server.app("GET", "/1.0/A/custom-audience").status_code == 200
    assert server.app("GET", "/1.0/B/custom-audience").status_code == 401
