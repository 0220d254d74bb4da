"""Every setting, declared once for the typed object, `--about`, the reference and the plugin definition."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from target_batch.common.redaction import Secret

Kind = Literal["profiles", "events", "segment", "audiences", "ignore"]
SegmentType = Literal["identify", "track", "page", "screen", "group"]

Positive = Annotated[float, msgspec.Meta(gt=0)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
"""A duration of up to one day: beyond what the system can wait, a timer fails."""
Count = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of one stream, or of every stream that a glob matches."""

    kind: Kind | None = None
    custom_id: str | None = None
    attributes: dict[str, str | None] = {}
    only_mapped: bool = False
    time: str | None = None
    event: str | None = None
    event_property: str | None = None
    audience: str | None = None
    audience_property: str | None = None
    display_name_property: str | None = None
    action_property: str | None = None
    deleted_at: str | None = None
    on_delete: Literal["ignore", "erase"] = "ignore"
    mode: Literal["update", "mirror"] = "update"
    complete_at: Literal["state", "end_of_input"] = "state"
    destination: Literal["project", "app"] = "project"
    id_type: Literal["custom_ids", "install_ids", "advertising_ids"] = "custom_ids"
    tags: str | None = None
    as_attribute: bool = False
    allow_empty: bool = False
    types: tuple[SegmentType, ...] = ("identify", "track")

    def __post_init__(self) -> None:
        """Read an empty target as null: Meltano drops nulls from nested settings."""
        attributes = {name: target or None for name, target in self.attributes.items()}
        msgspec.structs.force_setattr(self, "attributes", attributes)


class ReplayOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A historical replay: the half-open window [start, end) and the Segment types to let through."""

    start: str | None = None
    end: str | None = None
    types: tuple[SegmentType, ...] | None = None


def _setting(description: str, *, title: str = "", secret: bool = False) -> msgspec.Meta:
    """Describe a setting; where the title is empty, `json_schema` makes it from the setting's name."""
    extra = {"secret": True} if secret else {}
    return msgspec.Meta(title=title, description=description, extra_json_schema=extra)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The target's configuration, checked and typed; never printed (it holds secrets)."""

    rest_api_key: Annotated[
        Secret,
        _setting(
            "The company's REST API key, from Batch's dashboard: Settings, then General.",
            secret=True,
            title="REST API key",
        ),
    ]
    project_key: Annotated[
        str | None,
        _setting("The omnichannel project that profiles, events and project audiences go to."),
    ] = None
    app_api_keys: Annotated[
        tuple[Secret, ...],
        _setting(
            "Live, Dev or SDK keys of the apps and sites that app audiences go to; "
            "each call is repeated per key.",
            secret=True,
            title="App API keys",
        ),
    ] = ()
    api_url: Annotated[
        str,
        _setting("Where Batch answers: https only, http only towards loopback.", title="API URL"),
    ] = "https://api.batch.com"
    api_version: Annotated[str, _setting("Version of the project API.", title="API version")] = "2.11"
    custom_id: Annotated[
        str | None,
        _setting(
            "Property that holds the Custom User ID, for every stream; a dotted path reaches into objects.",
            title="Custom ID property",
        ),
    ] = None
    default_kind: Annotated[
        Literal["fail", "profiles", "events", "audiences", "ignore"],
        _setting(
            "The kind of a stream that its options, shape and name do not determine; "
            "`fail` stops before any of its records are sent."
        ),
    ] = "fail"
    streams: Annotated[
        dict[str, StreamOptions],
        _setting("Stream name or glob → the options of that stream."),
    ] = {}
    attribute_naming: Annotated[
        Literal["snake_case", "segment"],
        _setting(
            "How a property becomes a Batch name; `segment` gives the names that Batch's "
            "destination on Segment gives."
        ),
    ] = "snake_case"
    nulls: Annotated[
        Literal["delete", "skip"],
        _setting("A null or an empty string deletes the attribute, or leaves it."),
    ] = "delete"
    consent: Annotated[
        Literal["send", "unsubscribe_only", "ignore"],
        _setting("What happens to `$email_marketing` and `$sms_marketing`; a null consent is never sent."),
    ] = "send"
    late_events: Annotated[
        Literal["reject", "now"],
        _setting(
            "An event outside Batch's window of 24 hours: rejected with its reason, or sent without its time."
        ),
    ] = "reject"
    default_country: Annotated[
        str | None,
        _setting("ISO 3166 region in which national phone numbers are read, for example `FR`."),
    ] = None
    replay: Annotated[
        ReplayOptions | None,
        _setting(
            "Historical replay: only records whose own time lies in [start, end), only these Segment types."
        ),
    ] = None
    profile_endpoint: Annotated[
        Literal["auto", "update", "mass_update"],
        _setting(
            "`auto`: up to 1,000 custom IDs at once, users and events together, go to /profiles/update, more "
            "to /profiles/mass-update, and once a run has used the latter it stays with it."
        ),
    ] = "auto"
    max_updates_per_second: Annotated[
        Positive | None,
        _setting(
            "Custom IDs a second, at most; the documented limits by default. Lower it to leave "
            "quota to live traffic; raise it where Batch granted more.",
            title="Updates per second",
        ),
    ] = None
    skip_unchanged: Annotated[
        bool,
        _setting(
            "Send only what changed: the ledger knows what Batch holds of a profile, attribute by attribute, "
            "and which events of the last day it has."
        ),
    ] = False
    unchanged_max_age_days: Annotated[
        Positive,
        _setting(
            "Days after which an unchanged attribute is sent all the same, so that changes made elsewhere "
            "are put right; of some profiles after three quarters of it. Consents do not age.",
            title="Unchanged days",
        ),
    ] = 30
    events_in_doubt: Annotated[
        Literal["send", "skip"],
        _setting(
            "With `skip_unchanged`, an event that may have reached Batch, since its answer was lost or the "
            "run died: sent again, though it may happen twice, or not, though it may be lost."
        ),
    ] = "send"
    wait_for_indexing: Annotated[
        bool,
        _setting("Audiences: the state passes only once Batch has indexed what it accepted."),
    ] = True
    max_indexing_seconds: Annotated[
        Positive,
        _setting("How long the index may take before the run stops.", title="Indexing seconds"),
    ] = 900
    max_audience_shrink: Annotated[
        Share,
        _setting(
            "Mirror: refuse to remove more than this share of an audience; an empty stream removes "
            "nothing unless the stream's `allow_empty` is set.",
            title="Audience shrink",
        ),
    ] = 0.5
    checkpoint_records: Annotated[
        Count,
        _setting("Records after which the state is confirmed and passed on."),
    ] = 10_000
    checkpoint_seconds: Annotated[
        Seconds,
        _setting("Maximum seconds between checkpoints, even if the tap is idle."),
    ] = 60
    max_retry_seconds: Annotated[
        Seconds,
        _setting("How long one request is retried before the run stops.", title="Retry seconds"),
    ] = 300
    request_timeout_seconds: Annotated[
        Seconds,
        _setting("How long one attempt may take in all.", title="Request time-out"),
    ] = 60
    max_rejected_share: Annotated[
        Share,
        _setting(
            "Breaker: the run stops, and the state is held, once 1,000 records of a stream were read and "
            "more than this share was rejected for a reason that a setting or the tap causes (see the table "
            "of reasons); at the end also where nothing of a shorter stream could be sent. 1 never stops."
        ),
    ] = 0.5
    work_path: Annotated[
        str,
        _setting(
            "Folder, or URL that fsspec knows (`s3://…`), for rejects, the run log, and what a dry run would "
            "have sent."
        ),
    ] = ".target-batch"
    ledger_url: Annotated[
        str,
        _setting(
            "The memory of what was delivered: SQLite, or `postgresql+psycopg://…` for containers whose "
            "disk is gone afterwards; opened only when a feature needs it.",
            secret=True,
            title="Ledger URL",
        ),
    ] = "sqlite:///{work_path}/ledger.db"
    notify_url: Annotated[
        str | None,
        _setting(
            "A webhook that gets the counts of a run (JSON, no personal data) when it stopped or rejected "
            "more than `notify_rejected`.",
            secret=True,
            title="Notification URL",
        ),
    ] = None
    notify_rejected: Annotated[
        Annotated[int, msgspec.Meta(ge=0)] | None,
        _setting(
            "Rejected records beyond which a run that ended well is notified of too; never by default.",
            title="Notification threshold",
        ),
    ] = None
    confirm_erasures: Annotated[
        bool,
        _setting("Streams with `on_delete: erase` may erase people at Batch, which cannot be undone."),
    ] = False
    max_erasures_share: Annotated[
        Share,
        _setting(
            "Erasure: refuse to erase more people of a stream than this share of its records, once they are "
            "more than 10."
        ),
    ] = 0.1
    metrics_path: Annotated[
        str | None,
        _setting(
            "File (or URL that fsspec knows) that gets the counts of the run in Prometheus' text format, at "
            "each checkpoint and at the end."
        ),
    ] = None
    dry_run: Annotated[
        bool,
        _setting(
            "Map, validate and count, and write what would be sent to `work_path`; no request leaves and "
            "no state is emitted."
        ),
    ] = False
    validate_records: Annotated[bool, _setting("Check every record against its stream's SCHEMA.")] = True


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


