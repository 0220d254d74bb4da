"""Records in files, and files behind URLs: BATCH messages, archives, dry runs, and the work path."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from singer import DATE_TIME, INTEGER, NUMBER, STRING, record, schema, state, users
from target_process import config_file, run

from target_batch.commands import history
from target_batch.common.errors import InputError
from target_batch.singer.row_files import RowFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local_batch import LocalBatch

MIB = 1024 * 1024
GZIP = {"format": "jsonl", "compression": "gzip"}
PLAIN = {"format": "jsonl", "compression": "none"}
PARQUET = {"format": "parquet", "compression": "none"}


def rows(first: int, last: int) -> list[dict[str, Any]]:
    return [{"user_id": f"u{number}", "seat": number} for number in range(first, last + 1)]


def jsonl(path: Path, found: list[dict[str, Any]]) -> str:
    """Write rows as JSON lines, compressed if the name ends with `.gz`."""
    text = "".join(json.dumps(row) + "\n" for row in found).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return f"file://{path}"


def parquet(path: Path, found: list[dict[str, Any]]) -> str:
    """Write rows as Parquet."""
    pq.write_table(pa.Table.from_pylist(found), path)
    return f"file://{path}"


def batch_message(uri: str, encoding: dict[str, Any]) -> str:
    return json.dumps({"type": "BATCH", "stream": "users", "encoding": encoding, "manifest": [uri]})


@pytest.mark.parametrize(
    ("name", "write", "encoding"),
    [("a.jsonl.gz", jsonl, GZIP), ("a.jsonl", jsonl, PLAIN), ("a.parquet", parquet, PARQUET)],
    ids=["gzip", "plain", "parquet"],
)
def test_a_batch_message_loads_the_rows_of_its_file(
    tmp_path: Path, batch: LocalBatch, name: str, write: Any, encoding: dict[str, Any]
) -> None:
    """The rows keep their order among the records around them, and a bad row is rejected alone."""
    uri = write(tmp_path / name, [*rows(5, 700), {"user_id": None, "seat": 1}])
    lines = [
        *users(1, 5),
        batch_message(uri, encoding),
        record("users", user_id="u700", seat=0),
        state({"e": 1}),
    ]
    ended = run(tmp_path, batch.url, lines)
    assert (ended.code, ended.states) == (0, [{"e": 1}])
    assert batch.summary()["profiles"] == 700
    assert batch.profile("u700")["attributes"]["seat"] == 0
    assert ended.totals("users")["read"] == 5 + 697 + 1
    assert ended.codes("users") == ["missing_custom_id"]


def test_a_batch_file_that_ends_in_the_middle_stops_the_run_before_it(
    tmp_path: Path, batch: LocalBatch
) -> None:
    path = tmp_path / "torn.jsonl.gz"
    whole = gzip.compress("".join(json.dumps(row) + "\n" for row in rows(1, 3000)).encode())
    path.write_bytes(whole[: len(whole) // 2])
    lines = [*users(1, 5), state({"before": 1}), batch_message(f"file://{path}", GZIP), state({"after": 1})]
    ended = run(tmp_path, batch.url, lines)
    assert (ended.code, ended.states) == (1, [{"before": 1}])
    assert "line 8" in ended.log


def broken(path: Path) -> tuple[str, dict[str, Any]]:
    """Write a damaged file; its name chooses the kind of damage."""
    whole = gzip.compress("".join(json.dumps(row) + "\n" for row in rows(1, 3000)).encode())
    bent = whole[: len(whole) // 2] + b"\xff\xff\xff\xff" + whole[len(whole) // 2 + 4 :]
    contents: dict[str, tuple[bytes, dict[str, Any]]] = {
        "bent.gz": (bent, GZIP),
        "empty.gz": (b"", PLAIN),
        "empty.jsonl": (b"", GZIP),
        "empty.parquet": (b"", PLAIN),
        "trailer.gz": (whole[:-8], GZIP),
        "label.jsonl": (bent, PLAIN),
        "csv.jsonl": (b"user_id,seat\nu6,6\n", {"format": "csv"}),
        "torn.parquet": (b"PAR1 torn", PARQUET),
        "list.jsonl": (b"[1]\n", PLAIN),
        "cut.jsonl": (b'{"user_id": "u6", "sea', PLAIN),
    }
    content, encoding = contents[path.name]
    path.write_bytes(content)
    return path.as_uri(), encoding


@pytest.mark.parametrize(
    "name",
    [
        "bent.gz", "empty.gz", "empty.jsonl", "empty.parquet", "trailer.gz", "label.jsonl", "csv.jsonl",
        "torn.parquet", "list.jsonl", "cut.jsonl",
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_stops_the_run_before_it(
    tmp_path: Path, batch: LocalBatch, name: str
) -> None:
    """Nothing of the file is sent and its state is held, for every exception of the libraries."""
    uri, encoding = broken(tmp_path / name)
    lines = [*users(1, 5), state({"before": 1}), batch_message(uri, encoding), state({"after": 1})]
    ended = run(tmp_path, batch.url, lines)
    assert (ended.code, ended.states) == (1, [{"before": 1}])
    assert {line["custom_id"] for line in batch.journal()} == {f"u{number}" for number in range(1, 6)}
    assert ended.totals("users")["read"] == ended.totals("users")["delivered"] == 5
    assert "line 8" in ended.log
    assert "Internal error" not in ended.log


def packed(path: Path, packing: str) -> None:
    """Write two people to a file, packed as `packing` says; its name does not matter."""
    found = rows(6, 7)
    text = "".join(json.dumps(row) + "\n" for row in found).encode()
    if packing == "parquet":
        parquet(path, found)
    elif packing == "zstd":
        with pa.CompressedOutputStream(str(path), "zstd") as file:
            file.write(text)
    else:
        pack: Callable[[bytes], bytes] = {"gzip": gzip, "bz2": bz2, "xz": lzma}[packing].compress
        path.write_bytes(pack(text))


@pytest.mark.parametrize(
    ("name", "packing", "encoding"),
    [
        pytest.param("a.jsonl", "gzip", PLAIN, id="gzip labelled as plain"),
        pytest.param(
            "a.gz", "gzip", {"format": "jsonl", "compression": "snappy"}, id="gzip labelled as snappy"
        ),
        pytest.param("a.gz", "zstd", GZIP, id="zstd labelled as gzip"),
        pytest.param("a.jsonl", "bz2", PLAIN, id="bzip2 labelled as plain"),
        pytest.param("a.jsonl", "xz", {"format": "jsonl"}, id="xz without a label"),
        pytest.param("a.gz", "parquet", GZIP, id="Parquet labelled as JSON lines"),
        *(
            pytest.param("a", "parquet", {"format": "parquet", "compression": label}, id=f"Parquet: {label}")
            for label in ("snappy", "zstd", "uncompressed", "gzip", "lz4_raw", "SNAPPY")
        ),
    ],
)
def test_the_first_bytes_of_a_file_decide_its_format(
    tmp_path: Path, batch: LocalBatch, name: str, packing: str, encoding: dict[str, Any]
) -> None:
    """Names and labels are often wrong, above all if a storage unpacks files on the way."""
    packed(tmp_path / name, packing)
    lines = [*users(1, 1), batch_message(f"file://{tmp_path / name}", encoding), state({"end": 1})]
    ended = run(tmp_path, batch.url, lines)
    assert (ended.code, ended.states) == (0, [{"end": 1}])
    assert {line["custom_id"] for line in batch.journal()} == {"u1", "u6", "u7"}


@pytest.mark.parametrize("name", ["a.jsonl.gz", "b.jsonl"])
def test_a_file_may_be_empty(tmp_path: Path, batch: LocalBatch, name: str) -> None:
    """This holds for packed and plain files; a plain file that is labelled as packed is read, too."""
    uri = jsonl(tmp_path / name, [])
    plain = tmp_path / "plain.gz"
    plain.write_text('{"user_id": "u2"}\n')
    lines = [*users(1, 1), batch_message(uri, PLAIN), batch_message(plain.as_uri(), GZIP), state({"end": 1})]
    ended = run(tmp_path, batch.url, lines)
    assert (ended.code, ended.states) == (0, [{"end": 1}])
    assert ended.totals("users")["delivered"] == 2


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("two words.jsonl", "file://{folder}/two%20words.jsonl"),
        ("two words.jsonl", "file://{folder}/two words.jsonl"),
        ("a%20b.jsonl", "file://{folder}/a%20b.jsonl"),
        ("a%20b.jsonl", "file://{folder}/a%2520b.jsonl"),
        ("été#1?.jsonl", "file://localhost{folder}/%C3%A9t%C3%A9%231%3F.jsonl"),
        ("a+b.jsonl", "file:{folder}/a+b.jsonl"),
    ],
)
def test_the_url_of_a_file_may_be_encoded_or_plain(
    tmp_path: Path, batch: LocalBatch, name: str, written: str
) -> None:
    jsonl(tmp_path / name, rows(6, 7))
    message = batch_message(written.format(folder=tmp_path), PLAIN)
    ended = run(tmp_path, batch.url, [*users(1, 1), message, state({"end": 1})])
    assert (ended.code, ended.states) == (0, [{"end": 1}])
    assert ended.totals("users")["delivered"] == 3


def test_times_of_nanoseconds_are_read_to_the_microsecond(tmp_path: Path, batch: LocalBatch) -> None:
    """This holds at any depth; a date beyond the range of Python is rejected alone."""
    at = 1_750_000_000_123_456_789
    table = pa.table(
        {
            "user_id": pa.array(["u1", "u2"]),
            "at": pa.array([at, None], pa.timestamp("ns")),
            "zoned": pa.array([at, at], pa.timestamp("ns", tz="UTC")),
            "clock": pa.array([1_001, 2_002], pa.time64("ns")),
            "took": pa.array([1_500_000_001, 0], pa.duration("ns")),
            "days": pa.array([[at], []], pa.list_(pa.timestamp("ns"))),
            "far": pa.array([4_000_000, 1], pa.date32()),
            "name": pa.array([b"Zo\xc3\xab", b"\xff\xfe"]),
        }
    )
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, version="2.6")
    properties = {"user_id": STRING, "at": DATE_TIME, "zoned": DATE_TIME, "far": DATE_TIME, "name": STRING}
    lines = [schema("users", properties), batch_message(path.as_uri(), PARQUET), state({"end": 1})]
    ended = run(tmp_path, batch.url, lines)
    assert (ended.code, ended.states) == (0, [{"end": 1}])
    one, two = ({**line["attributes"]} for line in batch.journal())
    assert one["date(at)"] == one["date(zoned)"] == "2025-06-15T15:06:40.123456Z"
    assert (one["clock"], one["days"]) == ("00:00:00.000001", ["2025-06-15T15:06:40.123456"])
    assert one["name"] == "Zo\u00eb"
    assert two["date(far)"] == "1970-01-02T00:00:00Z"
    assert sorted(ended.codes()) == ["invalid_date", "unsupported_value"]


@pytest.mark.parametrize("uri", ["nowhere://bucket/x.jsonl", "file:///no/such/file", "file:///"])
def test_a_missing_file_stops_the_run_before_it(tmp_path: Path, batch: LocalBatch, uri: str) -> None:
    lines = [*users(1, 5), state({"before": 1}), batch_message(uri, PLAIN), state({"after": 1})]
    ended = run(tmp_path, batch.url, lines)
    assert (ended.code, ended.states) == (1, [{"before": 1}])
    assert "line 8" in ended.log
    assert "Internal error" not in ended.log


ODD_TEXT = (
    b'\xef\xbb\xbf{"user_id": "u1", "seat": 1, "score": NaN}\r\n\r\n'
    b'{"user_id": "u2", "seat": 2, "score": -Infinity}\n'
    b'{"user_id": "u3", "seat": 3, "score": 0.1234567890123456789}'
)


def odd_file(folder: Path, kind: str) -> tuple[Path, dict[str, Any]]:
    """Write three people, two of them with a score that is not a number."""
    path = folder / f"odd.{kind}"
    if kind == "jsonl":
        path.write_bytes(ODD_TEXT)
        return path, PLAIN
    scores = [float("nan"), float("-inf"), 0.12345678901234568]
    table = {"user_id": ["u1", "u2", "u3"], "seat": [1, 2, 3], "score": scores}
    pq.write_table(pa.table(table), path)
    return path, PARQUET


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.csv"])
def test_the_length_of_a_line_in_a_file_is_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A line that never ends fills no memory, packed or not, and the rows before it are read."""
    monkeypatch.setattr("target_batch.singer.row_files.LONGEST_LINE", 2 * MIB)
    good = b"user_id\nu1\n" if name.endswith("csv") else b'{"user_id": "u1"}\n'
    text = good + b"x" * 5 * MIB
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    file = RowFile(str(path))
    found: Iterator[Any] = file.csv_rows() if name.endswith("csv") else file.lines({})
    assert next(found)
    with pytest.raises(InputError, match=f"{name}' is longer than 2 MiB"):
        next(found)


