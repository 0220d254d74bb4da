"""Every setting, declared once for the typed object, `--about`, the README and the plugin definition."""

from __future__ import annotations

import re
from importlib.util import find_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from target_batch.common.errors import ConfigurationError
from target_batch.common.redaction import Secret
from target_batch.config.options import Kind, ReplayOptions, StreamOptions
from target_batch.config.problems import unknown_settings, wrong_setting

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Kind", "ReplayOptions", "Settings", "StreamOptions", "load"]

DEFAULT_LEDGER: Final = "sqlite:///{work_path}/ledger.db"

Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


def _setting(title: str, description: str, **extra: Any) -> msgspec.Meta:
    return msgspec.Meta(title=title, description=description, extra_json_schema=extra)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The target's configuration, checked and typed; never printed (it holds secrets)."""

    rest_api_key: Annotated[
        Secret,
        _setting(
            "REST API key",
            "The company's REST API key, from Batch's dashboard: Settings, then General.",
            secret=True,
        ),
    ]
    project_key: Annotated[
        str | None,
        _setting(
            "Project key",
            "The omnichannel project that profiles, events and project audiences go to.",
        ),
    ] = None
    app_api_keys: Annotated[
        tuple[Secret, ...],
        _setting(
            "App API keys",
            "Live, Dev or SDK keys of the apps and sites that app audiences go to; "
            "each call is repeated per key.",
            secret=True,
        ),
    ] = ()
    api_url: Annotated[
        str,
        _setting("API URL", "Where Batch answers: https only, http only towards loopback."),
    ] = "https://api.batch.com"
    api_version: Annotated[str, _setting("API version", "Version of the project API.")] = "2.11"
    custom_id: Annotated[
        str | None,
        _setting(
            "Custom ID property",
            "Property that holds the Custom User ID, for every stream; a dotted path reaches into objects.",
        ),
    ] = None
    default_kind: Annotated[
        Literal["fail", "profiles", "events", "audiences", "ignore"],
        _setting(
            "Default kind",
            "The kind of a stream that its options, shape and name do not determine; "
            "`fail` stops before any of its records are sent.",
        ),
    ] = "fail"
    streams: Annotated[
        dict[str, StreamOptions],
        _setting("Streams", "Stream name or glob → the options of that stream."),
    ] = {}
    attribute_naming: Annotated[
        Literal["snake_case", "segment"],
        _setting(
            "Attribute naming",
            "How a property becomes a Batch name; `segment` gives the names that Batch's "
            "destination on Segment gives.",
        ),
    ] = "snake_case"
    nulls: Annotated[
        Literal["delete", "skip"],
        _setting("Nulls", "A null or an empty string deletes the attribute, or leaves it."),
    ] = "delete"
    consent: Annotated[
        Literal["send", "unsubscribe_only", "ignore"],
        _setting(
            "Consent",
            "What happens to `$email_marketing` and `$sms_marketing`; a null consent is never sent.",
        ),
    ] = "send"
    late_events: Annotated[
        Literal["reject", "now"],
        _setting(
            "Late events",
            "An event outside Batch's window of 24 hours: rejected with its reason, "
            "or sent without its time.",
        ),
    ] = "reject"
    default_country: Annotated[
        str | None,
        _setting(
            "Default country",
            "ISO 3166 region in which national phone numbers are read, for example `FR`.",
        ),
    ] = None
    replay: Annotated[
        ReplayOptions | None,
        _setting(
            "Replay",
            "Historical replay: only records whose own time lies in [start, end), only these Segment types.",
        ),
    ] = None
    profile_endpoint: Annotated[
        Literal["auto", "update", "mass_update"],
        _setting(
            "Profile endpoint",
            "`auto`: up to 1,000 custom IDs at once, users and events together, go to /profiles/update, more "
            "to /profiles/mass-update, and once a run has used the latter it stays with it.",
        ),
    ] = "auto"
    max_updates_per_second: Annotated[
        Positive | None,
        _setting(
            "Updates per second",
            "Custom IDs a second, at most; the documented limits by default. Lower it to leave "
            "quota to live traffic; raise it where Batch granted more.",
        ),
    ] = None
    skip_unchanged: Annotated[
        bool,
        _setting(
            "Skip unchanged",
            "Send only what changed: the ledger knows what Batch holds of a profile, attribute by attribute, "
            "and which events of the last day it has.",
        ),
    ] = False
    unchanged_max_age_days: Annotated[
        Positive,
        _setting(
            "Unchanged days",
            "Days after which an unchanged attribute is sent all the same, so that changes made elsewhere "
            "are put right; of some profiles after three quarters of it. Consents do not age.",
        ),
    ] = 30
    events_in_doubt: Annotated[
        Literal["send", "skip"],
        _setting(
            "Events in doubt",
            "With `skip_unchanged`, an event that may have reached Batch, since its answer was lost or the "
            "run died: sent again, though it may happen twice, or not, though it may be lost.",
        ),
    ] = "send"
    wait_for_indexing: Annotated[
        bool,
        _setting(
            "Wait for indexing",
            "Audiences: the state passes only once Batch has indexed what it accepted.",
        ),
    ] = True
    max_indexing_seconds: Annotated[
        Positive,
        _setting("Indexing seconds", "How long the index may take before the run stops."),
    ] = 900
    max_audience_shrink: Annotated[
        Share,
        _setting(
            "Audience shrink",
            "Mirror: refuse to remove more than this share of an audience; an empty stream removes "
            "nothing unless the stream's `allow_empty` is set.",
        ),
    ] = 0.5
    checkpoint_records: Annotated[
        Count,
        _setting("Checkpoint records", "Records after which the state is confirmed and passed on."),
    ] = 10_000
    checkpoint_seconds: Annotated[
        Positive,
        _setting("Checkpoint seconds", "Maximum seconds between checkpoints, even if the tap is idle."),
    ] = 60
    max_retry_seconds: Annotated[
        Positive,
        _setting("Retry seconds", "How long one request is retried before the run stops."),
    ] = 300
    request_timeout_seconds: Annotated[
        Positive,
        _setting("Request time-out", "How long one attempt may take in all."),
    ] = 60
    max_rejected_share: Annotated[
        Share,
        _setting(
            "Max rejected share",
            "Breaker: the run stops, and the state is held, once 1,000 records of a stream were read and "
            "more than this share was rejected for a reason that a setting or the tap causes (see the table "
            "of reasons); at the end also where nothing of a shorter stream could be sent. 1 never stops.",
        ),
    ] = 0.5
    work_path: Annotated[
        str,
        _setting("Work path", "Folder, or URL that fsspec knows (`s3://…`), for rejects and the run log."),
    ] = ".target-batch"
    ledger_url: Annotated[
        str,
        _setting(
            "Ledger URL",
            "The memory of what was delivered: SQLite, or `postgresql+psycopg://…` for containers whose "
            "disk is gone afterwards; opened only when a feature needs it.",
            secret=True,
        ),
    ] = DEFAULT_LEDGER
    notify_url: Annotated[
        str | None,
        _setting(
            "Notification URL",
            "A webhook that gets the counts of a run (JSON, no personal data) when it stopped or rejected "
            "more than `notify_rejected`.",
            secret=True,
        ),
    ] = None
    notify_rejected: Annotated[
        Annotated[int, msgspec.Meta(ge=0)] | None,
        _setting(
            "Notification threshold",
            "Rejected records beyond which a run that ended well is notified of too; never by default.",
        ),
    ] = None
    confirm_erasures: Annotated[
        bool,
        _setting(
            "Confirm erasures",
            "Streams with `on_delete: erase` may erase people at Batch, which cannot be undone.",
        ),
    ] = False
    max_erasures_share: Annotated[
        Share,
        _setting(
            "Max erasures share",
            "Erasure: refuse to erase more people of a stream than this share of its records, once they are "
            "more than 10.",
        ),
    ] = 0.1
    metrics_path: Annotated[
        str | None,
        _setting(
            "Metrics path",
            "File (or URL that fsspec knows) that gets the counts of the run in Prometheus' text format, at "
            "each checkpoint and at the end.",
        ),
    ] = None
    dry_run: Annotated[
        bool,
        _setting(
            "Dry run",
            "Map, validate and count, and write what would be sent to `work_path`; no request leaves and "
            "no state is emitted.",
        ),
    ] = False
    validate_records: Annotated[
        bool,
        _setting("Validate records", "Check every record against its stream's SCHEMA."),
    ] = True


