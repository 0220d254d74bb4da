"""The connection test: one read-only call per platform and key, and what it says about the settings."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import click

from target_batch.batch_api.answers import (
    FORBIDDEN,
    NOT_FOUND,
    SUCCESSES,
    Accepted,
    Denied,
    Failure,
    Malformed,
    Misrouted,
    Retry,
)
from target_batch.batch_api.audiences import AppAudiences, ProjectAudiences
from target_batch.batch_api.client import Client
from target_batch.batch_api.endpoints import AUDIENCE_RATE, App, Project
from target_batch.batch_api.rate_limiter import RateLimiter
from target_batch.batch_api.transport import Transport
from target_batch.common.clock import Clock, Stop
from target_batch.common.plain_text import fitted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_batch.batch_api.answers import Verdict
    from target_batch.batch_api.audiences import Platform
    from target_batch.config.settings import Settings

TEST_STREAM: Final = "meltano_test_stream"
TEST_PROPERTIES: Final = {"id", "name", "created_at"}
ALL_WELL: Final = "All settings are right: Batch opens with these keys. Nothing was written."

RETRY_SECONDS: Final = 4.0
"""Seconds for which a failing call is retried; a run uses `max_retry_seconds`."""

ATTEMPT_SECONDS: Final = 10.0
PROJECT_KEY_BEGINS: Final = "project_"

SEE_RIGHTS: Final = "see what `rest_api_key` and this key may do, and ask Batch"
WHERE: Final = {
    "rest_api_key": "find it in Batch's dashboard, Settings, General",
    "project_key": "find it in Batch's dashboard, in the project's Settings (project_…)",
    "app_api_keys": "find it in Batch's dashboard, in the app's or site's Settings (Live, Dev or SDK key)",
    "api_url": "leave it out for https://api.batch.com",
    "api_version": "leave it out for the version that this release was made for",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for one setting: `good`, or `problem`, in words; `exit_code` is 2 if it is wrong.

    `hint` says what to do if the value itself may be right.
    """

    setting: str
    good: str = ""
    problem: str = ""
    exit_code: int = 0
    hint: str | None = None

    @property
    def where(self) -> str:
        """Advice on how to correct the setting."""
        return WHERE.get(self.setting.partition("[")[0], "") if self.hint is None else self.hint


def probe(settings: Settings) -> list[Finding]:
    """Make one read-only call for the project and for each app key; return findings about the settings."""
    clock, user_agent = Clock(), f"target-batch/{version('target-batch')} check"
    seconds = min(settings.request_timeout_seconds, ATTEMPT_SECONDS)
    transport = Transport(settings.api_url, seconds, user_agent, clock)
    client = Client(transport, clock, Stop(clock), min(settings.max_retry_seconds, RETRY_SECONDS))
    answers = {
        name: client.send(
            platform.list_call(limit=1), platform.classify_list, RateLimiter(AUDIENCE_RATE, clock)
        )
        for name, platform in _platforms(settings)
    }
    if not answers:
        missing = "neither `project_key` nor `app_api_keys` is set, so there is nothing to deliver to"
        return [Finding("project_key", problem=missing, exit_code=2)]
    swapped = settings.rest_api_key.reveal().startswith(PROJECT_KEY_BEGINS)
    return _judged(answers, ", or the two are swapped: it begins as project keys do" if swapped else "")


def _platforms(settings: Settings) -> Iterator[tuple[str, Platform]]:
    key = settings.rest_api_key
    if settings.project_key is not None:
        yield "project_key", ProjectAudiences(Project(key, settings.project_key, settings.api_version))
    for number, app_key in enumerate(settings.app_api_keys):
        yield f"app_api_keys[{number}]", AppAudiences(App(key, app_key), "custom_ids")


def _judged(answers: dict[str, Verdict], suspicion: str) -> list[Finding]:
    """Turn answers into findings; since a call uses several keys, the other calls show which one is wrong.

    `suspicion` is what a refused key suggests beyond Batch's answer.
    """
    accepted = any(isinstance(verdict, Accepted) for verdict in answers.values())
    denied = [name for name, verdict in answers.items() if _is_unknown_key(verdict)]
    findings = [_finding(name, verdict) for name, verdict in answers.items()]
    if accepted:
        return [Finding("rest_api_key", good="opens Batch"), *findings]
    if denied:
        others = " or ".join(f"`{name}`" for name in denied)
        problem = f"Batch refuses it together with {others}: one of them is mistyped, or of another company"
        problem += suspicion
        return [Finding("rest_api_key", problem=problem, exit_code=2), *findings]
    if findings[0].setting not in answers and len({finding.setting for finding in findings}) == 1:
        unknown = (Finding(name, problem="not known: no answer says anything about it") for name in answers)
        return [findings[0], *unknown]
    return findings


