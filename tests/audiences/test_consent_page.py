"""docs/consent.md, row by row: in which situation a consent is sent, by what the local Batch recorded."""

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


class Nights:
    """Runs over the same user, and whether the last one sent the consent."""

    def __init__(self, loader: Loader, consent: str) -> None:
        self.loader = loader
        self.loader.settings = {"skip_unchanged": True, "consent": consent}

    def __call__(self, consent: str | None, plan: str = "free", **settings: Any) -> bool:
        """Run, and return whether the consent went."""
        since = len(self.loader.batch.journal())
        found = self.loader.run(user(consent, plan), **settings)
        assert found.code == 0, found.log
        sent = self.loader.batch.journal()[since:]
        return any("$email_marketing" in line["attributes"] for line in sent)

    def with_a_fault(self, fault: dict[str, Any], consent: str, plan: str) -> None:
        """Run while Batch does something else than usual with the first request."""
        self.loader.batch.fault(fault, path="*/profiles/*", nth=[1])
        self(consent, plan)


def _aged(night: Nights) -> bool:
    night("yes")
    night.loader.age(60)
    consent_went = night("yes")
    assert night.loader.batch.journal()[-1]["attributes"] == {"plan": "free"}
    assert len(night.loader.batch.journal()) == 2, "the other attribute is sent for its age"
    return consent_went


def _refused(night: Nights) -> bool:
    night("yes")
    night.with_a_fault({"partial_errors": REFUSED}, "yes", "plus")
    return night("yes", "plus")


def _other_unanswered(night: Nights) -> bool:
    night("yes")
    night.with_a_fault(UNANSWERED, "yes", "plus")
    return night("yes", "plus")


def _unanswered(night: Nights) -> bool:
    night.with_a_fault(UNANSWERED, "yes", "free")
    return night("yes")


def _lost(night: Nights) -> bool:
    night("yes")
    (night.loader.folder / "work" / "ledger.db").unlink()
    return night("yes")


def _without(night: Nights) -> bool:
    night("yes", skip_unchanged=False)
    return night("yes", skip_unchanged=False)


SITUATIONS: dict[str, Any] = {
    "first load, the source says yes": lambda night: night("yes"),
    "first load, the source says no": lambda night: night("no"),
    "nothing changed": lambda night: (night("yes"), night("yes"))[1],
    "another column changed": lambda night: (night("yes"), night("yes", "plus"))[1],
    "the source changed from yes to no": lambda night: (night("yes"), night("no"))[1],
    "the source changed from no to yes": lambda night: (night("no"), night("yes"))[1],
    "the source became empty": lambda night: (night("no"), night(None))[1],
    "yes, and older than `unchanged_max_age_days`": _aged,
    "yes, and Batch refused another attribute of the row": _refused,
    "yes, and a request with another column got no answer": _other_unanswered,
    "yes, and the request that carried it got no answer": _unanswered,
    "yes, and the ledger was lost": _lost,
    "yes, without `skip_unchanged`, nothing changed": _without,
}


def test_the_page_has_each_situation_once() -> None:
    assert [row[0] for row in ROWS] == list(SITUATIONS)


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize(("consent", "column"), [("send", 1), ("unsubscribe_only", 2)])
def test_the_page_says_what_happens(loader: Loader, situation: str, consent: str, column: int) -> None:
    says = next(row[column] for row in ROWS if row[0] == situation)
    was_sent = SITUATIONS[situation](Nights(loader, consent))
    assert ("sent" if was_sent else "not sent") == says
