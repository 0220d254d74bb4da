"""Without a browser the page's tests are skipped with a reason, but never where one is required (in CI)."""

from __future__ import annotations

import pytest

from tests.page.browsers import missing


@pytest.mark.parametrize(
    ("browser", "ending"), [("", pytest.skip.Exception), ("required", pytest.fail.Exception)]
)
def test_a_missing_browser_is_a_failure_where_one_is_required(
    monkeypatch: pytest.MonkeyPatch, browser: str, ending: type[BaseException]
) -> None:
    monkeypatch.setenv("BROWSER", browser)
    with pytest.raises(ending, match="no browser"):
        missing("no browser")
