"""The local Batch's page in a real browser: it shows what arrived, and works with mouse and keyboard."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.page.visiting import CONTRAST, call, until

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch
    from playwright.sync_api import Page

    from tests.page.visiting import Visit

HOSTILE = "<img src=x onerror=alert(1)>"
SCHEMES = ("light", "dark")


def fill(server: LocalBatch) -> None:
    """Let 60 profiles, some events, an audience, a refusal and a wrong call arrive."""
    now = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    event = {"name": "order_completed", "time": now, "attributes": {"total": 12.5, "$label": HOSTILE}}
    entries: list[dict[str, Any]] = [
        {
            "identifiers": {"custom_id": f"u{number:03}"},
            "attributes": {"$email_address": f"u{number:03}@example.com", "plan": "pro", "visits": number},
        }
        for number in range(60)
    ]
    entries[1]["events"] = [event, {**event, "name": "page_viewed"}]
    entries[2]["attributes"] = {"note": HOSTILE, "date(born)": "1990-02-03T00:00:00Z", "tags": ["a", "b"]}
    entries[3]["attributes"] |= {"$email_address": "nonsense"}
    assert call(server, "POST", "/profiles/update", entries).status_code == 202
    assert call(server, "POST", "/profiles/update", {"not": "a list"}).status_code == 400
    create = {"name": "big_spenders", "type": "custom_ids", "display_name": "Big spenders"}
    call(server, "POST", "/audiences/create", create)
    members = [{"action": "add", "id": f"u{number:03}"} for number in range(55)]
    call(server, "POST", "/audiences/update", {"name": "big_spenders", "ids": members})


def texts(page: Page, selector: str) -> list[str]:
    """Return the texts of all elements."""
    return page.locator(selector).all_inner_texts()


def test_what_arrived_is_counted_at_the_top(visit: Visit, server: LocalBatch) -> None:
    fill(server)
    page = visit.open()
    until(page, "document.querySelector('#tiles dd').textContent === '60'")
    tiles = dict(zip(texts(page, "#tiles dt"), texts(page, "#tiles dd"), strict=True))
    assert tiles["Profiles"] == "60"
    assert tiles["Events"] == "2"
    assert tiles["Audiences"] == "1"
    assert tiles["Members"] == "55"
    assert tiles["Failed requests"] == "1"
    assert tiles["Partial errors"] == "1"


def test_requests_show_status_size_and_partial_errors(visit: Visit, server: LocalBatch) -> None:
    fill(server)
    page = visit.open("requests")
    rows = page.locator("#requests-list tr")
    rows.nth(3).wait_for()
    shown = [row.split("\t") for row in rows.all_inner_texts()]
    updates = [row for row in shown if "/profiles/update" in row[2]]
    assert [row[3] for row in updates] == ["400", "202"]
    assert updates[1][4:6] == ["60", "1"]
    assert re.fullmatch(r"[\d.]+ k?B", updates[1][6])
    page.get_by_label("Problems only").check()
    until(page, "document.querySelectorAll('#requests-list tr').length === 2")


def test_the_list_of_requests_can_be_paused(visit: Visit, server: LocalBatch) -> None:
    fill(server)
    page = visit.open("requests")
    page.locator("#requests-list tr").first.wait_for()
    page.get_by_role("button", name="Pause").click()
    before = page.locator("#requests-list tr").count()
    fill(server)
    page.wait_for_timeout(1500)
    assert page.locator("#requests-list tr").count() == before
    page.get_by_role("button", name="Paused").click()
    until(page, f"document.querySelectorAll('#requests-list tr').length > {before}")


def test_a_profile_is_found_and_shown_with_attributes_and_events(visit: Visit, server: LocalBatch) -> None:
    fill(server)
    page = visit.open("profiles")
    page.get_by_label("Search profiles").fill("u001@example")
    until(page, "document.querySelectorAll('#profiles-list li').length === 1")
    page.get_by_role("link", name="u001").click()
    page.get_by_role("heading", name="u001").wait_for()
    rows = [tuple(row.split("\t")) for row in texts(page, "#profile tbody tr")]
    assert ("E-mail address", "u001@example.com") in {(row[0], row[2]) for row in rows}
    assert ("visits", "1") in {(row[0], row[2]) for row in rows}
    assert texts(page, "#profile .events strong") == ["page_viewed", "order_completed"]
    assert '"total": 12.5' in page.locator("#profile .events").inner_text()


def test_profiles_come_page_by_page(visit: Visit, server: LocalBatch) -> None:
    fill(server)
    page = visit.open("profiles")
    page.get_by_text(re.compile("1.25 of 60")).wait_for()
    page.get_by_role("button", name="Next").click()
    page.get_by_text(re.compile("26.50 of 60")).wait_for()
    page.get_by_role("button", name="Next").click()
    page.get_by_text(re.compile("51.60 of 60")).wait_for()
    assert page.get_by_role("button", name="Next").is_disabled()


def test_an_address_leads_straight_to_a_profile(visit: Visit, server: LocalBatch) -> None:
    """A link can be kept or sent, for any characters in the ID."""
    entry = {"identifiers": {"custom_id": "a/b?c#d %"}, "attributes": {"plan": "pro"}}
    call(server, "POST", "/profiles/update", [entry])
    page = visit.open("profiles")
    page.get_by_role("link", name="a/b?c#d %").click()
    page.get_by_role("heading", name="a/b?c#d %").wait_for()
    page.reload()
    page.get_by_role("heading", name="a/b?c#d %").wait_for()


def test_received_values_are_shown_as_text_and_never_as_markup(visit: Visit, server: LocalBatch) -> None:
    fill(server)
    call(
        server, "POST", "/profiles/update", [{"identifiers": {"custom_id": HOSTILE}, "attributes": {"a": 1}}]
    )
    page = visit.open("profiles/u002")
    page.get_by_role("cell", name=HOSTILE).wait_for()
    page.get_by_label("Search profiles").fill("img")
    page.get_by_role("link", name=HOSTILE).wait_for()
    assert page.locator("main img").count() == 0
    page = visit.open(f"requests?search={quote(HOSTILE)}")
    page.locator("#requests-list tr").first.click()
    page.locator("#request pre", has_text=HOSTILE).first.wait_for(state="attached")
    assert page.locator("main img").count() == 0


def test_an_audience_shows_members_and_the_state_of_its_index(visit: Visit, server: LocalBatch) -> None:
    fill(server)
    server.post("settings", {"index_seconds": 4})
    late = {"name": "big_spenders", "ids": [{"action": "add", "id": "late"}]}
    page = visit.open("audiences")
    page.get_by_role("link", name="Big spenders").click()
    page.get_by_role("heading", name="Big spenders").wait_for()
    page.get_by_text(re.compile("1.50 of 55")).wait_for()
    assert page.locator("#audience .badge").first.inner_text() == "Indexed"
    call(server, "POST", "/audiences/update", late)
    page.locator("#audience").get_by_text("Indexing", exact=True).wait_for()
    page.get_by_text("Waiting for the index: change, 1 member").wait_for()
    page.locator("#audience").get_by_text("Indexed", exact=True).wait_for()
    page.locator("#audience").get_by_text("56 members").wait_for()


def test_rates_are_drawn_live_against_the_limits(visit: Visit, server: LocalBatch) -> None:
    """Bars show accepted and refused calls, a line shows the limit, and a label says the same in words."""
    page = visit.open("rates")
    server.post("settings", {"rates": True})
    codes = [call(server, "GET", "/audiences/list", None).status_code for _ in range(4)]
    assert 429 in codes
    chart = page.locator("section.chart", has=page.get_by_role("heading", name="Everything else"))
    chart.wait_for()
    label = chart.get_by_role("img")
    until(
        page,
        "[...document.querySelectorAll('section.chart svg')].some("
        "svg => /limit 1, [1-9]\\d* refused/.test(svg.getAttribute('aria-label')))",
    )
    assert "limit 1" in str(label.get_attribute("aria-label"))
    high = "bars => bars.some(bar => Number(bar.getAttribute('height')) > 0)"
    assert chart.locator("rect.used").evaluate_all(high)
    assert chart.locator("rect.refused").evaluate_all(high)


def test_faults_are_switched_by_keyboard_alone(visit: Visit, server: LocalBatch) -> None:
    """The keyboard reaches the tab, adds a ready-made fault, switches it off and removes it."""
    page = visit.open()
    page.locator("#tab-requests").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.get_by_role("heading", name="Faults").wait_for()
    tab_to(page, "Maintenance (503)")
    page.keyboard.press("Enter")
    page.get_by_role("switch").wait_for()
    tab_to(page, "Fault", back=True)
    assert call(server, "POST", "/profiles/update", []).status_code == 503
    page.keyboard.press("Space")
    until(page, "document.querySelector('[role=switch]').getAttribute('aria-checked') === 'false'")
    assert call(server, "POST", "/profiles/update", []).status_code != 503
    assert focused(page).startswith("Fault")
    page.keyboard.press("Tab")
    assert focused(page).startswith("Remove fault")
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('#faults-list li').length === 0")
    assert focused(page) != ""


def test_a_custom_rule_is_added_and_a_wrong_one_is_reported(visit: Visit, server: LocalBatch) -> None:
    page = visit.open("faults")
    page.get_by_label("A rule of your own").fill('{"do": "nonsense"}')
    page.get_by_role("button", name="Add the rule").click()
    until(page, "document.getElementById('fault-message').textContent !== ''")
    page.get_by_label("A rule of your own").fill('{"name": "mine", "do": {"answer": {"status": 503}}}')
    page.get_by_role("button", name="Add the rule").click()
    page.get_by_role("switch", name="mine").wait_for()
    assert server.get("faults")["faults"][0]["name"] == "mine"
    visit.errors[:] = [text for text in visit.errors if "400" not in text]


def test_everything_is_forgotten_only_after_a_confirmation(visit: Visit, server: LocalBatch) -> None:
    fill(server)
    page = visit.open("faults")
    page.get_by_role("button", name="Forget everything").first.click()
    page.keyboard.press("Escape")
    assert server.summary()["profiles"] == 60
    page.get_by_role("button", name="Forget everything").first.click()
    page.locator("dialog").get_by_role("button", name="Forget everything").click()
    until(page, "document.querySelector('#tiles dd').textContent === '0'")
    assert server.summary()["profiles"] == 0


def test_the_page_refreshes_by_itself_and_keeps_focus_and_text(visit: Visit, server: LocalBatch) -> None:
    fill(server)
    page = visit.open("profiles")
    box = page.get_by_label("Search profiles")
    box.fill("u00")
    box.press("Home")
    box.press("ArrowRight")
    until(page, "document.querySelectorAll('#profiles-list li').length === 10")
    entry = {"identifiers": {"custom_id": "u00-new"}, "attributes": {"plan": "pro"}}
    call(server, "POST", "/profiles/update", [entry])
    page.get_by_role("link", name="u00-new").wait_for()
    assert page.evaluate("document.activeElement.id") == "profiles-search"
    assert page.evaluate("document.activeElement.selectionStart") == 1
    link = page.get_by_role("link", name="u005")
    link.focus()
    call(server, "POST", "/profiles/update", [{**entry, "attributes": {"plan": "free"}}])
    page.wait_for_timeout(2200)
    assert focused(page).startswith("u005")


def test_the_page_says_when_the_local_batch_does_not_answer(visit: Visit, server: LocalBatch) -> None:
    page = visit.open()
    page.route("**/_/**", lambda route: route.abort())
    page.get_by_text("Does not answer").wait_for()
    page.unroute("**/_/**")
    page.get_by_text("Live", exact=True).wait_for()
    visit.errors.clear()
    assert server.summary()["profiles"] == 0


@pytest.mark.parametrize("visit", SCHEMES, indirect=True)
@pytest.mark.parametrize(
    "view", ["requests", "profiles/u001", "audiences/project/big_spenders", "rates", "faults"]
)
def test_every_view_is_readable_in_light_and_dark(
    visit: Visit, server: LocalBatch, view: str, shots: Path
) -> None:
    """Text has a contrast of 4.5 to 1 to its background (WCAG AA), except in disabled controls."""
    fill(server)
    server.fault({"answer": {"status": 503}}, path="*/nothing")
    page = visit.open(view)
    page.wait_for_timeout(1200)
    scheme = "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
    page.screenshot(path=shots / f"{view.partition('/')[0]}-{scheme}.png")
    poor = page.evaluate(CONTRAST)
    assert poor == []


@pytest.mark.parametrize("width", [360, 820])
def test_the_page_fits_a_narrow_window(visit: Visit, server: LocalBatch, width: int, shots: Path) -> None:
    fill(server)
    visit.page.set_viewport_size({"width": width, "height": 800})
    for view in ("requests", "profiles/u001", "audiences/project/big_spenders", "rates", "faults"):
        page = visit.open(view)
        page.wait_for_timeout(300)
        page.screenshot(path=shots / f"{view.partition('/')[0]}-{width}.png")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view


def test_the_name_of_an_event_stays_on_one_line_in_a_narrow_window(visit: Visit, server: LocalBatch) -> None:
    fill(server)
    visit.page.set_viewport_size({"width": 390, "height": 800})
    page = visit.open("profiles/u001")
    name = page.locator("#profile .events strong", has_text="order_completed")
    box = name.bounding_box()
    assert box is not None
    assert box["height"] < 30


def test_the_name_of_a_fault_has_the_width_of_a_narrow_window(visit: Visit, server: LocalBatch) -> None:
    server.script([{"name": "down for a while", "do": {"delay": 0}}])
    visit.page.set_viewport_size({"width": 390, "height": 800})
    page = visit.open("faults")
    box = page.locator(".faults .name", has_text="down for a while").bounding_box()
    assert box is not None
    assert (box["width"] > 200, box["height"] < 30) == (True, True)


def test_a_request_that_never_came_is_reported_as_unknown(visit: Visit) -> None:
    page = visit.page
    page.goto(f"{visit.url}/#/requests/99")
    page.get_by_text("Request 99 is not here").wait_for()
    visit.errors.clear()


def focused(page: Page) -> str:
    """Return the name of the focused element."""
    name: str = page.evaluate(
        "document.activeElement.getAttribute('aria-label') || document.activeElement.innerText || ''"
    )
    return name.strip()


def tab_to(page: Page, name: str, *, back: bool = False) -> None:
    """Press Tab until an element whose name begins with `name` has the focus."""
    for _ in range(40):
        if focused(page).startswith(name):
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
    pytest.fail(f"the keyboard does not reach {name!r}")
