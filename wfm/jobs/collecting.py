"""Collect from configured sources over HTTP: the piece between the collector, the vendors and the client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

from wfm.errors import CollectError, NoDataError, OutputError, StoreError
from wfm.http import Client, Patience
from wfm.jobs import spool
from wfm.jobs.collect import Collector, Cycle
from wfm.jobs.sources import Source
from wfm.storage.payloads import delete_old_payloads
from wfm.vendors import Feed, Window

log = logging.getLogger("wfm.collect")


def client(
    source: Source, state: Path, clock: Callable[[], datetime], patience: Patience | None = None
) -> Client:
    """Make the HTTP client of a source: its limits, its secrets to hide, and where turns are kept between processes."""
    limits, own = source.vendor.LIMITS, source.settings
    rate = own.requests_per_minute
    return Client(
        source.name,
        secrets=source.secrets,
        requests_per_minute=limits.requests_per_minute if rate is None else rate,
        concurrent=own.concurrent or limits.concurrent,
        max_body_bytes=limits.max_body_bytes,
        stop_after_401=limits.stop_after_401,
        timeout_s=own.timeout_s,
        state_dir=state,
        retry_policy=patience,
        clock=clock,
    )


def state_folder(database: Path) -> Path:
    """Return where rate limits and lock-out counters live: beside the database, shared by all who use it."""
    return database.with_name(database.name + ".state")


async def collect(
    collector: Collector,
    pairs: Sequence[tuple[Source, Feed]],
    window: Window | None = None,
    patience: Patience | None = None,
    *,
    again: bool = False,
) -> list[Cycle]:
    """Run one cycle of every feed; sources at the same time, the feeds of one source after another.

    ``patience``: of retries; None: the client's own. ``again``: ask for all of the window, whatever is stored of it.
    """

    async def one(source: Source, feeds: list[Feed]) -> list[Cycle]:
        cycles: list[Cycle] = []
        try:
            async with client(source, state_folder(collector.store.path), collector.clock, patience) as http:
                session = source.vendor.session(source.settings, http)
                for feed in feeds:
                    asked = window if feed.kind == "window" else None
                    cycles += await collector.collect(source, feed, session, asked, again=again)
        except (CollectError, StoreError, OutputError) as error:  # the other sources go on
            log.warning("%s: %s", source.name, error)
            cycles.append(Cycle(source.name, feeds[0].name, window, "failed", note=str(error)))
        except Exception as bug:
            log.exception("%s: the cycle failed", source.name)
            note = f"a fault of the collector ({type(bug).__name__}); the log says where"
            cycles.append(Cycle(source.name, feeds[0].name, window, "failed", note=note))
        return cycles

    ordered = sorted(pairs, key=lambda pair: pair[0].name)
    groups = [list(mine) for _, mine in groupby(ordered, key=lambda pair: pair[0].name)]
    done = await asyncio.gather(*(one(mine[0][0], [feed for _, feed in mine]) for mine in groups))
    return [cycle for cycles in done for cycle in cycles]


def forget(collector: Collector, days: int) -> int:
    """Drop raw payloads past their days, and what a crash left half-written in the spool, after a day.

    A database that is taken is left for the next time.
    """
    spool.tidy(collector.folder, (collector.clock() - timedelta(days=1)).timestamp())
    try:
        return delete_old_payloads(collector.store, datetime.now(UTC) - timedelta(days=days))
    except (StoreError, NoDataError):
        return 0