def test_invalid_values_of_a_file_are_rejected_alone(tmp_path: Path, batch: LocalBatch) -> None:
    """An exponent beyond any number and half a surrogate pair are rejected alone, as in RECORD messages."""
    path = tmp_path / "odd.jsonl"
    path.write_bytes(
        b'{"user_id": "u1", "seat": 1e999999999999999999999, "plan": "a"}\n'
        b'{"user_id": "u2", "seat": 2, "plan": "\\ud800"}\n'
    )
    lines = [schema("users", {"user_id": STRING, "seat": NUMBER, "plan": STRING})]
    lines += [batch_message(path.as_uri(), PLAIN), state({"seen": 2})]
    ended = run(tmp_path, batch.url, lines)
    assert (ended.code, ended.states) == (0, [{"seen": 2}])
    assert [line["attributes"] for line in batch.journal()] == [{"plan": "a"}, {"seat": 2}]
    assert sorted(ended.codes()) == ["invalid_number", "invalid_text"]
    assert ended.totals("users")["delivered"] == 2


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "undeclared"])
def test_nan_and_infinity_in_files_are_rejected_alone(
    tmp_path: Path, batch: LocalBatch, kind: str, *, declared: bool
) -> None:
    """Above all they never become null, which would delete the attribute."""
    path, encoding = odd_file(tmp_path, kind)
    properties = {"user_id": STRING, "seat": INTEGER, **({"score": NUMBER} if declared else {})}
    lines = [schema("users", properties), batch_message(path.as_uri(), encoding), state({"seen": 3})]
    ended = run(tmp_path, batch.url, lines)
    assert (ended.code, ended.emitted) == (0, ['{"seen": 3}'])
    held = [line["attributes"] for line in batch.journal()]
    assert held[:2] == [{"seat": 1}, {"seat": 2}]
    assert held[2]["score"] == pytest.approx(0.12345678901234568, abs=1e-18)
    assert [(row["user_id"], row["score"]) for row in ended.rejects()] == [("u1", "nan"), ("u2", "-inf")]
    assert ended.totals("users")["delivered"] == 3


