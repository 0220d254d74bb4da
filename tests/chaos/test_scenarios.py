"""Fault scenarios from `tests/scenarios/*.json`, each judged by what the local Batch recorded.

A file says how many records are sent (`records`, over so many custom IDs: `ids`), with which `settings`
and `faults`, for how many `seconds` the faults last (for ever without it), and the expected outcome:

`exit`, `state` (`last`, `none`, or `finest`: the newest that lies before the oldest record that is not
settled), `delivered` (records in the journal), `confirmed` (records the run log calls delivered),
`rejected`, `requests`, `amplification` (requests over those that were needed), `duplicates` (at most),
`pause` (seconds between the first call and the next), `ends_within`, `words` in the log and `memory` (MB).
`variants` are further cases of the same scenario with their differences; those marked `long` run only at
full length. The promises P1 to P5 always hold.
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import figures
import pytest
from memory import PeakMemory
from singer import INTEGER, STRING, record, schema, state
from target_process import KEY, Ended, config_file, encoded, ended, finished, start
from verdict import Sent, judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_batch import LocalBatch
    from verdict import Verdict

pytestmark = pytest.mark.chaos

FOLDER = Path(__file__).parents[1] / "scenarios"
SENT_KEYS = {"records", "ids", "large", "seconds", "path", "faults", "settings"}
SETTINGS = {
    "late_events": "now",
    "profile_endpoint": "update",
    "max_updates_per_second": 100_000,
    "max_retry_seconds": 20,
    "request_timeout_seconds": 5,
}
PER_REQUEST = 200
Case = dict[str, Any]


def cases() -> Iterator[Any]:
    """Yield every scenario, and each of its variants."""
    for path in sorted(FOLDER.glob("*.json")):
        scenario = json.loads(path.read_text())
        variants = scenario.pop("variants", {"": {}})
        for name, variant in variants.items():
            if variant.pop("long", False) and not figures.FULL:
                continue
            given = {key: value for key, value in variant.items() if key in SENT_KEYS}
            expected = {key: value for key, value in variant.items() if key not in SENT_KEYS}
            case = {**scenario, **given, "expect": {**scenario["expect"], **expected}}
            yield pytest.param(case, id=f"{path.stem}-{name}" if name else path.stem)


def stream(case: Case) -> list[str]:
    """Make the input: users with a rising seat, and a state after every tenth of them."""
    count: int = case["records"]
    ids: int = case.get("ids", count)
    large = case.get("large", {})
    notes = [f"note_{n}" for n in range(max(large.values(), default=0))]
    properties = {"user_id": STRING, "seat": INTEGER, "city": STRING, **dict.fromkeys(notes, STRING)}
    lines = [schema("users", properties)]
    for seat in range(1, count + 1):
        who = f"u{(seat - 1) % ids + 1}"
        more = dict.fromkeys(notes[: large.get(who, 0)], "x" * 290)
        lines.append(record("users", user_id=who, seat=seat, city="Lyon", **more))
        if seat % max(1, count // 10) == 0:
            lines.append(state({"seen": seat}))
    return lines


def rules(case: Case, url: str) -> list[Any]:
    """Return the faults with the local Batch's address filled in and shorthands expanded."""
    found: list[Any] = json.loads(json.dumps(case.get("faults", [])).replace("{url}", url))
    for rule in found:
        errors = rule["do"].get("partial_errors") if isinstance(rule["do"], dict) else None
        if isinstance(errors, dict):
            refused = range(errors["first"])
            rule["do"] = {
                "partial_errors": [{"category": "c", "bulk_index": n, "reason": "no"} for n in refused]
            }
    return found


def end_faults(batch: LocalBatch, ids: list[int], seconds: float) -> None:
    """Switch faults off some seconds after the first of them acted."""
    limit = time.monotonic() + 30
    while not batch.hits() and time.monotonic() < limit:
        time.sleep(0.02)
    time.sleep(seconds)
    for number in ids:
        batch.post(f"faults/{number}", {"enabled": False})


def play(folder: Path, batch: LocalBatch, case: Case) -> tuple[Ended, float, float]:
    """Run the target through a scenario; return its end, its seconds and its peak memory."""
    settings = {**SETTINGS, **case.get("settings", {})}
    config = config_file(folder, batch.url + case.get("path", ""), **settings)
    lines = stream(case)
    numbers = batch.script(rules(case, batch.url))
    if "seconds" in case:
        threading.Thread(target=end_faults, args=(batch, numbers, case["seconds"]), daemon=True).start()
    begun = time.monotonic()
    if "memory" not in case["expect"]:
        return finished(config, lines), time.monotonic() - begun, 0.0
    process = start(config)
    memory = PeakMemory(process.pid)
    result = ended(process, config, encoded(lines))
    return result, time.monotonic() - begun, memory.megabytes


