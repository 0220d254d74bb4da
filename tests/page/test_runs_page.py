"""The page of runs, in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.page.left_behind import HOSTILE, LAST, LONG
from tests.page.visiting import CONTRAST, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.page.visiting import Visit

ROWS = "document.querySelectorAll('#runs-list tr').length"


def test_runs_are_listed_with_how_they_ended(look: Visit) -> None:
    page = look.open("runs")
    until(page, f"{ROWS} === 25")
    badges = page.locator("#runs-list .badge").all_inner_texts()[:6]
    assert badges == ["Rejects", "Did not end", "Failed", "Succeeded, dry", "Stopped", "Succeeded"]
    tiles = dict(
        zip(
            page.locator("#tiles dt").all_inner_texts(),
            page.locator("#tiles dd").all_inner_texts(),
            strict=True,
        )
    )
    assert (tiles["Runs"], tiles["Failed"], tiles["Did not end"], tiles["Rejected"]) == ("60", "1", "1", "2")


def test_a_click_on_a_run_shows_reasons_with_examples_and_what_to_do(look: Visit) -> None:
    page = look.open("runs")
    page.locator("#runs-list tr").first.click()
    detail = page.locator("#run")
    detail.get_by_text(
        "Spared quota: merging saved 5,240 updates, 500 unchanged records were not sent."
    ).wait_for()
    detail.get_by_text("52,392", exact=True).wait_for()
    detail.get_by_text("Invalid email").click()
    detail.get_by_text("The value is not an e-mail address Batch takes").wait_for()
    detail.get_by_text("line 4 of the input, line 1 of the rejects").wait_for()
    detail.get_by_text("this delivers exactly what was refused").wait_for()
    assert f"{LAST}-customers.singer.jsonl" in detail.locator("pre").inner_text()
    page.reload()
    detail.get_by_text("Missing custom ID").wait_for()


def test_a_run_says_why_it_stopped_or_that_it_did_not_end(look: Visit) -> None:
    page = look.open("runs")
    page.locator("#runs-list tr", has_text="Failed").click()
    page.locator("#run").get_by_text("Batch does not answer: the state is held.").wait_for()
    page.locator("#runs-list tr", has_text="Did not end").click()
    page.locator("#run").get_by_text("It did not end: it was killed, or it is still at work.").wait_for()
    row = page.locator("#runs-list tr", has_text="dry")
    assert re.search(r"\(9\d\d\)", row.inner_text())
    row.click()
    page.locator("#run").get_by_text("A dry run: nothing was sent").wait_for()


def test_values_of_runs_are_shown_as_text_and_never_as_markup(look: Visit) -> None:
    page = look.open(f"runs/{LAST}")
    page.locator("#run").get_by_text(HOSTILE[1:]).first.wait_for()
    assert page.locator("main img").count() == 0


def test_search_and_filter_are_kept_in_the_address(look: Visit) -> None:
    page = look.open("runs")
    page.keyboard.press("/")
    page.keyboard.type("missing_custom")
    until(page, f"{ROWS} === 1")
    page.reload()
    until(page, f"{ROWS} === 1")
    assert page.get_by_label("Search runs").input_value() == "missing_custom"
    page.get_by_label("Search runs").fill("nowhere")
    page.get_by_text("60 runs, none matches “nowhere”.").wait_for()
    page.get_by_label("Search runs").fill("")
    page.get_by_label("Problems only").check()
    until(page, f"{ROWS} === 4")
    page.reload()
    until(page, f"{ROWS} === 4")
    assert page.get_by_label("Problems only").is_checked()


def test_the_keyboard_moves_opens_and_leaves(look: Visit) -> None:
    page = look.open("runs")
    until(page, f"{ROWS} === 25")
    page.keyboard.press("/")
    until(page, "document.activeElement.id === 'runs-search'")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator("#run").get_by_text("It did not end").wait_for()
    page.keyboard.press("Escape")
    until(page, "!document.getElementById('view-runs').classList.contains('chosen')")
    assert page.evaluate("document.activeElement.closest('tr').rowIndex") == 2


@pytest.mark.parametrize("look", ["light", "dark"], indirect=True)
def test_the_page_is_readable_in_light_and_dark(look: Visit, shots: Path) -> None:
    page = look.open(f"runs/{LAST}")
    page.locator("#run details summary").first.click()
    page.screenshot(
        path=shots / f"runs-{page.evaluate('matchMedia(`(prefers-color-scheme: dark)`).matches')}.png"
    )
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("width", [360, 390, 820])
def test_the_page_fits_a_narrow_window(look: Visit, width: int) -> None:
    look.page.set_viewport_size({"width": width, "height": 800})
    for view in ("runs", f"runs/{LAST}", "runs?search=nowhere"):
        page = look.open(view)
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
        assert page.evaluate(
            "(list => list.scrollWidth <= list.clientWidth)(document.querySelector('.list'))"
        )
    page = look.open(f"runs/{LAST}")
    page.locator("#run").get_by_text(LONG).first.wait_for()


def test_an_empty_or_unreadable_folder_is_explained(look: Visit) -> None:
    page = look.page
    empty = {"total": 0, "found": 0, "outcomes": {"failed": 0, "did_not_end": 0}, "totals": {}, "runs": []}
    page.route("**/_/runs?**", lambda route: route.fulfill(json=empty))
    look.open("runs")
    page.get_by_text("No run has left a line here yet.").wait_for()
    page.unroute("**/_/runs?**")
    page.route("**/_/runs?**", lambda route: route.fulfill(status=503, json={"error": "The folder is gone."}))
    page.get_by_text("The folder is gone.").wait_for()
    page.get_by_text("Cannot read the folder").wait_for()
    page.unroute("**/_/runs?**")
    page.get_by_text("Live", exact=True).wait_for()
    look.errors[:] = [text for text in look.errors if "503" not in text]