def test_a_lone_surrogate_in_an_archive_rejects_its_attribute(tmp_path: Path, batch: LocalBatch) -> None:
    """In a custom ID it rejects the record, since the ID without it would be that of another person."""
    archive = tmp_path / "rows.jsonl"
    people = [{"user_id": "u1", "name": "x\ud800", "seat": 1}, {"user_id": "u\udfff", "seat": 2}]
    archive.write_text(
        "".join(json.dumps(row) + "\n" for row in [*people, {"user_id": "u3", "name": "\U0001f600"}])
    )
    states, entry = replay(tmp_path, batch.url, "--stream", "users", str(archive))
    assert states == [{"replay": {"file": str(archive), "rows": 3}}]
    held = {line["custom_id"]: line["attributes"] for line in batch.journal()}
    assert held == {"u1": {"seat": 1}, "u3": {"name": "\U0001f600"}}
    counts = entry["streams"]["users"]
    assert (counts["delivered"], counts["rejected"], counts["reasons"]) == (2, 1, {"invalid_text": 2})


def test_rows_are_read_from_any_storage_of_fsspec(tmp_path: Path, batch: LocalBatch) -> None:
    """Files behind a pattern and inside a zip are read in place, in the order of their names."""
    for number in (1, 2, 3):
        parquet(tmp_path / f"part-{number}.parquet", rows(10 * number, 10 * number + 9))
    states, entry = replay(tmp_path, batch.url, "--stream", "users", f"local://{tmp_path}/part-*.parquet")
    assert [state["replay"]["file"][-14:] for state in states] == ["part-3.parquet"]
    assert entry["streams"]["users"]["delivered"] == 30
    with zipfile.ZipFile(tmp_path / "rows.zip", "w") as archive:
        archive.writestr("a.jsonl", "".join(json.dumps(row) + "\n" for row in rows(50, 59)))
    message = batch_message(f"zip://a.jsonl::file://{tmp_path}/rows.zip", PLAIN)
    ended = run(tmp_path, batch.url, [*users(1, 1), message, state({"seen": 1})])
    assert (ended.code, ended.totals("users")["delivered"]) == (0, 11)
    assert batch.summary()["profiles"] == 41


