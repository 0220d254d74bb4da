"""Settings that Meltano wrote into the environment mean what they meant in `meltano.yml`."""

from __future__ import annotations

from target_batch.config.nesting import nested


def test_stream_options_are_put_back() -> None:
    flat = {
        "users.kind": "profiles",
        "public.orders.kind": "events",
        "public.orders.time": "at",
        "users.attributes.First name": "first_name",
        "users.attributes.geo.city": "",
        "*": {"kind": "ignore"},
    }
    assert nested({"streams": flat, "nulls": "skip"}) == {
        "streams": {
            "users": {"kind": "profiles", "attributes": {"First name": "first_name", "geo.city": ""}},
            "public.orders": {"kind": "events", "time": "at"},
            "*": {"kind": "ignore"},
        },
        "nulls": "skip",
    }


def test_what_is_nested_already_stays() -> None:
    config = {
        "streams": {"users": {"kind": "profiles"}},
        "stream_maps": {"users": {"a": "b"}, "__else__": None},
    }
    assert nested(config) == config


def test_stream_maps_are_put_back() -> None:
    flat = {"users.__filter__": "a > 1", "users.name": "name.upper()", "__else__": None}
    assert nested({"stream_maps": flat}) == {
        "stream_maps": {"users": {"__filter__": "a > 1", "name": "name.upper()"}, "__else__": None}
    }


def test_a_stream_whose_name_has_a_dot_can_be_taken_out() -> None:
    maps = {"public.users": None, "public.orders": "__NULL__", "shop.carts": {"a": "b"}}
    assert nested({"stream_maps": maps}) == {"stream_maps": maps}