def within(expected: Any, found: float) -> bool:
    """Return whether a figure equals the expected number or lies in the expected range."""
    low, high = expected if isinstance(expected, list) else (expected, expected)
    return bool(low <= found <= high)


def differences(expected: dict[str, Any], found: dict[str, float], everything: int) -> Iterator[str]:
    """Yield the figures that differ from the expected ones; `all` stands for every record."""
    for name, value in found.items():
        wanted = expected.get(name)
        if wanted is not None and not within(everything if wanted == "all" else wanted, value):
            yield f"{name}: {value}, expected {wanted}"


def problems(case: Case, result: Ended, verdict: Verdict, requests: int) -> Iterator[str]:
    """Yield the differences between a run and the scenario's expectations."""
    expect, totals = case["expect"], result.run["streams"].get("users", {})
    yield from verdict.problems()
    if result.code not in (expect["exit"] if isinstance(expect["exit"], list) else [expect["exit"]]):
        yield f"exit {result.code}"
    wanted = {"last": verdict.newest, "none": -1}.get(expect.get("state", ""), verdict.finest)
    if (expect.get("finest", True) or "state" in expect) and verdict.last != wanted:
        yield f"state at line {verdict.last}, expected {wanted}"
    most = [0, expect["duplicates"]] if "duplicates" in expect else None
    figures_found = {
        "delivered": verdict.held,
        "confirmed": totals.get("delivered", 0),
        "rejected": totals.get("rejected", 0),
        "requests": requests,
        "duplicates": verdict.duplicates,
        "amplification": requests / (case["records"] / PER_REQUEST),
        "marks": len(result.codes()),
    }
    yield from differences({**expect, "duplicates": most}, figures_found, case["records"])
    yield from disagreements(expect, result, verdict)
    missing = [word for word in expect.get("words", ()) if word not in result.log]
    if missing:
        yield f"the log lacks {missing}"
    if KEY in result.log or "Traceback" in result.log:
        yield "the log shows the key or a traceback"


def disagreements(expect: Case, result: Ended, verdict: Verdict) -> Iterator[str]:
    """Yield the target's counts that differ from the contents of Batch and the disk."""
    totals = result.run["streams"].get("users", {})
    bare = expect.get("lost_attributes", 0)
    certain = expect.get("finest", True) and not expect.get("possibly_twice") and not verdict.duplicates
    if certain and totals.get("delivered", 0) != verdict.held + bare:
        yield f"the run log says {totals.get('delivered')} delivered, Batch holds {verdict.held + bare}"
    if totals.get("rejected", 0) != verdict.rejected_whole - bare:
        yield f"the run log says {totals.get('rejected')} rejected, the disk {verdict.rejected_whole - bare}"
    if expect.get("possibly_twice") and result.run["possibly_twice"] < verdict.duplicates:
        yield f"{result.run['possibly_twice']} counted as possibly twice of {verdict.duplicates}"
    if expect.get("throttled") and not result.run["throttled"]:
        yield "no 429 was counted"


@pytest.mark.parametrize("case", list(cases()))
def test_a_scenario_ends_as_promised(tmp_path: Path, batch: LocalBatch, case: Case) -> None:
    result, seconds, memory = play(tmp_path, batch, case)
    verdict = judge(Sent(stream(case)), result, batch.journal())
    summary = batch.summary()["requests"]
    faults = sum(summary["faults"].values())
    measured = {"amplification": summary["total"] / (case["records"] / PER_REQUEST)}
    family = "storms" if "seconds" in case else "scenarios"
    figures.note(family, verdict, faults=faults, **(measured if "seconds" in case else {}))
    found = list(problems(case, result, verdict, summary["total"]))
    expect = case["expect"]
    if seconds > expect.get("ends_within", 40):
        found.append(f"it took {seconds:.1f} s")
    if "pause" in expect:
        first, second = sorted(batch.requests(), key=lambda row: row["number"])[:2]
        pause = second["at"] - first["at"]
        if not within(expect["pause"], pause):
            found.append(f"it came again after {pause:.2f} s")
    if expect.get("overlap") and summary["peak_in_flight"] < 2:
        found.append("requests did not overlap")
    if memory > expect.get("memory", memory):
        found.append(f"{memory} MB")
    assert not found, "\n".join([case["about"], *found, result.log[-1500:]])