def replay(
    folder: Path, url: str, *arguments: str, expect: int = 0, **settings: Any
) -> tuple[list[Any], dict[str, Any]]:
    """Run `target-batch replay` and return its states and its run's line."""
    config = config_file(folder, url, **settings)
    command = [sys.executable, "-m", "target_batch", "replay", "--config", str(config), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == expect, done.stderr
    states = [json.loads(line) for line in done.stdout.splitlines()]
    (*_, last) = (folder / "work" / "runs.jsonl").read_text().splitlines()
    return states, json.loads(last)


def test_an_archive_of_segment_messages_is_replayed_in_its_window(tmp_path: Path, batch: LocalBatch) -> None:
    messages = [
        {
            "type": "identify",
            "userId": f"s{day}",
            "traits": {"plan": "pro"},
            "timestamp": f"2026-01-{day:02d}T10:00:00Z",
        }
        for day in range(1, 11)
    ]
    messages += [
        {"type": "track", "userId": "s3", "event": "Old", "timestamp": "2026-01-03T10:00:00Z"},
        {"type": "alias", "userId": "s3", "previousId": "x", "timestamp": "2026-01-03T10:00:00Z"},
        {"type": "identify", "anonymousId": "a", "timestamp": "2026-01-03T10:00:00Z"},
    ]
    archive = tmp_path / "archive.jsonl.gz"
    jsonl(archive, messages)
    window = {"start": "2026-01-03", "end": "2026-01-06", "types": ["identify"]}
    states, entry = replay(tmp_path, batch.url, "--stream", "archive", str(archive), replay=window)
    assert batch.summary()["profiles"] == 3
    assert states[-1] == {"replay": {"file": str(archive), "rows": 13}}
    counts = entry["streams"]["archive"]
    assert (counts["read"], counts["delivered"], counts["undelivered"]) == (13, 3, 0)
    assert counts["reasons"]["outside_replay_window"] == 7


def test_a_replay_goes_on_where_its_state_ends(tmp_path: Path, batch: LocalBatch) -> None:
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    jsonl(first, rows(1, 30))
    jsonl(second, rows(31, 40))
    state_file = tmp_path / "state.jsonl"
    state_file.write_text(json.dumps({"replay": {"file": str(first), "rows": 25}}) + "\n")
    arguments = ("--stream", "users", "--state", str(state_file), str(first), str(second))
    states, entry = replay(tmp_path, batch.url, *arguments)
    assert entry["streams"]["users"]["read"] == 15
    assert states[-1] == {"replay": {"file": str(second), "rows": 10}}


def test_nothing_of_a_broken_archive_is_sent(tmp_path: Path, batch: LocalBatch) -> None:
    """The state ends before it, and the replay goes on from there once the file is whole."""
    first, second = tmp_path / "1.jsonl.gz", tmp_path / "2.jsonl.gz"
    jsonl(first, rows(1, 30))
    jsonl(second, rows(31, 3000))
    whole = second.read_bytes()
    second.write_bytes(whole[:-4])
    files = ("--stream", "users", str(first), str(second))
    states, entry = replay(tmp_path, batch.url, *files, expect=1)
    assert entry["streams"]["users"]["read"] == batch.summary()["profiles"] == 30
    assert "2.jsonl.gz" in entry["cause"]
    second.write_bytes(whole)
    state_file = tmp_path / "state.jsonl"
    state_file.write_text("".join(json.dumps(state) + "\n" for state in states))
    states, entry = replay(tmp_path, batch.url, "--state", str(state_file), *files)
    assert entry["streams"]["users"]["read"] == 2970
    assert states[-1] == {"replay": {"file": str(second), "rows": 2970}}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere.jsonl", "the file does not exist"),
        ("file:///nowhere/*.jsonl", "no file matches"),
    ],
)
def test_a_missing_file_is_named_before_the_replay_begins(
    tmp_path: Path, batch: LocalBatch, name: str, reason: str
) -> None:
    config = config_file(tmp_path, batch.url)
    target = [sys.executable, "-m", "target_batch", "replay", "--config", str(config)]
    done = subprocess.run(
        [*target, "--stream", "users", name], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert f"{name}: {reason}" in done.stderr
    assert not (tmp_path / "work").exists()


def test_a_pattern_matches_files_and_no_folders(tmp_path: Path, batch: LocalBatch) -> None:
    """A link counts as what it leads to."""
    folder, elsewhere = tmp_path / "in", tmp_path / "elsewhere.jsonl"
    (folder / "sub").mkdir(parents=True)
    (folder / "link").symlink_to(folder / "sub")
    jsonl(folder / "a.jsonl", rows(1, 3))
    jsonl(elsewhere, rows(4, 5))
    (folder / "b.jsonl").symlink_to(elsewhere)
    _, entry = replay(tmp_path, batch.url, "--stream", "users", f"{folder}/*")
    assert entry["streams"]["users"]["delivered"] == 5


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("foo://me:canary@x/*", "foo://… cannot be expanded: its URL is wrong, its protocol is unknown"),
        (
            "gdrive://canary/*",
            "or needs a package of its own (s3fs, gcsfs, …) (ImportError). Nothing was sent",
        ),
        (
            "zip://*::file:///canary.zip",
            "its storage does not list its files (FileNotFoundError). Nothing",
        ),
        (".", ". is a folder, so nothing was sent"),
    ],
    ids=["protocol", "package", "storage", "folder"],
)
def test_a_pattern_that_cannot_be_expanded_is_refused(
    tmp_path: Path, batch: LocalBatch, name: str, reason: str
) -> None:
    """The message shows no more than the protocol, since a URL may hold a password."""
    target = [
        sys.executable,
        "-m",
        "target_batch",
        "replay",
        "--config",
        str(config_file(tmp_path, batch.url)),
    ]
    done = subprocess.run(
        [*target, "--stream", "users", name], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert reason in " ".join(done.stderr.split())
    assert "canary" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dry_run_writes_requests_and_sends_none(tmp_path: Path, batch: LocalBatch) -> None:
    """The requests are on disk, counted and forecast; no state passes, and no ledger is written."""
    members = [record("vip_audience", user_id=f"u{n}") for n in range(1, 4)]
    lines = [*users(1, 3), schema("vip_audience", {"user_id": STRING}), *members, state({"end": 1})]
    ended = run(tmp_path, batch.url, lines, dry_run=True, streams={"vip_audience": {"mode": "mirror"}})
    assert (ended.code, ended.states) == (0, [])
    assert batch.summary()["requests"]["total"] == 0
    kept = sorted((ended.work / "dry-run").glob("*/*.json"))
    (profiles,) = [json.loads(path.read_text()) for path in kept if "profiles-update" in path.name]
    assert [entry["identifiers"]["custom_id"] for entry in profiles] == ["u1", "u2", "u3"]
    assert any("audiences-replace" in path.name for path in kept)
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert "3 profile updates and 4 audience calls" in ended.log
    assert "something else changes this audience" not in ended.log
    assert ended.run["dry_run"] is True
    assert not (ended.work / "ledger.db").exists()


def test_a_dry_run_that_cannot_write_says_what_to_do(tmp_path: Path, batch: LocalBatch) -> None:
    """A full disk, or here a file in the way, is not reported as an internal error."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "dry-run").touch()
    ended = run(tmp_path, batch.url, users(1, 3), dry_run=True)
    assert (ended.code, ended.states) == (1, [])
    assert "The requests of the dry run cannot be written (" in ended.log
    assert "`work_path`" in ended.log
    assert "Please report" not in ended.log


def test_a_dry_run_of_a_mirror_shows_the_differences(tmp_path: Path, batch: LocalBatch) -> None:
    """The members come from the ledger, and Batch is not called."""

    def rows(*members: str) -> list[str]:
        made = [record("vips", user_id=member) for member in members]
        return [schema("vips", {"user_id": STRING}), *made, state({"end": 1})]

    settings = {"streams": {"vips": {"kind": "audiences", "mode": "mirror"}}, "wait_for_indexing": False}
    assert run(tmp_path, batch.url, rows("a", "b", "c"), **settings).code == 0
    before = batch.summary()["requests"]["total"]
    ended = run(tmp_path, batch.url, rows("a", "b", "d"), dry_run=True, **settings)
    assert ended.code == 0
    assert "'vips': +1 \u22121 =2" in ended.log
    assert batch.summary()["requests"]["total"] == before
    kept = sorted((ended.work / "dry-run").glob("*/*.json"))
    assert not any("replace" in path.name for path in kept)
    updates = [json.loads(path.read_text())["ids"] for path in kept if "update" in path.name]
    sent = {(change["action"], change["id"]) for changes in updates for change in changes}
    assert sent == {("add", "d"), ("remove", "c")}


def test_the_work_path_may_be_behind_a_url(tmp_path: Path, batch: LocalBatch) -> None:
    """Objects cannot grow, so each checkpoint writes a part, and every part can be replayed alone."""
    lines = [schema("users", {"user_id": STRING, "at": DATE_TIME, "seat": INTEGER})]
    for number in range(1, 7):
        lines += [record("users", user_id=None, seat=number), record("users", user_id=f"u{number}", seat=1)]
        lines.append(state({"seen": number}))
    ended = run(tmp_path, batch.url, lines, work_path=f"local://{tmp_path}/objects", checkpoint_records=4)
    assert ended.code == 0
    parts = sorted((tmp_path / "objects" / "rejects").glob("*.singer.jsonl"))
    refused = []
    for part in parts:
        head, *rest = [json.loads(line) for line in part.read_text().splitlines()]
        assert head["type"] == "SCHEMA"
        refused += [message["record"]["seat"] for message in rest if message["type"] == "RECORD"]
    assert refused == [1, 2, 3, 4, 5, 6]
    (entry,) = (tmp_path / "objects" / "runs").glob("*.jsonl")
    assert json.loads(entry.read_text())["streams"]["users"]["rejected"] == 6
    assert [run["exit"] for run in history.runs(f"local://{tmp_path}/objects")] == [0]


def test_a_work_path_of_an_unknown_kind_is_refused(tmp_path: Path, batch: LocalBatch) -> None:
    ended = run(tmp_path, batch.url, users(1, 2), work_path="nowhere://bucket/x")
    assert ended.code == 2
    assert "`work_path`" in ended.log
