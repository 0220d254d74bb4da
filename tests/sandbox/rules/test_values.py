"""Values of custom attributes."""

from typing import Any

import pytest

from target_batch.sandbox.rules.values import change_violation, value_violation


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("plain", "x"),
        ("plain", "x" * 300),
        ("plain", "😀" * 300),
        ("plain", " "),
        ("plain", 0),
        ("plain", 2**63 - 1),
        ("plain", -(2**63)),
        ("plain", 1.5),
        ("plain", False),
        ("plain", ["a"] * 25),
        ("plain", ["x" * 300]),
        ("date", "2024-01-01T00:00:00Z"),
        ("url", "https://example.com/a?b=c#d"),
        ("url", "app://host"),
        ("url", "https://a.co/\u0645\u06cc\u200c\u062e"),
        ("url", "https://a.co/\U0001f468\u200d\U0001f469"),
        ("url", "https://[::1]:/"),
        ("url", "https://a.b:/"),
        ("url", "http://192.168.0.1:8080/x"),
        ("url", "http://1.2.3.4.example.com/"),
        ("url", "http://caf%C3%A9.fr/a|b^c<d>%zz"),
        ("url", "http://[::1]:8080/"),
        ("url", "https://user:pw@a.b:8443/x?y#z"),
        ("url", "https://[::ffff:1.2.3.4]/"),
        ("url", "https://a.b?x=[1]"),
        ("url", "https://é.fr/a\\b"),
        ("url", "https://a.b/@c:d"),
        ("url", "https://u:p@a:65535/"),
        ("url", "https://" + "x" * 2040),
    ],
)
def test_a_value_is_accepted(kind: Any, value: object) -> None:
    assert value_violation(kind, value) is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("plain", ""),
        ("plain", "x" * 301),
        ("plain", 2**63),
        ("plain", -(2**63) - 1),
        ("plain", []),
        ("plain", ["a"] * 26),
        ("plain", ["a", ""]),
        ("plain", ["x" * 301]),
        ("plain", [1]),
        ("plain", ["a", None]),
        ("plain", [["a"]]),
        ("plain", {"a": 1}),
        ("plain", {}),
        ("date", 5),
        ("date", True),
        ("url", 5),
        ("url", ""),
        ("url", "example.com"),
        ("url", "/path"),
        ("url", "https://"),
        ("url", "mailto:a@b.co"),
        ("url", "https://a b"),
        ("url", "https://a\n"),
        ("url", "https://[::1"),
        ("url", "https://[::1]extra/"),
        ("url", "https://x[::1]/"),
        ("url", "https://[::1%eth0]/"),
        ("url", "https://[::1%25eth0]/"),
        ("url", "https://a\\b/"),
        ("url", "https://a:b:80/"),
        ("url", "https://[::1]]/"),
        ("url", "https://u[@a.b/"),
        ("url", "https://[x@::1]/"),
        ("url", "https://a.b:+80/"),
        ("url", "https://[1.2.3.4]/"),
        ("url", "https://user@/"),
        ("url", "https://[x/"),
        ("url", "http://%zz"),
        ("url", "https://a.co/\u200b"),
        ("url", "https://a.co/\x85"),
        ("url", "http://100%/"),
        ("url", "http://a<b/"),
        ("url", "http://a>b/"),
        ("url", "http://a|b"),
        ("url", "http://a^b"),
        ("url", "http://1.2.3.256/"),
        ("url", "http://1.2.3.4.5:80/"),
        ("url", "https://[x]/"),
        ("url", "https://a]/"),
        ("url", "https://@/"),
        ("url", "https://u:p@/"),
        ("url", "https://:80/"),
        ("url", "https://a:99999"),
        ("url", "https://a:65536"),
        ("url", "https://a:-1"),
        ("url", "https://a:b"),
        ("url", "https://" + "x" * 2041),
    ],
)
def test_a_value_is_refused(kind: Any, value: object) -> None:
    assert value_violation(kind, value)


@pytest.mark.parametrize("change", [{"$add": ["a"]}, {"$remove": ["a"]}, {"$add": ["a"], "$remove": ["b"]}])
def test_a_change_of_an_array_is_accepted(change: dict[str, Any]) -> None:
    assert change_violation(change) is None


@pytest.mark.parametrize(
    "change",
    [{}, {"$add": []}, {"$add": "a"}, {"$set": ["a"]}, {"$add": ["a"], "b": 1}, {"$add": ["a"] * 26}],
)
def test_a_change_of_an_array_is_refused(change: dict[str, Any]) -> None:
    assert change_violation(change)