def json_schema(settings: type[msgspec.Struct] = Settings) -> dict[str, Any]:
    """Return a JSON schema with one property per setting: title, description, type, default, and `secret`."""
    properties: dict[str, Any] = {}
    required = []
    for field in msgspec.structs.fields(settings):
        (schema,), parts = msgspec.json.schema_components([field.type], schema_hook=_schema_of)
        shown = _inlined(schema, parts)
        shown["title"] = shown.get("title") or field.name.replace("_", " ").capitalize()
        if field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT:
            required.append(field.name)
        elif isinstance(field.default, str | int | float):
            shown["default"] = field.default
        properties[field.name] = shown
    return {"type": "object", "properties": properties, "required": required}


def _schema_of(kind: type) -> dict[str, Any]:
    """Return the schema of a secret, which is text in a configuration."""
    if kind is Secret:
        return {"type": "string"}
    raise NotImplementedError(f"no schema for {kind.__name__}")


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:
    """Replace references by their targets, and `anyOf [X, null]` by X with two types."""
    if isinstance(schema, list):
        return [_inlined(item, parts) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(parts[schema["$ref"].rsplit("/", 1)[-1]], parts)
    plain = {key: _inlined(value, parts) for key, value in schema.items()}
    choices = plain.pop("anyOf", None)
    if choices is not None:
        (chosen,) = (choice for choice in choices if choice != {"type": "null"})
        plain = {**chosen, **plain}
    kind = plain.get("type", "string" if "enum" in plain else None)
    if kind is not None:
        plain["type"] = [kind, "null"] if choices is not None else kind
    return plain
