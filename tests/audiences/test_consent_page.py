"""The table of docs/consent.md is true: each situation is run, and the local Batch shows what was sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from singer import STRING, record, schema, state

from tests.audiences.cohorts import DONE

if TYPE_CHECKING:
    from tests.audiences.cohorts import Loader

PAGE = Path(__file__).parents[2] / "docs" / "consent.md"
ROWS = re.findall(r"^\| (.+?) \| (sent|not sent) \| (sent|not sent) \|$", PAGE.read_text(), re.MULTILINE)
USERS = schema("users", dict.fromkeys(("user_id", "plan", "email_marketing"), STRING), ["user_id"])
REFUSED = {"errors": [{"bulk_index": 0, "reason": "INVALID", "category": "x", "attribute": "plan"}]}
UNANSWERED: dict[str, Any] = {"accept_then": {"delay": {"seconds": 0, "then": "reset"}}}


def user(consent: str | None, plan: str = "free") -> list[str]:
    """Make a stream of one user."""
    return [USERS, record("users", user_id="u1", plan=plan, email_marketing=consent), state(DONE)]


class Runs:
    """Runs of the same user; each call returns whether it sent the consent."""

    def __init__(self, loader: Loader, consent: str) -> None:
        self.loader = loader
        self.loader.settings = {"skip_unchanged": True, "consent": consent}

    def __call__(self, consent: str | None, plan: str = "free", **settings: Any) -> bool:
        """Run, and return whether the consent was sent."""
        since = len(self.loader.batch.journal())
        found = self.loader.run(user(consent, plan), **settings)
        assert found.code == 0, found.log
        sent = self.loader.batch.journal()[since:]
        return any("$email_marketing" in line["attributes"] for line in sent)

    def with_a_fault(self, fault: dict[str, Any], consent: str, plan: str) -> None:
        """Run with a fault of Batch at the first request."""
        self.loader.batch.fault(fault, path="*/profiles/*", nth=[1])
        self(consent, plan)


def _aged(run: Runs) -> bool:
    run("yes")
    run.loader.age(60)
    consent_was_sent = run("yes")
    assert run.loader.batch.journal()[-1]["attributes"] == {"plan": "free"}
    assert len(run.loader.batch.journal()) == 2, "the other attribute was sent because of its age"
    return consent_was_sent


def _refused(run: Runs) -> bool:
    run("yes")
    run.with_a_fault({"partial_errors": REFUSED}, "yes", "plus")
    return run("yes", "plus")


def _other_unanswered(run: Runs) -> bool:
    run("yes")
    run.with_a_fault(UNANSWERED, "yes", "plus")
    return run("yes", "plus")


def _unanswered(run: Runs) -> bool:
    run.with_a_fault(UNANSWERED, "yes", "free")
    return run("yes")


def _lost(run: Runs) -> bool:
    run("yes")
    (run.loader.folder / "work" / "ledger.db").unlink()
    return run("yes")


def _without(run: Runs) -> bool:
    run("yes", skip_unchanged=False)
    return run("yes", skip_unchanged=False)


SITUATIONS: dict[str, Any] = {
    "first load, the source says yes": lambda run: run("yes"),
    "first load, the source says no": lambda run: run("no"),
    "nothing changed": lambda run: (run("yes"), run("yes"))[1],
    "another column changed": lambda run: (run("yes"), run("yes", "plus"))[1],
    "the source changed from yes to no": lambda run: (run("yes"), run("no"))[1],
    "the source changed from no to yes": lambda run: (run("no"), run("yes"))[1],
    "the source became empty": lambda run: (run("no"), run(None))[1],
    "yes, and older than `unchanged_max_age_days`": _aged,
    "yes, and Batch refused another attribute of the row": _refused,
    "yes, and a request with another column got no answer": _other_unanswered,
    "yes, and the request that carried it got no answer": _unanswered,
    "yes, and the ledger was lost": _lost,
    "yes, without `skip_unchanged`, nothing changed": _without,
}


def test_the_page_lists_each_situation_once() -> None:
    assert [row[0] for row in ROWS] == list(SITUATIONS)


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize(("consent", "column"), [("send", 1), ("unsubscribe_only", 2)])
def test_a_consent_is_sent_exactly_when_the_page_says_so(
    loader: Loader, situation: str, consent: str, column: int
) -> None:
    says = next(row[column] for row in ROWS if row[0] == situation)
    was_sent = SITUATIONS[situation](Runs(loader, consent))
    assert ("sent" if was_sent else "not sent") == says
