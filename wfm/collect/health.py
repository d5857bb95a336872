"""The health of collection: how old and how complete every feed is, and the checks of `wfm doctor`."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import polars as pl

from wfm import defaults
from wfm.collect import spool
from wfm.collect.sources import ConfiguredSource
from wfm.core.errors import NoDataError, StoreError, WfmError
from wfm.core.time import INSTANT
from wfm.engine.inputs.state_timeline import map_states
from wfm.engine.time.codes import UNMAPPED_CODE
from wfm.storage.database import Database
from wfm.storage.ledger import summarise_feeds, summarise_imports
from wfm.vendors import Feed, HasBaseUrl

FEED_HEALTH_SCHEMA: Final = {
    "source": pl.String(),
    "vendor": pl.String(),
    "feed": pl.String(),
    "last_success_at": INSTANT,
    "age_s": pl.Float64(),
    "complete_until": INSTANT,
    "lag_s": pl.Float64(),
    "missing_s": pl.Float64(),
    "spooled": pl.Int64(),
    "result": pl.String(),
    "note": pl.String(),
}
MIN_FREE_BYTES: Final = 1_000_000_000
"""With less free space on the disk `wfm doctor` warns."""
LOOPBACK_TIMEOUT_S: Final = 2.0
LATE_AFTER_INTERVALS: Final = 3
"""A feed is late when its last success is more than this many polling intervals ago."""
Grade = Literal["ok", "warn", "bad"]


@dataclass(frozen=True)
class DoctorFinding:
    """The result of one check of `wfm doctor`: a grade, what was found, and what to do."""

    check: str
    grade: Grade
    what: str
    todo: str = ""


def build_feed_table(
    database: Database, sources: Mapping[str, ConfiguredSource], folder: Path, now: datetime
) -> pl.DataFrame:
    """Return a row per feed of every configured source and of every imported table.

    Columns: source vendor feed last_success_at age_s (seconds since then) complete_until lag_s (seconds since then)
    missing_s (seconds in gaps) spooled (waiting batches) result note (of the last cycle).
    """
    try:
        with database.open_reader() as reader:
            collected, imported = summarise_feeds(reader), summarise_imports(reader)
    except NoDataError:
        collected = imported = pl.DataFrame()
    ledgers = {(row["source"], row["feed"]): row for row in collected.iter_rows(named=True)}
    rows = [
        _build_feed_row(source, feed, ledgers.get((source.name, feed.name)), folder, now)
        for source in sources.values()
        for feed in source.feeds.values()
    ]
    return pl.DataFrame([*rows, *_build_import_rows(imported, now)], schema=FEED_HEALTH_SCHEMA)


def build_feed_table_without_database(sources: Mapping[str, ConfiguredSource], folder: Path) -> pl.DataFrame:
    """Return the rows of `build_feed_table` while the database cannot be read: only the spool is counted."""
    rows = [
        _build_uncollected_row(source, feed, folder) | {"result": "unknown"}
        for source in sources.values()
        for feed in source.feeds.values()
    ]
    return pl.DataFrame(rows, schema=FEED_HEALTH_SCHEMA)


def _build_feed_row(
    source: ConfiguredSource, feed: Feed, ledger: dict[str, Any] | None, folder: Path, now: datetime
) -> dict[str, object]:
    row = _build_uncollected_row(source, feed, folder)
    if ledger is None:
        return row
    row |= {name: ledger[name] for name in ("last_success_at", "complete_until", "missing_s", "result")}
    row["note"] = ledger["note"] or ""
    row["age_s"] = _seconds_since(ledger["last_success_at"], now)
    row["lag_s"] = _seconds_since(ledger["complete_until"], now)
    return row


def _build_uncollected_row(source: ConfiguredSource, feed: Feed, folder: Path) -> dict[str, object]:
    """Return the row of a feed that was never collected; batches may wait in the spool."""
    names = {"source": source.name, "vendor": source.vendor.NAME, "feed": feed.name}
    waiting = len(spool.list_waiting_batches(folder, source.name))
    return (
        dict.fromkeys(FEED_HEALTH_SCHEMA) | names | {"spooled": waiting, "result": "never asked", "note": ""}
    )


def _seconds_since(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else (now - at).total_seconds()


def _build_import_rows(imported: pl.DataFrame, now: datetime) -> list[dict[str, object]]:
    """Return the rows of imported tables: imports grow old as well."""
    return [
        {
            **dict.fromkeys(FEED_HEALTH_SCHEMA),
            "source": row["source"],
            "vendor": "file",
            "feed": row["feed"],
            "last_success_at": row["made_at"],
            "age_s": _seconds_since(row["made_at"], now),
            "complete_until": row["to_at"],
            "spooled": 0,
            "result": "complete",
            "note": row["note"] or "",
        }
        for row in imported.iter_rows(named=True)
    ]


def check_health(
    database: Database, sources: Mapping[str, ConfiguredSource], folder: Path, now: datetime
) -> list[DoctorFinding]:
    """Check the disk, the database, the spool, the feeds, the state mappings and the clocks.

    Raises:
        StoreError: the database cannot be read; see `check_without_database`.
    """
    found = [_check_disk(database), *_check_database(database), *_check_spool(folder, sources)]
    if not sources:
        found.append(
            DoctorFinding(
                "sources",
                "warn",
                "no source is configured",
                "see settings.example.env; files can be imported",
            )
        )
    table = build_feed_table(database, sources, folder, now)
    for source in sources.values():
        if address := _find_dead_loopback_address(source):
            found.append(_report_dead_loopback(source, address))
            continue
        for feed in source.feeds.values():
            row = table.filter(pl.col("source") == source.name, pl.col("feed") == feed.name).row(
                0, named=True
            )
            found.append(_check_feed(row, feed))
    return [*found, *_check_mappings(database, now), *_check_clocks(database, now)]


def check_without_database(
    database: Database, sources: Mapping[str, ConfiguredSource], folder: Path, why: StoreError
) -> list[DoctorFinding]:
    """Check what can be checked while the database cannot be read: the disk and the spool."""
    todo = "what is collected meanwhile waits in the spool; the other checks need the database"
    return [
        _check_disk(database),
        DoctorFinding("database", "bad", str(why), todo),
        *_check_spool(folder, sources),
    ]


def _find_dead_loopback_address(source: ConfiguredSource) -> str | None:
    """Return the address of a source on this machine where nothing listens; None if something does."""
    settings = source.settings
    url = urlsplit((settings.base_url or "") if isinstance(settings, HasBaseUrl) else "")
    try:
        if url.hostname != "localhost" and not ip_address(url.hostname or "").is_loopback:
            return None
        socket.create_connection((url.hostname, url.port or 80), timeout=LOOPBACK_TIMEOUT_S).close()
    except ValueError:  # a host name, so not on this machine
        return None
    except OSError:
        return url.netloc
    return None


def _report_dead_loopback(source: ConfiguredSource, address: str) -> DoctorFinding:
    port = address.rpartition(":")[2]
    return DoctorFinding(
        source.name,
        "warn",
        f"nothing listens at {address} on this machine; what was collected stays available",
        f"if it is the sandbox: wfm sandbox --port {port}",
    )


def _check_disk(database: Database) -> DoctorFinding:
    folder = database.path.absolute().parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return DoctorFinding(
            "disk", "bad", f"{folder}: {error.strerror}", "create the directory or name another database"
        )
    if free < MIN_FREE_BYTES:
        return DoctorFinding(
            "disk",
            "bad",
            f"{free / 1e6:,.0f} MB are free in {folder}",
            "free some space: collecting stops when the disk is full",
        )
    return DoctorFinding("disk", "ok", f"{free / 1e9:,.0f} GB are free")


def _check_database(database: Database) -> list[DoctorFinding]:
    try:
        with database.open_reader() as reader:
            collected, _ = reader.read_last_collection()
    except NoDataError:
        return [
            DoctorFinding(
                "database", "warn", f"{database.path} does not exist yet", "import or collect something"
            )
        ]
    return [
        DoctorFinding(
            "database",
            "ok",
            f"{database.path}, {database.path.stat().st_size / 1e6:,.0f} MB, {collected:,} collections",
        )
    ]


def _check_spool(folder: Path, sources: Mapping[str, ConfiguredSource]) -> list[DoctorFinding]:
    waiting = spool.list_waiting_batches(folder)
    found = []
    if waiting:
        orphaned = [path for path in waiting if path.name.split(".")[1] not in sources]
        todo = "they are stored by the next `wfm collect`" + (
            f"; {len(orphaned)} are of sources that are not configured any more" if orphaned else ""
        )
        found.append(DoctorFinding("spool", "warn", f"{len(waiting):,} batches wait in {folder}", todo))
    damaged = list(folder.glob(f"*{spool.DAMAGED_ENDING}")) if folder.is_dir() else []
    if damaged:
        found.append(
            DoctorFinding(
                "spool",
                "bad",
                f"{len(damaged)} damaged batches in {folder}",
                "collect their windows again: wfm collect --from --to --again",
            )
        )
    return found or [DoctorFinding("spool", "ok", "empty")]


def _check_feed(row: Mapping[str, Any], feed: Feed) -> DoctorFinding:
    name = f"{row['source']} {row['feed']}"
    age, missing = row["age_s"], row["missing_s"]
    if feed.kind == "push":  # no deadline: nobody calls at night
        status = (
            "nothing was delivered yet"
            if age is None
            else f"last delivery stored {_format_duration(age)} ago"
        )
        return DoctorFinding(name, "warn" if row["note"] else "ok", f"{status}; {row['note']}".rstrip("; "))
    if age is None:
        return DoctorFinding(
            name,
            "warn",
            f"never collected ({row['result']}) {row['note']}".strip(),
            f"wfm collect {row['source']}",
        )
    status = f"last success {_format_duration(age)} ago"
    if age > LATE_AFTER_INTERVALS * feed.every_s:
        return DoctorFinding(
            name,
            "bad",
            f"{status}; {row['note']}".rstrip("; "),
            f"run wfm collect {row['source']} every {_format_duration(feed.every_s)}",
        )
    if missing:
        return DoctorFinding(
            name, "warn", f"{status}; {_format_duration(missing)} are missing", "the next cycles collect it"
        )
    if row["note"]:
        return DoctorFinding(name, "warn", f"{status}; {row['note']}", "")
    return DoctorFinding(name, "ok", status)


def _check_mappings(database: Database, now: datetime) -> list[DoctorFinding]:
    """Check for vendor states without a mapping in the last week."""
    week = (now - timedelta(days=7), now + timedelta(days=1))
    try:
        with database.open_reader() as reader:
            states = reader.read_table("agent_state", span=week)
            own = reader.read_table("state_map")
    except WfmError:
        return []
    if states.is_empty():
        return []
    codes = map_states(states, pl.concat([defaults.read_default_table("state_map"), own]))
    unmapped = states.filter(codes == UNMAPPED_CODE)["vendor_state"].value_counts(sort=True)
    if unmapped.is_empty():
        return [DoctorFinding("state map", "ok", "every state of the last week is mapped")]
    listed = ", ".join(f"{state!r} ({n:,})" for state, n in unmapped.head(5).iter_rows())
    return [
        DoctorFinding(
            "state map", "warn", f"no mapping for {listed}", "wfm import state_map FILE (vendor_state, state)"
        )
    ]


def _check_clocks(database: Database, now: datetime) -> list[DoctorFinding]:
    """Check for states in the future: a clock or a time unit is wrong then."""
    try:
        with database.open_reader() as reader:
            future = reader.read_table(
                "agent_state", span=(now + timedelta(minutes=5), now + timedelta(days=36_500))
            )
    except WfmError:
        return []
    if future.is_empty():
        return [DoctorFinding("clocks", "ok", "no state lies in the future")]
    return [
        DoctorFinding(
            "clocks",
            "bad",
            f"{future.height:,} states lie in the future, the last {future['at'].max()!s}",
            "check the clocks and the time unit of the source",
        )
    ]


def _format_duration(seconds: float) -> str:
    for length, word in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {word}"
    return f"{seconds:,.0f} s"
