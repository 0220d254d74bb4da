"""Without a browser the page's tests are passed over with a reason, but never in CI."""

from __future__ import annotations

import pytest

from tests.page.browsers import missing


@pytest.mark.parametrize(("ci", "ending"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_missing_browser_is_a_failure_in_ci_alone(
    monkeypatch: pytest.MonkeyPatch, ci: str, ending: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(ending, match="no browser"):
        missing("no browser")
