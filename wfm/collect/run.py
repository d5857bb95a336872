"""Running a collection over HTTP: connects the collector, the vendors and the HTTP client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

from wfm.collect import spool
from wfm.collect.collector import CollectionCycle, Collector
from wfm.collect.sources import ConfiguredSource
from wfm.core.errors import CollectError, NoDataError, OutputError, StoreError
from wfm.http import Client, RetryPolicy
from wfm.storage.payloads import delete_old_payloads
from wfm.vendors import Feed, Window

log = logging.getLogger("wfm.collect")


def build_http_client(
    source: ConfiguredSource,
    state_folder: Path,
    clock: Callable[[], datetime],
    retry_policy: RetryPolicy | None = None,
) -> Client:
    """Build the HTTP client of a source.

    Args:
        source: whose rate limit, secrets to redact and time-outs apply.
        state_folder: where processes share the rate limit and the lockout.
        clock: the current time (UTC).
        retry_policy: None: the client's own.
    """
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
        state_dir=state_folder,
        retry_policy=retry_policy,
        clock=clock,
    )


def locate_state_folder(database: Path) -> Path:
    """Return the folder of rate limits and lockout counters: next to the database, which all its users share."""
    return database.with_name(database.name + ".state")


async def collect_feeds(
    collector: Collector,
    pairs: Sequence[tuple[ConfiguredSource, Feed]],
    window: Window | None = None,
    retry_policy: RetryPolicy | None = None,
    *,
    again: bool = False,
) -> list[CollectionCycle]:
    """Run one cycle of every feed: sources concurrently, the feeds of one source one after another.

    Args:
        collector: stores what is received.
        pairs: the sources and feeds to collect.
        window: only this period; None: everything that is due.
        retry_policy: None: the client's own.
        again: collect all of the window, whatever is stored of it.
    """

    async def collect_source(source: ConfiguredSource, feeds: list[Feed]) -> list[CollectionCycle]:
        cycles: list[CollectionCycle] = []
        try:
            async with build_http_client(
                source, locate_state_folder(collector.database.path), collector.clock, retry_policy
            ) as http:
                session = source.vendor.session(source.settings, http)
                for feed in feeds:
                    period = window if feed.kind == "window" else None
                    cycles += await collector.collect_feed(source, feed, session, period, again=again)
        except (CollectError, StoreError, OutputError) as error:  # the other sources go on
            log.warning("%s: %s", source.name, error)
            cycles.append(CollectionCycle(source.name, feeds[0].name, window, "failed", note=str(error)))
        except Exception as bug:
            log.exception("%s: the cycle failed", source.name)
            note = f"an error in the collector ({type(bug).__name__}); see the log"
            cycles.append(CollectionCycle(source.name, feeds[0].name, window, "failed", note=note))
        return cycles

    ordered = sorted(pairs, key=lambda pair: pair[0].name)
    groups = [list(group) for _, group in groupby(ordered, key=lambda pair: pair[0].name)]
    done = await asyncio.gather(
        *(collect_source(group[0][0], [feed for _, feed in group]) for group in groups)
    )
    return [cycle for cycles in done for cycle in cycles]


def delete_expired_data(collector: Collector, days: int) -> int:
    """Delete raw payloads older than ``days``, and half-written spool files after a day; return how many payloads.

    While the database is in use no payload is deleted: the next run does it.
    """
    spool.remove_partial_files(collector.spool_folder, (collector.clock() - timedelta(days=1)).timestamp())
    try:
        return delete_old_payloads(collector.database, datetime.now(UTC) - timedelta(days=days))
    except (StoreError, NoDataError):
        return 0