def _is_unknown_key(verdict: Verdict) -> bool:
    """Return whether Batch does not know the keys of a call; if it forbids the call, it may know them."""
    return isinstance(verdict, Denied) and verdict.status != FORBIDDEN


def _finding(name: str, verdict: Verdict) -> Finding:
    if not isinstance(verdict, Failure):
        return Finding(name, good="opens its project" if name == "project_key" else "opens its app")
    what = verdict.what
    if isinstance(verdict, Denied):
        return _refused(name, verdict)
    if isinstance(verdict, Misrouted) and verdict.status == NOT_FOUND and verdict.code:
        setting = "api_version" if name == "project_key" else name
        unknown = f"Batch has no such address ({what}); `api_url` may also be wrong"
        return Finding(setting, problem=unknown, exit_code=2)
    if isinstance(verdict, Misrouted) and verdict.status != NOT_FOUND:
        return Finding("api_url", problem=f"it leads elsewhere ({what})", exit_code=2)
    if isinstance(verdict, Retry) and verdict.status not in SUCCESSES:
        hint = None if verdict.status is None else ""
        return Finding("api_url", problem=_unreachable(verdict), exit_code=1, hint=hint)
    is_named = isinstance(verdict, Malformed) and verdict.code
    problem = "Batch refuses the request" if is_named else "what answers there is not Batch"
    return Finding(name if is_named else "api_url", problem=f"{problem} ({what})", exit_code=2)


def _refused(name: str, denied: Denied) -> Finding:
    if _is_unknown_key(denied):
        return Finding(name, problem=f"Batch refuses the access ({denied.what})", exit_code=2)
    problem = f"Batch forbids this use of its API ({denied.what}), which does not say that the key is wrong"
    return Finding(name, problem=problem, exit_code=2, hint=SEE_RIGHTS)


def _unreachable(retry: Retry) -> str:
    if retry.status is not None:
        return f"Batch is reached and cannot answer now ({retry.what}); try again later"
    return (
        f"Batch is not reached ({retry.what}); check the address, the network, the proxy and, for TLS, "
        "the machine's certificates"
    )


def report(findings: list[Finding]) -> Iterator[str]:
    """Yield a line for each setting, then one for each wrong setting, the first of them last."""
    widest = max(len(finding.setting) for finding in findings)
    for finding in findings:
        mark = click.style("OK   ", fg="green") if finding.good else click.style("WRONG", fg="red")
        if finding.problem and not finding.exit_code:
            mark = click.style("?    ", fg="yellow")
        said = finding.problem if not finding.exit_code else ""
        yield fitted(f"{mark}  {finding.setting:<{widest}}  {finding.good or said}".rstrip(), 9 + widest)
    wrong = [finding for finding in findings if finding.exit_code]
    others = [finding for finding in wrong[1:] if f"`{finding.setting}`" not in wrong[0].problem]
    yield from (_advice(finding, findings) for finding in (*others, *wrong[:1]))
    if not wrong:
        yield fitted(ALL_WELL)


def _advice(wrong: Finding, findings: list[Finding]) -> str:
    """Return one line with what is wrong with a setting and what to do about it."""
    where = f" To put it right: {wrong.where}." if wrong.where else ""
    spoken_of = (finding for finding in findings if f"`{finding.setting}`" in wrong.problem)
    others = [finding for finding in spoken_of if finding is not wrong and finding.where]
    where += "".join(f" `{finding.setting}`: {finding.where}." for finding in others)
    return fitted(f"`{wrong.setting}`: {wrong.problem}.{where}")


def exit_code(findings: list[Finding]) -> int:
    """Return 0 if all is well, 2 if a setting is wrong, 1 if Batch cannot be reached."""
    return max((finding.exit_code for finding in findings), default=0)


def is_connection_test(line: int, stream: str, properties: dict[str, Any]) -> bool:
    """Return whether a message is the one with which `meltano config test` begins.

    If a tap has a stream of the same name, it has other properties or comes later.
    """
    return line == 1 and stream == TEST_STREAM and set(properties) == TEST_PROPERTIES


def answer_connection_test(settings: Settings) -> None:
    """Check the keys instead of loading the test's record, then end the process with the exit code.

    Meltano reads both outputs: a line with the word "error" or "exception" means failure, and the
    last line is what its user sees.
    """
    findings = probe(settings)
    for line in report(findings):
        click.echo(line, err=True)
    while os.read(0, 65_536):
        continue
    sys.exit(exit_code(findings))
