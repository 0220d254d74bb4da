"""The effect of an accepted change on a profile."""

from typing import Any

from target_batch.sandbox.rules.merging import Attributes, merge

DATE = "2024-01-01T00:00:00Z"


def held(**values: Any) -> Attributes:
    return Attributes(values, {})


def test_a_value_is_set_and_null_deletes_it() -> None:
    profile = held(a=1, b=2)
    assert merge(profile, {"a": None, "c": 3, "never": None}) == []
    assert profile.values == {"b": 2, "c": 3}


def test_a_null_consent_resets_it() -> None:
    profile = Attributes({"$email_marketing": "subscribed"}, {})
    merge(profile, {"$email_marketing": None})
    assert profile.values == {}


def test_dates_and_urls_are_kept_under_their_name_with_their_kind() -> None:
    profile = held()
    merge(profile, {"date(a)": DATE, "url(b)": "https://x.co"})
    assert profile == ({"a": DATE, "b": "https://x.co"}, {"a": "date", "b": "url"})


def test_another_type_takes_the_place_of_a_date() -> None:
    profile = held()
    merge(profile, {"date(a)": DATE, "date(b)": DATE, "date(c)": DATE})
    merge(profile, {"a": "text", "b": ["x"], "date(c)": None})
    assert profile == ({"a": "text", "b": ["x"]}, {})


def test_add_and_remove_change_an_array() -> None:
    profile = held(a=["x", "y"])
    merge(profile, {"a": {"$add": ["y", "z"], "$remove": ["x"]}, "b": {"$add": ["n"]}})
    assert profile.values == {"a": ["y", "z"], "b": ["n"]}


def test_an_array_without_items_is_removed() -> None:
    profile = held(a=["x"])
    merge(profile, {"a": {"$remove": ["x"]}, "b": {"$remove": ["x"]}})
    assert profile.values == {}


def test_add_on_another_type_is_refused_alone() -> None:
    profile = held(a="text")
    refused = merge(profile, {"a": {"$add": ["x"]}, "b": 1})
    assert [key for key, _reason in refused] == ["a"]
    assert profile.values == {"a": "text", "b": 1}


def test_an_array_never_grows_beyond_its_limit() -> None:
    profile = held(a=[f"x{n}" for n in range(24)])
    assert merge(profile, {"a": {"$add": ["x0", "last"]}}) == []
    assert [key for key, _ in merge(profile, {"a": {"$add": ["more"]}})] == ["a"]
    assert len(profile.values["a"]) == 25


def test_a_profile_holds_fifteen_arrays_and_natives_do_not_count() -> None:
    profile = held(**{f"a{n}": ["x"] for n in range(14)})
    assert merge(profile, {"$topic_preferences": ["t"], "last": ["x"], "a0": ["y"]}) == []
    assert [key for key, _ in merge(profile, {"more": ["x"], "other": {"$add": ["x"]}})] == [
        "more",
        "other",
    ]
    assert merge(profile, {"more": ["x"], "last": None}) == []
    assert merge(profile, {"other": {"$remove": ["x"]}}) == []
