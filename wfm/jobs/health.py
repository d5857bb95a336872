"""Health of collection: how old and how complete every feed is, and the checks of `wfm doctor`."""

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
from wfm.core.time import INSTANT
from wfm.engine.codes import UNMAPPED
from wfm.engine.timeline import map_states
from wfm.errors import NoDataError, StoreError, WfmError
from wfm.jobs import spool
from wfm.jobs.sources import Source
from wfm.storage.database import Store
from wfm.storage.ledger import summarise_feeds, summarise_imports
from wfm.vendors import Feed, HasBaseUrl

FEEDS: Final = {
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
ROOM: Final = 1_000_000_000
LOOPBACK_S: Final = 2.0
LATE: Final = 3
"""A feed is late when its last success is more than this many polling intervals ago."""
Grade = Literal["ok", "warn", "bad"]


@dataclass(frozen=True)
class Finding:
    """The result of one check of `wfm doctor`: a grade, what was found, and what to do."""

    check: str
    grade: Grade
    what: str
    todo: str = ""


def feeds(store: Store, sources: Mapping[str, Source], folder: Path, now: datetime) -> pl.DataFrame:
    """Return a row per feed of every configured source and of every imported table.

    Columns: source vendor feed last_success_at age_s (since then) complete_until lag_s (behind now) missing_s (in gaps
    before it) spooled (waiting batches) result note (of the last cycle).
    """
    try:
        with store.reading() as reader:
            asked, files = summarise_feeds(reader), summarise_imports(reader)
    except NoDataError:
        asked = files = pl.DataFrame()
    ledgers = {(row["source"], row["feed"]): row for row in asked.iter_rows(named=True)}
    rows = [
        _row(source, feed, ledgers.get((source.name, feed.name)), folder, now)
        for source in sources.values()
        for feed in source.feeds.values()
    ]
    return pl.DataFrame([*rows, *_imported(files, now)], schema=FEEDS)


def unread(sources: Mapping[str, Source], folder: Path) -> pl.DataFrame:
    """Return the rows of `build_feed_table` while the database cannot be read: only the spool is known."""
    rows = [
        _never(source, feed, folder) | {"result": "unknown"}
        for source in sources.values()
        for feed in source.feeds.values()
    ]
    return pl.DataFrame(rows, schema=FEEDS)


def _row(
    source: Source, feed: Feed, ledger: dict[str, Any] | None, folder: Path, now: datetime
) -> dict[str, object]:
    row = _never(source, feed, folder)
    if ledger is None:
        return row
    row |= {name: ledger[name] for name in ("last_success_at", "complete_until", "missing_s", "result")}
    row["note"] = ledger["note"] or ""
    row["age_s"] = _since(ledger["last_success_at"], now)
    row["lag_s"] = _since(ledger["complete_until"], now)
    return row


def _never(source: Source, feed: Feed, folder: Path) -> dict[str, object]:
    """Return the row of a feed that was never collected; batches may wait in the spool."""
    names = {"source": source.name, "vendor": source.vendor.NAME, "feed": feed.name}
    waiting = len(spool.waiting(folder, source.name))
    return dict.fromkeys(FEEDS) | names | {"spooled": waiting, "result": "never asked", "note": ""}


def _since(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else (now - at).total_seconds()


def _imported(files: pl.DataFrame, now: datetime) -> list[dict[str, object]]:
    """Return the rows of imported tables: imports grow old as well."""
    return [
        {
            **dict.fromkeys(FEEDS),
            "source": row["source"],
            "vendor": "file",
            "feed": row["feed"],
            "last_success_at": row["made_at"],
            "age_s": _since(row["made_at"], now),
            "complete_until": row["to_at"],
            "spooled": 0,
            "result": "complete",
            "note": row["note"] or "",
        }
        for row in files.iter_rows(named=True)
    ]


def examine(store: Store, sources: Mapping[str, Source], folder: Path, now: datetime) -> list[Finding]:
    """Check the disk, the database, the spool, the feeds, the state mappings and the clocks.

    Raises:
        StoreError: the database cannot be read; see `check_without_database`.
    """
    found = [_disk(store), *_database(store), *_spool(folder, sources)]
    if not sources:
        found.append(
            Finding(
                "sources",
                "warn",
                "no source is configured",
                "see settings.example.env; files can be imported",
            )
        )
    table = feeds(store, sources, folder, now)
    for source in sources.values():
        if absent := _nobody_at(source):
            found.append(_ended(source, absent))
            continue
        for feed in source.feeds.values():
            row = table.filter(pl.col("source") == source.name, pl.col("feed") == feed.name).row(
                0, named=True
            )
            found.append(_feed(row, feed))
    return [*found, *_mappings(store, now), *_clocks(store, now)]


def beside(store: Store, sources: Mapping[str, Source], folder: Path, why: StoreError) -> list[Finding]:
    """Check what can be checked while the database cannot be read: the disk and the spool."""
    todo = "what is collected meanwhile waits in the spool; the other checks need the database"
    return [_disk(store), Finding("database", "bad", str(why), todo), *_spool(folder, sources)]


def _nobody_at(source: Source) -> str | None:
    """Return the address of a source on this machine if nothing listens there; else None."""
    settings = source.settings
    url = urlsplit((settings.base_url or "") if isinstance(settings, HasBaseUrl) else "")
    try:
        if url.hostname != "localhost" and not ip_address(url.hostname or "").is_loopback:
            return None
        socket.create_connection((url.hostname, url.port or 80), timeout=LOOPBACK_S).close()
    except ValueError:  # a name: somewhere else
        return None
    except OSError:
        return url.netloc
    return None


def _ended(source: Source, address: str) -> Finding:
    port = address.rpartition(":")[2]
    return Finding(
        source.name,
        "warn",
        f"nothing listens at {address} on this machine; what was collected stays available",
        f"if it is the sandbox: wfm sandbox --port {port}",
    )


def _disk(store: Store) -> Finding:
    folder = store.path.absolute().parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(
            "disk", "bad", f"{folder}: {error.strerror}", "create the directory or name another database"
        )
    if free < ROOM:
        return Finding(
            "disk",
            "bad",
            f"{free / 1e6:,.0f} MB are free in {folder}",
            "free some space: collecting stops when the disk is full",
        )
    return Finding("disk", "ok", f"{free / 1e9:,.0f} GB are free")


def _database(store: Store) -> list[Finding]:
    try:
        with store.reading() as reader:
            collected, _ = reader.newest()
    except NoDataError:
        return [
            Finding("database", "warn", f"{store.path} does not exist yet", "import or collect something")
        ]
    return [
        Finding(
            "database",
            "ok",
            f"{store.path}, {store.path.stat().st_size / 1e6:,.0f} MB, {collected:,} collections",
        )
    ]


def _spool(folder: Path, sources: Mapping[str, Source]) -> list[Finding]:
    waiting = spool.waiting(folder)
    found = []
    if waiting:
        lost = [path for path in waiting if path.name.split(".")[1] not in sources]
        todo = "they are stored by the next `wfm collect`" + (
            f"; {len(lost)} are of sources that are not configured any more" if lost else ""
        )
        found.append(Finding("spool", "warn", f"{len(waiting):,} batches wait in {folder}", todo))
    damaged = list(folder.glob(f"*{spool.DAMAGED}")) if folder.is_dir() else []
    if damaged:
        found.append(
            Finding(
                "spool",
                "bad",
                f"{len(damaged)} damaged batches in {folder}",
                "collect their windows again: wfm collect --from --to --again",
            )
        )
    return found or [Finding("spool", "ok", "empty")]


def _feed(row: Mapping[str, Any], feed: Feed) -> Finding:
    name = f"{row['source']} {row['feed']}"
    age, missing = row["age_s"], row["missing_s"]
    if feed.kind == "push":  # no deadline: nobody calls at night
        said = "nothing was delivered yet" if age is None else f"last delivery stored {_ago(age)} ago"
        return Finding(name, "warn" if row["note"] else "ok", f"{said}; {row['note']}".rstrip("; "))
    if age is None:
        return Finding(
            name,
            "warn",
            f"never collected ({row['result']}) {row['note']}".strip(),
            f"wfm collect {row['source']}",
        )
    said = f"last success {_ago(age)} ago"
    if age > LATE * feed.every_s:
        return Finding(
            name,
            "bad",
            f"{said}; {row['note']}".rstrip("; "),
            f"run wfm collect {row['source']} every {_ago(feed.every_s)}",
        )
    if missing:
        return Finding(name, "warn", f"{said}; {_ago(missing)} are missing", "the next cycles collect it")
    if row["note"]:
        return Finding(name, "warn", f"{said}; {row['note']}", "")
    return Finding(name, "ok", said)


def _mappings(store: Store, now: datetime) -> list[Finding]:
    """Check for vendor states without a mapping in the last week."""
    week = (now - timedelta(days=7), now + timedelta(days=1))
    try:
        with store.reading() as reader:
            states = reader.table("agent_state", span=week)
            own = reader.table("state_map")
    except WfmError:
        return []
    if states.is_empty():
        return []
    codes = map_states(states, pl.concat([defaults.frame("state_map"), own]))
    unmapped = states.filter(codes == UNMAPPED)["vendor_state"].value_counts(sort=True)
    if unmapped.is_empty():
        return [Finding("state map", "ok", "every state of the last week is mapped")]
    words = ", ".join(f"{state!r} ({n:,})" for state, n in unmapped.head(5).iter_rows())
    return [
        Finding(
            "state map", "warn", f"no mapping for {words}", "wfm import state_map FILE (vendor_state, state)"
        )
    ]


def _clocks(store: Store, now: datetime) -> list[Finding]:
    """Check for states in the future: a clock or a time unit is wrong then."""
    try:
        with store.reading() as reader:
            ahead = reader.table(
                "agent_state", span=(now + timedelta(minutes=5), now + timedelta(days=36_500))
            )
    except WfmError:
        return []
    if ahead.is_empty():
        return [Finding("clocks", "ok", "no state lies in the future")]
    return [
        Finding(
            "clocks",
            "bad",
            f"{ahead.height:,} states lie in the future, the last {ahead['at'].max()!s}",
            "check the clocks and the time unit of the source",
        )
    ]


def _ago(seconds: float) -> str:
    for length, word in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {word}"
    return f"{seconds:,.0f} s"
