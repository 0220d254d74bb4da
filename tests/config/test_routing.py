"""Routing finds a stream's kind and the property of its custom ID."""

from __future__ import annotations

from typing import Any

import pytest

from target_batch.common.errors import ConfigurationError
from target_batch.config.checks import load
from target_batch.config.routing import kind_by_name, options_for, route
from target_batch.config.settings import StreamOptions


def settings(**given: Any) -> Any:
    return load({"rest_api_key": "k", **given})


def properties(*names: str) -> dict[str, Any]:
    return {"properties": {name: {} for name in names}}


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        ("users", "profiles"),
        ("public-customers", "profiles"),
        ("CustomerProfiles", "profiles"),
        ("CRMUsers", "profiles"),
        ("crm_people", "profiles"),
        ("identifies", "profiles"),
        ("app.Subscriber", "profiles"),
        ("events", "events"),
        ("web-tracks", "events"),
        ("cohort_members", "audiences"),
        ("vip_audience", "audiences"),
        ("memberships", "audiences"),
        ("products", None),
        ("user_orders", None),
        ("address", None),
        ("---", None),
    ],
)
def test_the_last_word_of_a_stream_name_decides_its_kind(stream: str, kind: str | None) -> None:
    assert kind_by_name(stream) == kind


def test_a_stream_of_unknown_kind_is_refused_with_the_setting_to_use() -> None:
    with pytest.raises(ConfigurationError, match=r"streams\.products\.kind.*default_kind"):
        route("products", properties("user_id"), (), settings())
    found = route("products", properties("user_id"), (), settings(default_kind="ignore"))
    assert found.kind == "ignore"


def test_a_segment_stream_is_recognised_by_its_properties() -> None:
    schema = properties("type", "userId", "traits", "context")
    found = route("archive", schema, (), settings())
    assert (found.kind, found.custom_id) == ("segment", "userId")


def test_a_type_and_a_user_id_do_not_make_a_segment_stream() -> None:
    found = route("users", properties("type", "userId"), (), settings())
    assert found.kind == "profiles"


@pytest.mark.parametrize(
    ("given", "stream", "keys", "expected"),
    [
        ({"streams": {"users": {"custom_id": "a"}}, "custom_id": "b"}, ["user_id", "a"], ["k"], "a"),
        ({"custom_id": "b"}, ["user_id", "b"], ["k"], "b"),
        ({"custom_id": "b.c"}, ["user_id", "b"], ["k"], "b.c"),
        ({}, ["USER_ID", "name"], ["k"], "USER_ID"),
        ({}, ["User Id"], ["k"], "User Id"),
        ({}, ["userid"], ["k"], "userid"),
        ({}, ["CUSTOM-ID", "user_id"], ["k"], "CUSTOM-ID"),
        ({}, ["user"], ["k"], "k"),
        ({}, ["userId", "user_id", "custom_id"], ["k"], "custom_id"),
        ({}, ["userId", "user_id"], ["k"], "user_id"),
        ({}, ["name"], ["k"], "k"),
    ],
)
def test_the_custom_id_comes_from_the_most_specific_source(
    given: dict[str, Any], stream: list[str], keys: list[str], expected: str
) -> None:
    assert route("users", properties(*stream), keys, settings(**given)).custom_id == expected


def test_a_stream_without_a_custom_id_is_refused_with_the_setting_to_use() -> None:
    with pytest.raises(ConfigurationError, match=r"streams\.users\.custom_id"):
        route("users", properties("name"), ["a", "b"], settings())


def test_an_exact_stream_name_wins_over_globs_and_the_first_glob_over_later_ones() -> None:
    first, second, exact = StreamOptions(event="1"), StreamOptions(event="2"), StreamOptions(event="3")
    streams = {"shop-*": first, "*-orders": second, "shop-returns": exact}
    assert options_for("shop-orders", streams) is first
    assert options_for("web-orders", streams) is second
    assert options_for("shop-returns", streams) is exact
    assert options_for("other", streams) == StreamOptions()
