"""The documented rates."""

import json
import time
from typing import Any

import pytest

from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.clock import Clock
from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.gateway import respond
from target_batch.sandbox.rates import BUDGETS, Rates

HEADERS = [
    (b"authorization", b"Bearer k"),
    (b"x-batch-project", b"p"),
    (b"content-type", b"application/json"),
]


def admitted(calls: list[tuple[float, int]], endpoint: str) -> list[bool]:
    """Make calls at these seconds with so many custom IDs; return which were let through."""
    rates = Rates(enforced=True)
    return [rates.admit("project:p", endpoint, units, 100.0 + at) for at, units in calls]


@pytest.mark.parametrize(
    ("endpoint", "calls", "verdicts"),
    [
        ("profiles/update", [(0, 200)] * 5 + [(0, 1)], [True] * 5 + [True]),
        ("profiles/update", [(0, 200)] * 5 + [(0, 7)], [True] * 5 + [False]),
        ("profiles/update", [(0, 200)] * 5 + [(0.5, 150)], [True] * 6),
        ("profiles/update", [(0, 200)] * 5 + [(0.5, 160)], [True] * 5 + [False]),
        ("profiles/update", [(0, 200)] * 5 + [(60, 200)] * 6, [True] * 10 + [False]),
        ("profiles/mass-update", [(0, 10_000), (0.98, 10_000)], [True, False]),
        ("profiles/mass-update", [(0, 10_000), (0.991, 10_000)], [True, True]),
        ("profiles/mass-update", [(0, 10_000), (0.5, 5_000), (1.5, 5_000)], [True, False, True]),
        ("profiles/mass-update", [(0, 10_000), (0.5, 1), (1.2, 1), (1.5, 1)], [True, False, False, True]),
        ("profiles/update", [(0, 200)] * 5 + [(0, 7), (0.9, 1), (1, 1)], [True] * 5 + [False, False, True]),
        ("profiles/mass-update", [(n * 0.2, 2_500) for n in range(5)], [True] * 4 + [False]),
        ("profiles/mass-update", [(n * 0.25, 2_500) for n in range(40)], [True] * 40),
        ("profiles/mass-update", [(0, 6_000), (5, 6_000), (5.1, 4_000), (5.2, 1)], [True] * 3 + [False]),
        ("audiences/list", [(0, 0), (0.5, 0), (1, 0), (1.5, 0)], [True, False, False, True]),
        ("audiences/list", [(0, 0), (0.991, 0), (1.5, 0)], [True, True, False]),
        ("app/view", [(0, 0), (0.98, 0)], [True, False]),
    ],
)
def test_a_bucket_lets_through_what_the_rate_allows(
    endpoint: str, calls: list[tuple[float, int]], verdicts: list[bool]
) -> None:
    assert admitted(calls, endpoint) == verdicts


def test_the_tolerance_does_not_raise_the_mean_rate() -> None:
    calls = [(n * 0.991, 0) for n in range(1000)]
    assert sum(admitted(calls, "audiences/list")) <= 991


def test_no_second_holds_more_than_the_rate_and_the_peak_shows_it() -> None:
    rates = Rates(enforced=True)
    for n in range(500):
        rates.admit("project:p", "profiles/mass-update", 2_500, 100 + n * 0.1)
    usage = rates.usage["profiles/mass-update"]
    assert usage.peak == 10_000
    assert 350_000 <= usage.total <= 370_000, "four calls, then a second's pause"


def test_peaks_are_those_of_one_project() -> None:
    rates = Rates(enforced=True)
    assert all(rates.admit(f"project:{p}", "profiles/mass-update", 10_000, 1.0) for p in "ab")
    usage = rates.usage["profiles/mass-update"]
    assert (usage.peak, usage.total) == (10_000, 20_000)


def test_a_call_that_arrived_earlier_but_ended_later_counts_as_simultaneous() -> None:
    rates = Rates(enforced=True)
    assert rates.admit("project:p", "profiles/mass-update", 6_000, 10.0)
    assert not rates.admit("project:p", "profiles/mass-update", 6_000, 9.0)