class SdkSettings(msgspec.Struct):
    """The types of the SDK's settings, checked here because the SDK does not and fails on wrong ones."""

    stream_maps: dict[str, Any] = {}
    stream_map_config: dict[str, Any] = {}
    faker_config: dict[str, Any] = {}
    flattening_enabled: bool = False
    flattening_max_depth: Annotated[int, msgspec.Meta(ge=0)] | None = None
    flattening_max_key_length: Annotated[int, msgspec.Meta(ge=1)] | None = None
    flattening_separator: str = "__"


SDK_SETTINGS: Final = frozenset(SdkSettings.__struct_fields__)
"""Settings that the SDK applies before records reach this target."""

PRINTABLE = re.compile(r"[\x21-\x7e]+")
VERSION = re.compile(r"2\.\d{1,3}")
VERSION_AT_END = re.compile(r"/\d+\.\d+/*$")


def load(config: Mapping[str, Any]) -> Settings:
    """Check a configuration and convert it to `Settings`; null counts as not set.

    Raises:
        ConfigurationError: the message names every unknown setting, or the first wrong one, never its value.
    """
    given = {name: value for name, value in config.items() if value is not None}
    own = {name: value for name, value in given.items() if name not in SDK_SETTINGS}
    known = {field.name for field in msgspec.structs.fields(Settings)}
    if unknown := sorted(own.keys() - known):
        raise ConfigurationError(unknown_settings(unknown, known))
    if "rest_api_key" not in own:
        raise ConfigurationError(
            "`rest_api_key` is missing: set it to the company's REST API key, from Batch's "
            "dashboard under Settings, General."
        )
    try:
        settings = msgspec.convert(own, Settings, strict=False, dec_hook=_secret)
    except msgspec.ValidationError as error:
        raise ConfigurationError(wrong_setting(own, Settings, error)) from None
    _check(settings)
    _check_sdk_settings({name: given[name] for name in given.keys() & SDK_SETTINGS})
    return settings


