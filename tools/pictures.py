"""Take the pictures that README and docs show: two nights of a shop, loaded into a local Batch for real.

python -m tools.pictures
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import requests
from playwright.sync_api import sync_playwright

from demo.local_batch import local_batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Browser

FOLDER: Final = Path(__file__).resolve().parents[1] / "docs" / "images"
LARGEST: Final = 150_000
"""Bytes that a picture may have."""
SIZE: Final[Any] = {"width": 1080, "height": 800}
SEED: Final = 20_260_115
FIRST: Final = (
    "Ada",
    "Bruno",
    "Chloe",
    "Dario",
    "Emma",
    "Farid",
    "Grete",
    "Hugo",
    "Ines",
    "Jonas",
    "Karla",
    "Louis",
)
LAST: Final = ("Martin", "Rossi", "Keller", "Dubois", "Novak", "Jensen", "Costa", "Weber", "Silva", "Moreau")
PLANS: Final = ("free", "plus", "family", "business")
TEXT: Final = {"type": ["string", "null"]}
PARTIAL_ERRORS: Final = [
    {
        "category": "attribute",
        "bulk_index": 2,
        "reason": "the attribute has another type",
        "attribute": "plan",
    },
    {
        "category": "attribute",
        "bulk_index": 7,
        "reason": "the attribute has another type",
        "attribute": "plan",
    },
]
"""Partial errors of one answer, as when an attribute had another type before."""
SETTINGS: Final[dict[str, Any]] = {
    "rest_api_key": "any-key",
    "project_key": "project_local",
    "max_retry_seconds": 2,
    "streams": {
        "customers": {"kind": "profiles", "custom_id": "customer_id"},
        "orders": {
            "kind": "events",
            "custom_id": "customer_id",
            "event": "order_completed",
            "time": "ordered_at",
        },
        "cohorts": {"kind": "audiences", "custom_id": "customer_id", "audience_property": "cohort"},
    },
}


def main() -> None:
    """Load the data and take the pictures."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        sys.exit("There is no Chromium: install your system's package `chromium`.")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        work = Path(name)
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        with local_batch(work) as batch:
            refused = load(work, batch.url)
            customer = profile_with_orders(batch.url)
            take(browser, f"{batch.url}/#/requests/{refused}?refused=1", "local-batch")
            take(browser, f"{batch.url}/#/profiles/{customer}", "local-batch-dark", scheme="dark")
        with page_of_runs(work) as url:
            runs = requests.get(f"{url}/_/runs", timeout=30).json()["runs"]
            worst = max(runs, key=lambda run: run["rejected"])
            take(browser, f"{url}/#/runs/{worst['run']}", "runs", opened=1)
        browser.close()


def take(browser: Browser, url: str, name: str, scheme: Any = "light", opened: int = 0) -> None:
    """Take one picture; `opened` is how many of the folded parts to open first."""
    context = browser.new_context(color_scheme=scheme, viewport=SIZE)
    page = context.new_page()
    page.goto(url)
    page.get_by_text("Live", exact=True).wait_for()
    page.locator(".detail h2").first.wait_for()
    for part in page.locator(".detail details:not([open]) > summary").all()[:opened]:
        part.click()
    page.mouse.move(0, 0)
    picture = FOLDER / f"{name}.png"
    page.screenshot(path=picture)
    context.close()
    print(f"{picture.relative_to(FOLDER.parents[1])}: {picture.stat().st_size:,} bytes")
    if picture.stat().st_size > LARGEST:
        sys.exit(f"{picture.name} has more than {LARGEST:,} bytes: take it smaller")


