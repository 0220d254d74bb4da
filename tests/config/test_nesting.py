"""Settings that Meltano flattened into dotted names get the meaning that they have in `meltano.yml`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_batch.config.files import nested, unbroken

if TYPE_CHECKING:
    from pathlib import Path


def test_flattened_stream_options_are_nested_again() -> None:
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


def test_nested_settings_are_not_changed() -> None:
    config = {
        "streams": {"users": {"kind": "profiles"}},
        "stream_maps": {"users": {"a": "b"}, "__else__": None},
    }
    assert nested(config) == config


def test_flattened_stream_maps_are_nested_again() -> None:
    flat = {"users.__filter__": "a > 1", "users.name": "name.upper()", "__else__": None}
    assert nested({"stream_maps": flat}) == {
        "stream_maps": {"users": {"__filter__": "a > 1", "name": "name.upper()"}, "__else__": None}
    }


def test_a_stream_whose_name_has_a_dot_can_be_removed() -> None:
    maps = {"public.users": None, "public.orders": "__NULL__", "shop.carts": {"a": "b"}}
    assert nested({"stream_maps": maps}) == {"stream_maps": maps}


def test_an_escaped_dot_does_not_separate_names() -> None:
    flat = {r"a\.b.kind": "profiles", r"a\.b.attributes.geo\.city": "town"}
    maps = {r"a\.b.geo\.city": "upper(city)", r"users.geo\.city": "upper(city)"}
    assert nested({"streams": flat, "stream_maps": maps}) == {
        "streams": {"a.b": {"kind": "profiles", "attributes": {"geo.city": "town"}}},
        "stream_maps": {"a.b": {"geo.city": "upper(city)"}, "users": {"geo.city": "upper(city)"}},
    }


@pytest.mark.parametrize("value", [None, "__NULL__"])
def test_a_removed_dotted_name_is_removed_in_every_interpretation(value: str | None) -> None:
    """It may be a stream or a property of two possible streams: the data is not sent in any case."""
    assert nested({"stream_maps": {"shop.users.email": value}}) == {
        "stream_maps": {
            "shop.users.email": value,
            "shop.users": {"email": value},
            "shop": {"users.email": value},
        }
    }


def test_removing_a_dotted_name_never_lets_an_unmapped_stream_in() -> None:
    maps = nested({"stream_maps": {"shop.users.email": None, "__else__": None}})["stream_maps"]
    assert maps == {"shop.users.email": None, "shop.users": {"email": None}, "__else__": None}


def test_meltanos_config_file_is_repaired_from_its_environment_variables(tmp_path: Path) -> None:
    file = tmp_path / "run" / "target-batch" / "target.config.json"
    environment = {
        "MELTANO_SYS_DIR_ROOT": str(tmp_path),
        "MELTANO_LOAD_STREAMS": '{"shop.users.attributes.note": null}',
    }
    broken = {"streams": {"shop": {"users": {}}}, "nulls": "skip"}
    mended = {"streams": {"shop.users.attributes.note": None}, "nulls": "skip"}
    assert unbroken(broken, str(file), environment) == mended
    assert unbroken(broken, str(tmp_path.parent / "own.json"), environment) == broken
    assert unbroken(broken, str(file), {}) == broken