def _check_sdk_settings(given: dict[str, Any]) -> None:
    try:
        found = msgspec.convert(given, SdkSettings)
    except msgspec.ValidationError as error:
        raise ConfigurationError(wrong_setting(given, SdkSettings, error)) from None
    if found.flattening_enabled and found.flattening_max_depth is None:
        raise ConfigurationError(
            "`flattening_max_depth` is missing: with `flattening_enabled` it says how deep, for example 1."
        )
    if found.faker_config and find_spec("faker") is None:
        raise ConfigurationError("`faker_config` needs a package that is missing: pip install faker.")


def _secret(kind: type, value: Any) -> Secret:
    """Convert text to a secret; refuse anything else without showing it."""
    if kind is not Secret or not isinstance(value, str):
        raise TypeError(f"Expected `str`, got `{type(value).__name__}`")
    return Secret(value)


def _check(settings: Settings) -> None:
    given = {"rest_api_key": settings.rest_api_key.reveal(), "project_key": settings.project_key}
    for name, value in given.items():
        if value is not None and not PRINTABLE.fullmatch(value):
            raise ConfigurationError(
                f"`{name}` is empty or holds a blank, a line break or a character outside ASCII. "
                "Copy it again from Batch's dashboard."
            )
    if not all(PRINTABLE.fullmatch(key.reveal()) for key in settings.app_api_keys):
        raise ConfigurationError("`app_api_keys` holds an empty key, or one with a blank in it.")
    if not VERSION.fullmatch(settings.api_version):
        raise ConfigurationError("`api_version` is not of the form 2.N, for example 2.11.")
    _check_url("api_url", settings.api_url)
    if VERSION_AT_END.search(settings.api_url):
        raise ConfigurationError(
            "`api_url` ends with a version. Leave it out there: `api_version` says it, and it is added."
        )
    if settings.notify_url is not None:
        _check_url("notify_url", settings.notify_url, query=True)


def _check_url(name: str, value: str, *, query: bool = False) -> None:
    try:
        url = urlsplit(value)
        host = url.hostname or ""
        odd = bool(url.username or url.password or (url.query and not query) or url.fragment) or url.port == 0
    except ValueError:
        host, odd = "", True
    if not host or odd or url.scheme not in {"https", "http"}:
        left_out = "user or fragment" if query else "user, query or fragment"
        raise ConfigurationError(f"`{name}` is not a plain address: https://HOST, without {left_out}.")
    if url.scheme == "http" and not _loopback(host):
        raise ConfigurationError(
            f"`{name}` uses http, which is allowed towards this machine only (localhost); use https, or "
            "what it carries would travel in the clear."
        )


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
