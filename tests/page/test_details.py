"""The local Batch's page: details of a request, a profile and an audience, and the links between them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.page.visiting import call, until

if TYPE_CHECKING:
    from local_batch import LocalBatch
    from playwright.sync_api import Page

    from tests.page.visiting import Visit

LONG = "an-identifier-" + "x" * 300


def entry(custom_id: str, **attributes: Any) -> dict[str, Any]:
    return {"identifiers": {"custom_id": custom_id}, "attributes": attributes}


def fill(server: LocalBatch) -> None:
    """Let 40 profiles arrive, one with a value that is refused, and an audience of them."""
    entries = [entry(f"u{n:03}", **{"$email_address": f"p{n}@example.com"}) for n in range(40)]
    entries[25]["attributes"] = {"$email_address": "nonsense"}
    call(server, "POST", "/profiles/update", entries)
    create = {"name": "big_spenders", "type": "custom_ids", "display_name": "Big spenders"}
    call(server, "POST", "/audiences/create", create)
    members = [{"action": "add", "id": f"u{n:03}"} for n in range(40)]
    call(server, "POST", "/audiences/update", {"name": "big_spenders", "ids": members})


def test_a_click_on_a_request_shows_body_answer_and_each_partial_error(
    visit: Visit, server: LocalBatch
) -> None:
    fill(server)
    page = visit.open("requests")
    page.get_by_role("cell", name="40", exact=True).first.wait_for()
    page.locator("#requests-list tr", has_text="Update profiles").click()
    detail = page.locator("#request")
    detail.get_by_text("SUCCESS_WITH_PARTIAL_ERRORS").wait_for()
    detail.get_by_text("202 Accepted").wait_for()
    detail.get_by_text("u003", exact=True).click()
    detail.get_by_text('"$email_address": "p3@example.com"').wait_for()
    detail.get_by_label("With partial errors only (1)").check()
    detail.get_by_text("E-mail address: an e-mail address is expected").wait_for()
    assert detail.locator("details").count() == 1
    detail.get_by_text('"nonsense"').wait_for()
    page.reload()
    detail.get_by_text('"nonsense"').wait_for()
    assert detail.locator("details").count() == 1
    detail.get_by_role("link", name="Open the profile").click()
    page.get_by_role("heading", name="u025").wait_for()
    page.get_by_role("link", name="Back to the request").click()
    detail.get_by_text('"nonsense"').wait_for()
    detail.get_by_role("link", name="All requests").click()
    page.get_by_role("link", name="Update profiles").click()
    detail.get_by_text("SUCCESS_WITH_PARTIAL_ERRORS").wait_for()


def test_a_member_links_to_their_profile_which_links_back(visit: Visit, server: LocalBatch) -> None:
    fill(server)
    page = visit.open("audiences/project/big_spenders")
    page.get_by_label("Search members").fill("u00")
    page.get_by_role("link", name="u007").click()
    page.get_by_role("heading", name="u007").wait_for()
    page.get_by_role("link", name="Big spenders").wait_for()
    page.get_by_role("link", name="Back to the audience").click()
    page.get_by_role("heading", name="Big spenders").wait_for()
    until(page, "document.querySelector('[aria-controls=members-list]').value === 'u00'")
    until(page, "document.querySelectorAll('#members-list li').length === 10")
    page.go_back()
    page.get_by_role("heading", name="u007").wait_for()


def test_the_email_address_is_shown_beside_an_opaque_id(visit: Visit, server: LocalBatch) -> None:
    fill(server)
    page = visit.open("profiles")
    page.get_by_role("link", name=re.compile("u001.*p1@example.com", re.DOTALL)).wait_for()
    page = visit.open("audiences/project/big_spenders")
    page.get_by_role("link", name=re.compile("u001.*p1@example.com", re.DOTALL)).wait_for()


@pytest.mark.parametrize(
    ("view", "label", "text", "left"),
    [
        ("profiles", "Search profiles", "p1@", "#profiles-list li"),
        ("requests", "Search requests", "audiences/create", "#requests-list tr"),
        ("audiences", "Search audiences", "spend", "#audiences-list li"),
    ],
)
def test_a_search_survives_a_reload_and_a_change_of_tabs(
    visit: Visit, server: LocalBatch, view: str, label: str, text: str, left: str
) -> None:
    fill(server)
    call(server, "POST", "/audiences/create", {"name": "b", "type": "custom_ids", "display_name": "B"})
    page = visit.open(view)
    page.get_by_label(label).fill(text)
    expected = 2 if view == "requests" else 1
    until(page, f"document.querySelectorAll('{left}').length === {expected}")
    page.reload()
    until(page, f"document.querySelectorAll('{left}').length === {expected}")
    assert page.get_by_label(label).input_value() == text
    page.get_by_role("tab", name="Rates").click()
    page.get_by_role("tab", name=view.capitalize()).click()
    assert page.get_by_label(label).input_value() == text


def test_the_keyboard_searches_moves_opens_and_leaves(visit: Visit, server: LocalBatch) -> None:
    fill(server)
    page = visit.open("profiles")
    page.get_by_role("link", name="u001").wait_for()
    page.keyboard.press("/")
    until(page, "document.activeElement.id === 'profiles-search'")
    page.keyboard.type("u01")
    until(page, "document.querySelectorAll('#profiles-list li').length === 10")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert focused(page) == "u011"
    page.keyboard.press("ArrowUp")
    assert focused(page) == "u010"
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="u010").wait_for()
    page.keyboard.press("Escape")
    page.get_by_text("Choose a profile.").wait_for()
    assert focused(page) == "u010"
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "profiles-search"
    page.keyboard.press("Escape")
    until(page, "document.querySelectorAll('#profiles-list li').length === 25")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") != "profiles-search"


@pytest.mark.parametrize(("chosen", "reached"), [("", "u000"), ("/u002", "u003")])
def test_arrow_keys_begin_in_the_list_if_nothing_has_the_focus(
    visit: Visit, server: LocalBatch, chosen: str, reached: str
) -> None:
    """They begin at its first line, or after the one that the address has opened."""
    fill(server)
    page = visit.open(f"profiles{chosen}")
    page.locator("#profiles-list").get_by_role("link", name="u001").wait_for()
    page.keyboard.press("ArrowDown")
    assert focused(page) == reached


def test_a_slash_typed_into_a_field_does_not_open_the_search(visit: Visit, server: LocalBatch) -> None:
    fill(server)
    page = visit.open("faults")
    page.get_by_label("A rule of your own").fill("a")
    page.get_by_label("A rule of your own").press("/")
    assert page.get_by_label("A rule of your own").input_value() == "a/"


def test_empty_lists_say_why_they_are_empty(visit: Visit, server: LocalBatch) -> None:
    page = visit.open("requests")
    page.get_by_text("No requests yet. Set api_url to").wait_for()
    page = visit.open("profiles")
    page.get_by_text("No profiles yet.").wait_for()
    call(server, "GET", "/audiences/list", None)
    page.get_by_text("No profiles, after 1 request.").wait_for()
    page = visit.open("requests")
    page.get_by_label("Problems only").check()
    page.get_by_text("1 request, none with problems.").wait_for()
    call(server, "POST", "/profiles/update", [entry("u1", plan="pro")])
    page = visit.open("profiles?search=zzz")
    page.get_by_text("1 profile, none matches “zzz”.").wait_for()
    page = visit.open("audiences")
    page.get_by_text("No audiences, after 2 requests.").wait_for()
    page = visit.open("profiles/stranger")
    page.get_by_text("Profile “stranger” not found.").wait_for()
    visit.open("rates").get_by_role("heading", name="Everything else").wait_for()
    visit.errors[:] = [text for text in visit.errors if "404" not in text]


def test_ten_thousand_profiles_and_sixty_events_come_in_pages(visit: Visit, server: LocalBatch) -> None:
    for start in range(0, 10_000, 1_000):
        entries = [entry(f"u{n:05}", visits=n) for n in range(start, start + 1_000)]
        assert call(server, "POST", "/profiles/mass-update", entries).status_code == 202
    for batch in range(4):
        events = [{"name": f"event_{batch * 15 + n:02}"} for n in range(15)]
        sent = [{"identifiers": {"custom_id": "u00000"}, "events": events}]
        assert call(server, "POST", "/profiles/update", sent).status_code == 202
    page = visit.open("profiles/u00000?from=9975")
    page.get_by_text(re.compile("9,976.10,000 of 10,000")).wait_for()
    detail = page.locator("#profile")
    detail.get_by_text(re.compile("1.20 of 60")).wait_for()
    assert detail.locator(".events strong").first.inner_text() == "event_59"
    detail.get_by_role("button", name="Next").click()
    detail.get_by_text(re.compile("21.40 of 60")).wait_for()
    assert detail.locator(".events strong").first.inner_text() == "event_39"
    assert detail.locator(".events li").count() == 20
    page.reload()
    detail.get_by_text(re.compile("21.40 of 60")).wait_for()
    assert page.locator("#profiles-list li").count() == 25


def test_at_390_pixels_tabs_status_and_details_are_in_view(visit: Visit, server: LocalBatch) -> None:
    fill(server)
    call(server, "POST", "/profiles/update", [entry(LONG, note="x" * 300)])
    long = {"name": "n" * 200, "type": "custom_ids", "display_name": "A label " * 20}
    call(server, "POST", "/audiences/create", long)
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    visit.open("requests")
    page.locator("#requests-list tr").first.wait_for()
    for tab in page.get_by_role("tab").all():
        assert in_view(page, tab.bounding_box())
    assert in_view(page, page.locator("#requests-list .badge").first.bounding_box())
    page.locator("#requests-list tr").first.click()
    heading = page.locator("#request h2")
    heading.wait_for()
    assert in_view(page, heading.bounding_box())
    for view in (
        f"profiles/{LONG}",
        "profiles",
        "audiences",
        f"audiences/project/{long['name']}",
        "requests/1",
    ):
        visit.open(view)
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
    page.keyboard.press("Escape")
    page.locator("#requests-list tr").first.wait_for()


def test_a_long_name_is_cut_and_its_full_text_is_available(visit: Visit, server: LocalBatch) -> None:
    call(server, "POST", "/profiles/update", [entry(LONG)])
    page = visit.open("profiles")
    item = page.locator("#profiles-list a")
    item.wait_for()
    assert item.get_attribute("title") == LONG
    assert item.locator(".name").evaluate("name => name.scrollWidth > name.clientWidth")
    item.click()
    assert page.get_by_role("heading", name=LONG).evaluate("name => name.scrollWidth <= name.clientWidth")


def focused(page: Page) -> str:
    """Return the first line of the focused element."""
    text: str = page.evaluate("document.activeElement.innerText")
    return text.partition("\n")[0]


def in_view(page: Page, box: Any) -> bool:
    """Return whether a box lies within the window's width and begins within its height."""
    assert page.viewport_size is not None
    width, height = page.viewport_size["width"], page.viewport_size["height"]
    return bool(box["x"] >= 0 and box["x"] + box["width"] <= width and 0 <= box["y"] < height)