def test_every_endpoint_without_a_rate_of_its_own_shares_one() -> None:
    rates = Rates(enforced=True)
    assert rates.admit("project:p", "audiences/list", 0, 1.0)
    assert not rates.admit("project:p", "audiences/update", 500, 1.0)
    assert rates.admit("project:p", "profiles/update", 200, 1.0)


def test_projects_and_apps_have_budgets_of_their_own() -> None:
    rates = Rates(enforced=True)
    assert all(rates.admit(owner, "x", 0, 1.0) for owner in ("project:a", "project:b", "app-1"))
    assert rates.usage["default"].total == 2
    assert rates.usage["app-1"].total == 1


def test_without_enforcement_everything_passes_and_is_counted() -> None:
    rates = Rates(enforced=False)
    assert all(rates.admit("project:p", "audiences/list", 0, 1.0) for _ in range(5))
    assert (rates.usage["default"].total, rates.usage["default"].peak) == (5, 5)


def test_the_peak_is_that_of_any_window_of_one_second() -> None:
    rates = Rates(enforced=False)
    for at, units in ((0.0, 100), (0.9, 100), (1.0, 100), (1.1, 100), (5.0, 150)):
        rates.admit("project:p", "profiles/update", units, 10 + at)
    assert rates.usage["profiles/update"].peak == 300


def test_the_history_shows_the_last_two_minutes_second_by_second() -> None:
    rates = Rates(enforced=True)
    rates.admit("project:p", "profiles/update", 150, 100.0)
    rates.admit("project:p", "profiles/update", 200, 219.0)
    for _ in range(6):
        rates.admit("project:p", "profiles/update", 200, 219.5)
    used, refused = rates.usage["profiles/update"].history(219.9)
    assert (used[0], used[-1], refused[-1]) == (150, 1000, 400)
    used, _ = rates.usage["profiles/update"].history(220.0)
    assert (used[0], used[-2], used[-1]) == (0, 1000, 0)


def test_the_budgets_are_the_documented_ones() -> None:
    assert {name: budget[1:] for name, budget in BUDGETS.items()} == {
        "profiles/update": (300, 1000),
        "profiles/mass-update": (10_000, 10_000),
        "default": (1, 1),
    }


def test_a_burst_of_mass_updates_is_refused_and_the_peak_is_what_was_let_through() -> None:
    now = 1000.0
    batch = LocalBatch(clock=Clock(lambda: 1.7e9, lambda: now))
    entries = [{"identifiers": {"custom_id": f"u{n}"}} for n in range(2_500)]

    def send() -> int:
        body = json.dumps(entries).encode()
        path = "/2.11/profiles/mass-update"
        call = Exchange(1, "POST", path, b"", HEADERS, batch.clock.wall(), batch.clock.steady(), body)
        return respond(batch, call).status

    statuses = []
    for step in range(10):
        now = 1000.0 + step * 0.1
        statuses.append(send())
    assert statuses == [202] * 4 + [429] * 6
    now = 1001.0
    assert send() == 429, "more calls keep failing for a while"
    now = 1001.4
    assert send() == 202
    usage = batch.rates.usage["profiles/mass-update"]
    assert (usage.total, usage.peak) == (12_500, 10_000)


def test_a_call_above_the_rate_is_answered_429_and_not_applied(server: Any) -> None:
    server.post("settings", {"rates": True})
    entries = [{"identifiers": {"custom_id": f"u{n}"}} for n in range(200)]
    statuses = [server.update(entries).status_code for _ in range(8)]
    assert statuses[:5] == [202] * 5
    assert 429 in statuses
    assert server.project("GET", "list").status_code == 200
    response = server.project("GET", "list")
    assert response.status_code == 429
    assert set(response.json()) == {"error_code", "error_message"}
    assert "retry-after" not in response.headers
    time.sleep(1)
    assert server.project("GET", "list").status_code == 200
    assert server.get("summary")["entries"] == 200 * statuses.count(202)
