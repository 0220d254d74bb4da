"""The paths, versions and methods that are known."""

import pytest

from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.routing import Route, resolve


@pytest.mark.parametrize("version", ["2.1", "2.8", "2.10", "2.11", "2.13"])
def test_the_versions_that_were_seen_are_known(version: str) -> None:
    route = resolve("POST", f"/{version}/profiles/update")
    assert route == Route("project", version, "profiles/update")


@pytest.mark.parametrize(
    "path",
    [
        "/2.0/profiles/update",
        "/2.9/profiles/update",
        "/2.12/profiles/update",
        "/2.14/profiles/update",
        "/2/profiles/update",
        "/1.0/profiles/update",
        "/profiles/update",
        "/2.11/profiles/update/",
        "/2.11/profiles/import",
        "/2.11/exports/list",
        "/2.11/audiences",
        "/2.11/audiences/delete",
        "//2.11/profiles/update",
        "/1.2/KEY/custom-audience/a",
        "/2.11/KEY/custom-audience/a",
        "/1.0/KEY/custom-audience/a/b",
        "/1.0//custom-audience/a",
        "/1.0/KEY/custom-audiences",
    ],
)
def test_other_paths_and_versions_are_unknown(path: str) -> None:
    with pytest.raises(Refused) as refused:
        resolve("POST", path)
    assert refused.value.status == 404


@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        ("POST", "/1.0/K/custom-audience/a", "app/create"),
        ("PATCH", "/1.1/K/custom-audience/a", "app/update"),
        ("PUT", "/1.1/K/custom-audience/a", "app/replace"),
        ("DELETE", "/1.1/K/custom-audience/a", "app/remove"),
        ("GET", "/1.1/K/custom-audience/a", "app/view"),
        ("GET", "/1.1/K/custom-audience", "app/list"),
        ("GET", "/2.11/audiences/list", "audiences/list"),
    ],
)
def test_the_method_chooses_what_is_called(method: str, path: str, endpoint: str) -> None:
    assert resolve(method, path).endpoint == endpoint


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/2.11/profiles/update"),
        ("POST", "/2.11/audiences/view"),
        ("HEAD", "/2.11/audiences/view"),
        ("OPTIONS", "/1.0/K/custom-audience/a"),
        ("POST", "/1.0/K/custom-audience"),
    ],
)
def test_another_method_is_refused(method: str, path: str) -> None:
    with pytest.raises(Refused) as refused:
        resolve(method, path)
    assert refused.value.status == 405