def load(work: Path, url: str) -> int:
    """Load a good night, one with Batch down, one with refusals; return the number of the refused request."""
    chance = random.Random(SEED)  # noqa: S311 - a shop that is made up
    customers = [customer(chance, number) for number in range(1, 241)]
    orders = [order(chance, chance.choice(customers[:60])) for _ in range(320)]
    run_target(
        work, url, [*messages("customers", customers), *messages("orders", orders), *cohorts(customers)]
    )
    script(url, {"do": {"answer": {"status": 503}}})
    run_target(work, url, messages("customers", customers[:40]))
    script(url, {"match": {"path": "*/profiles/*", "nth": [1]}, "do": {"partial_errors": PARTIAL_ERRORS}})
    late = [{**order(chance, customers[0]), "ordered_at": "2026-01-02T09:00:00Z"} for _ in range(9)]
    wrong = [{**one, "email": "no address"} for one in customers[:5]] + [
        {**customers[9], "customer_id": None}
    ]
    run_target(work, url, [*messages("customers", [*customers[5:90], *wrong]), *messages("orders", late)])
    requests.delete(f"{url}/_/faults", timeout=30)
    log = requests.get(f"{url}/_/log?problems=1", timeout=30).json()["requests"]
    return int(next(row["number"] for row in log if row["partial_errors"]))


def customer(chance: random.Random, number: int) -> dict[str, Any]:
    """Make up a customer."""
    first, last = chance.choice(FIRST), chance.choice(LAST)
    return {
        "customer_id": f"{chance.getrandbits(32):08x}-{chance.getrandbits(16):04x}",
        "email": f"{first}.{last}{number}@example.com".lower(),
        "first_name": first,
        "plan": chance.choice(PLANS),
        "language": chance.choice(("fr", "en", "de", "it")),
        "newsletter": chance.random() < 0.7,  # noqa: PLR2004 - most of them
    }


def order(chance: random.Random, of: dict[str, Any]) -> dict[str, Any]:
    """Make up an order of the last hours."""
    at = datetime.now(timezone.utc) - timedelta(minutes=chance.randrange(1, 900))
    total = round(chance.uniform(9, 240), 2)
    return {"customer_id": of["customer_id"], "ordered_at": at.isoformat(timespec="seconds"), "total": total}


def cohorts(customers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put customers into three cohorts."""
    rows = [
        {"customer_id": one["customer_id"], "cohort": name, "action": "entered"}
        for name, every in (("Big spenders", 7), ("At risk", 5), ("Newsletter readers", 2))
        for one in customers[::every]
    ]
    return messages("cohorts", rows)


def messages(stream: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Write rows as Singer messages."""
    kinds = {float: {"type": ["number", "null"]}, bool: {"type": ["boolean", "null"]}}
    properties: dict[str, dict[str, Any]] = {
        name: kinds.get(type(value), TEXT) for name, value in rows[0].items()
    }
    properties |= {"ordered_at": {**TEXT, "format": "date-time"}} if "ordered_at" in properties else {}
    head = {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": []}
    return [head, *({"type": "RECORD", "stream": stream, "record": row} for row in rows)]


def run_target(work: Path, url: str, lines: Sequence[dict[str, Any]]) -> None:
    """Load messages; the run may fail, as one of the nights is meant to."""
    config = work / "config.json"
    config.write_text(json.dumps({**SETTINGS, "api_url": url, "work_path": str(work / "work")}))
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    command = [sys.executable, "-m", "target_batch", "--config", str(config)]
    subprocess.run(command, input=text, text=True, check=False, capture_output=True)


def script(url: str, rule: dict[str, Any]) -> None:
    """Activate one fault, and no other."""
    requests.delete(f"{url}/_/faults", timeout=30)
    requests.post(f"{url}/_/faults", json=rule, timeout=30).raise_for_status()


def profile_with_orders(url: str) -> str:
    """Return a profile that has several events."""
    found = requests.get(f"{url}/_/profiles?limit=60", timeout=30).json()["profiles"]
    return str(max(found, key=lambda profile: profile["events"])["id"])


@contextmanager
def page_of_runs(work: Path) -> Iterator[str]:
    """Serve the page of the runs."""
    command = [sys.executable, "-m", "target_batch", "runs", "--web", "--port", "0"]
    command += ["--config", str(work / "config.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, "the page did not start"
        yield found[0]
        process.terminate()


if __name__ == "__main__":
    main()
