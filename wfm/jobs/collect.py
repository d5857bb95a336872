"""The collector: fetches what is due from vendors and stores it, losing and doubling nothing in a crash.

::

    due windows → fetch → payloads → [parse → rows, audit] → one transaction: rows + payloads + ledger line
                                  \\→ database in use → spool → drained before the next cycle

A window counts as complete only by the ledger line stored with its rows: the watermark cannot pass missing rows.
"""

from __future__ import annotations

import asyncio
import logging
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Lock

import polars as pl

from wfm import schema
from wfm.errors import (
    BadReplyError,
    CollectError,
    DatabaseBusyError,
    NewerDatabaseError,
    NoDataError,
    NotADatabaseError,
    OutputError,
    WfmError,
)
from wfm.jobs import spool
from wfm.jobs.pipeline import Line
from wfm.jobs.reading import MOST_NOTES, Read, Reading, follow, read_payloads, spelt
from wfm.jobs.snapshots import Watch
from wfm.jobs.sources import Source
from wfm.jobs.windows import beginning, due, fairly, floor, halves, settled, slices, union, without
from wfm.storage import batches
from wfm.storage.database import Store
from wfm.storage.ledger import read_feed_ledger
from wfm.storage.payloads import iterate_payloads
from wfm.storage.recent_activity import read_last_states
from wfm.vendors import CALL_EVENT, Feed, LegAssembler, Payload, Session, Trouble, Window

log = logging.getLogger("wfm.collect")
FIRST_LOOK = timedelta(days=1)
"""How far back the first cycle of a feed collects."""
CHUNK_BYTES = 48_000_000
"""Size of the parts in which a long window is stored, so that memory stays bounded."""
LONGEST_NOTE = 240
UNAVAILABLE = (DatabaseBusyError, NewerDatabaseError, NotADatabaseError)
"""Errors after which a batch is spooled: the database as a whole cannot be used, and a snapshot comes only once."""
MOST_UNREAD = 12
"""After this many unreadable windows in a row the source itself is at fault; halving three weeks takes as many."""


@dataclass(frozen=True)
class Cycle:
    """The outcome of collecting one window (or snapshot, or list).

    result: complete, partial or failed. spooled: the database was in use, the batch waits. of_source: the source as a
    whole failed and not only this window, so that the next one would fail as well.
    """

    source: str
    feed: str
    window: Window | None
    result: str
    read: int = 0
    added: int = 0
    replaced: int = 0
    note: str = ""
    spooled: bool = False
    of_source: bool = False


@dataclass
class Collector:
    """Collects from sources into the database; keeps the agent states between two polls.

    clock: returns the present (UTC); tests and the sandbox pass their own.
    """

    store: Store
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    chunk_bytes: int = CHUNK_BYTES
    _watches: dict[str, Watch] = field(default_factory=dict)
    _draining: Lock = field(default_factory=Lock)
    _left: set[Path] = field(default_factory=set)

    @property
    def folder(self) -> Path:
        """Return the folder of batches that wait while the database is in use."""
        return self.store.path.with_name(self.store.path.name + ".spool")

    # --- cycles -----------------------------------------------------------------------------------------
    async def collect(
        self,
        source: Source,
        feed: Feed,
        session: Session,
        window: Window | None = None,
        *,
        again: bool = False,
    ) -> list[Cycle]:
        """Collect everything that is due of a feed, or the missing parts of a window up to the present.

        ``again``: collect all of the window, whatever is stored of it. While the database cannot be used, the ledger
        cannot be read: then only the newest period and the overlap are collected, into the spool.

        Failures of a vendor are results, not exceptions.

        Raises:
            OutputError: neither the database nor the spool can be written.
        """
        await asyncio.to_thread(self.drain, {source.name: source})
        if feed.kind == "push":
            return []
        if feed.kind != "window":
            return [await self._cycle(source, feed, session, None)]
        pieces = await asyncio.to_thread(self._due, source, feed, window, again)
        cycles = await self._ask(source, feed, session, pieces)
        return cycles if window is None else self._told(source, feed, window, cycles)

    async def _ask(self, source: Source, feed: Feed, session: Session, todo: list[Window]) -> list[Cycle]:
        """Collect window after window, until the source as a whole fails.

        A window whose reply cannot be parsed fails alone: it is collected in halves, down to a quarter of an hour, and
        the others go on.
        """
        cycles: list[Cycle] = []
        todo, unread = list(todo), 0
        while todo and unread < MOST_UNREAD:
            piece = todo.pop(0)
            cycle = await self._cycle(source, feed, session, piece)
            cycles.append(cycle)
            if cycle.of_source:
                break
            unread = unread + 1 if cycle.result == "failed" else 0
            todo[:0] = halves(piece) if unread else []
        return cycles

    def _due(self, source: Source, feed: Feed, window: Window | None, again: bool) -> list[Window]:
        now = self.clock()
        try:
            attempts = self._ledger(source, feed)
        except UNAVAILABLE as wrong:
            if window is not None:  # which parts of it are stored cannot be known
                raise
            log.warning(
                "%s %s: collecting only the newest period, without the ledger: %s",
                source.name,
                feed.name,
                wrong,
            )
            return due(feed, [], settled(feed, now) - timedelta(seconds=feed.overlap_s + feed.every_s), now)
        done = _with(attempts, "complete")
        stored = union(done)
        failed = [one for one in _with(attempts, "partial", "failed") if without(one, stored)]
        if window is None:
            first = floor(now - max(FIRST_LOOK, timedelta(seconds=feed.overlap_s)))
            return due(feed, done, beginning(done, failed, first), now, failed)
        over = Window(window.start, min(window.end, settled(feed, now)))
        gaps = [over] if again and over.start < over.end else without(over, stored)
        pieces = [piece for gap in gaps for piece in slices(gap, timedelta(seconds=feed.slice_s))]
        return fairly(pieces, failed)

    def _told(self, source: Source, feed: Feed, window: Window, cycles: list[Cycle]) -> list[Cycle]:
        """Add notes on why nothing, or only a part, of a window was collected."""
        over = settled(feed, self.clock())
        if window.start >= over:
            note = f"not over yet: nothing after {over:%Y-%m-%d %H:%M} UTC can be complete"
            return [Cycle(source.name, feed.name, window, "failed", note=note)]
        if not cycles:
            stored = Window(window.start, min(window.end, over))
            cycles = [Cycle(source.name, feed.name, stored, "complete", note="already complete")]
        if window.end > over:
            cut = f"collected up to {over:%Y-%m-%d %H:%M} UTC, the rest is not over yet"
            cycles[-1] = replace(cycles[-1], note="; ".join(filter(None, (cycles[-1].note, cut))))
        return cycles

    def complete(self, source: Source, feed: Feed) -> list[Window]:
        """Return the windows of a feed that are stored completely."""
        return _with(self._ledger(source, feed), "complete")

    def _ledger(self, source: Source, feed: Feed) -> pl.DataFrame:
        """Return the attempts to collect windows of a feed: from_at to_at result, oldest first."""
        columns = ("from_at", "to_at", "result")
        try:
            with self.store.reading() as reader:
                rows = read_feed_ledger(reader, source.name, feed.name)
        except NoDataError:
            return pl.DataFrame(schema=dict.fromkeys(columns, pl.Null))
        return rows.filter(pl.col("from_at").is_not_null()).select(columns)

    async def _cycle(self, source: Source, feed: Feed, session: Session, window: Window | None) -> Cycle:
        waiting: list[Payload] = []
        troubles: list[Trouble] = []
        ended: CollectError | None = None
        size = 0
        async with Line[Cycle]() as line:
            with self._kept_if_stopped(source, feed, window, waiting):
                reading = Reading(source, feed)
                try:
                    async for item in session.fetch(feed, window):
                        if isinstance(item, Trouble):
                            troubles.append(item)
                            continue
                        waiting.append(item)
                        await line.read(partial(reading.add, item))
                        size += len(item.body)
                        if size >= self.chunk_bytes and feed.kind == "window":
                            part = self._batch(source, feed, window, "partial", "a part of it", waiting)
                            await line.store(partial(self._store, source, part, reading))
                            waiting.clear()
                            size, reading = 0, Reading(source, feed)
                except CollectError as wrong:
                    ended = wrong
                stored = any(part.read for part in await line.stored()) or bool(waiting)
                passing = [trouble for trouble in troubles if not trouble.permanent]
                result = "complete" if not (ended or passing) else "partial" if stored else "failed"
                batch = self._batch(source, feed, window, result, _note(ended, troubles), waiting)
                await line.store(partial(self._store, source, batch, reading))
                waiting.clear()
            whole = _summed(await line.stored())
        return replace(whole, of_source=not isinstance(ended, BadReplyError) if ended else result == "failed")

    @contextmanager
    def _kept_if_stopped(
        self, source: Source, feed: Feed, window: Window | None, waiting: list[Payload]
    ) -> Iterator[None]:
        """Spool the payloads that are received but not being stored yet, if the service stops meanwhile."""
        try:
            yield
        except asyncio.CancelledError:
            if waiting:
                spool.put(self.folder, self._batch(source, feed, window, "partial", "stopped", waiting))
            raise

    def _batch(
        self,
        source: Source,
        feed: Feed,
        window: Window | None,
        result: str,
        note: str,
        payloads: list[Payload],
    ) -> spool.Batch:
        return spool.Batch(
            spool.Batch.new_name(),
            source.name,
            source.vendor.NAME,
            feed.name,
            window,
            result,
            note,
            tuple(payloads),
        )

    # --- storing ----------------------------------------------------------------------------------------
    def _store(self, source: Source, batch: spool.Batch, reading: Reading | None = None) -> Cycle:
        """Store a batch, or spool it while the database cannot be used; ``reading``: its parsed payloads, if any."""
        if self._before_it(source):  # batches are stored in the order in which they were collected
            spool.put(self.folder, batch)
            return _spooled(batch, "earlier batches wait in the spool")
        try:
            return self._write(source, batch, reading)
        except UNAVAILABLE as wrong:
            try:
                spool.put(self.folder, batch)
            except OutputError as full:
                raise OutputError(f"{wrong} {full}") from full
            return _spooled(batch, "the database is in use" if wrong.transient else str(wrong).rstrip("."))

    def drain(self, sources: dict[str, Source]) -> int:
        """Store the batches in the spool, oldest first, while the database can be used; return how many.

        Batches of sources or feeds that are not given stay in the spool, and so does one that cannot be stored at all:
        none of them delays others.
        """
        drained = 0
        with self._draining:  # a snapshot that two threads drain would be applied twice
            for path in spool.waiting(self.folder):
                batch = spool.take(path)
                if batch is None or batch.source not in sources:
                    continue
                source = sources[batch.source]
                if batch.feed not in source.feeds:
                    log.warning(
                        "%s is of a feed that %s no longer has; it stays in the spool", path.name, source.name
                    )
                    self._left.add(path)
                    continue
                try:
                    self._write(source, batch)
                except UNAVAILABLE as wrong:
                    if not wrong.transient:
                        log.error("%s Collected batches wait in %s.", wrong, self.folder)
                    break
                except WfmError:  # the disk or the database: the next batch would fail as well
                    raise
                except Exception:
                    log.exception(
                        "%s could not be stored; it stays in the spool, and the others go on", path.name
                    )
                    self._left.add(path)
                    continue
                self._left.discard(path)
                spool.drop(path)
                drained += 1
        return drained

    def _before_it(self, source: Source) -> bool:
        """Return whether batches of a source wait that must be stored before a new one."""
        return not self._left.issuperset(spool.waiting(self.folder, source.name))

    def _write(self, source: Source, batch: spool.Batch, reading: Reading | None = None) -> Cycle:
        feed = source.feeds[batch.feed]
        reading = reading or read_payloads(source, feed, batch.payloads)
        read = reading.told(batch.feed)
        fills = {table: reading.told(table) for table in feed.fills}
        notes = [*read.notes, *(note for more in fills.values() for note in more.notes)]
        result, note = batch.result, "; ".join(part for part in (batch.note, *notes) if part)
        if read.unreadable and result == "complete":
            result = "partial" if read.rows.height else "failed"
        tables, watch = {batch.feed: read.rows}, None
        if feed.kind == "snapshot":
            watch, tables = self._watched(source, feed, read)
        tables |= {table: more.rows for table, more in fills.items()}
        window = (batch.window.start, batch.window.end) if batch.window else None
        written = batches.store_batch(
            self.store,
            name=batch.name,
            source=source.name,
            feed=batch.feed,
            window=window,
            result=result,
            note=note,
            payloads=[(p.received_at, p.context, p.body) for p in batch.payloads],
            tables=tables,
            audit=read.audit,
            legs=self._legs(source),
        )
        if watch is not None:
            self._watches[source.name] = watch
        counts = (written.read, written.added, written.replaced) if written else (0, 0, 0)
        return Cycle(source.name, batch.feed, batch.window, result, *counts, note=note)

    # --- calls assembled from events --------------------------------------------------------------------
    def receive(self, source: Source, payloads: Sequence[Payload], name: str | None = None) -> Cycle:
        """Store (or spool) deliveries of a webhook, and assemble the legs of their calls again.

        ``name``: of the batch, which is stored once however often it is delivered; None: a new one.
        """
        batch = self._batch(source, source.feeds[CALL_EVENT], None, "complete", "", list(payloads))
        return self._store(source, replace(batch, name=name) if name else batch)

    def settle(self, source: Source) -> int:
        """Assemble the calls that have not ended again, giving up those without an end in time; return how many calls.

        Raises:
            DatabaseBusyError: the database is in use; nothing was done.
        """
        assemble = self._legs(source)
        return batches.reassemble_open_calls(self.store, source.name, assemble) if assemble else 0

    def _legs(self, source: Source) -> Callable[[pl.DataFrame], pl.DataFrame] | None:
        """Return what assembles the legs of calls from all their events, if the vendor can."""
        vendor = source.vendor
        if not isinstance(vendor, LegAssembler):
            return None

        def assemble(events: pl.DataFrame) -> pl.DataFrame:
            made = vendor.assemble_legs(events, self.clock(), source.settings)
            made = made.with_columns(source=pl.lit(source.name))
            alarm = [name for name in ("alarm",) if name in made.columns]
            return spelt(made, source).select([*schema.table("call_leg").own, *alarm])

        return assemble

    # --- snapshots --------------------------------------------------------------------------------------
    def _watched(self, source: Source, feed: Feed, read: Read) -> tuple[Watch, dict[str, pl.DataFrame]]:
        """Turn snapshots into transactions and coverage."""
        watch = self._watches.get(source.name) or self._remember(source)
        return follow(watch, read, source, feed)

    def _remember(self, source: Source) -> Watch:
        try:
            with self.store.reading() as reader:
                return Watch.begin(*read_last_states(reader, source.name))
        except NoDataError:
            return Watch.begin()

    # --- replay -----------------------------------------------------------------------------------------
    def replay(self, source: Source, feed: Feed) -> Cycle:
        """Parse the stored payloads of a feed again and update the tables accordingly.

        Rows that the parser no longer gives are marked as replaced, not deleted. The vendor is not asked.
        """
        reading = Reading(source, feed)
        collections, first = [], None
        for kept in iterate_payloads(self.store, source.name, feed.name):
            collections.append(kept.collection_id)
            first = first or kept.received_at
            reading.add(Payload(feed.name, kept.received_at, kept.body, kept.context))
        if first is None:
            return Cycle(source.name, feed.name, None, "complete", note="no payload is stored")
        parsed = {table: reading.told(table) for table in (feed.name, *feed.fills)}
        rows, notes = {table: read.rows for table, read in parsed.items()}, parsed[feed.name].notes
        if feed.kind == "snapshot":
            _, watched = follow(self._before(source, first), parsed[feed.name], source, feed)
            rows[feed.name] = watched[feed.name]
        written = batches.store_batch(
            self.store,
            name=spool.Batch.new_name(),
            source=source.name,
            feed=feed.name,
            window=None,
            result="complete",
            note="",
            payloads=[],
            tables=rows,
            legs=self._legs(source),
            origin="replay",
        )
        replayed = sorted(set(collections))
        retired = sum(
            batches.retire_missing_rows(self.store, table, source.name, replayed, kept)
            for table, kept in rows.items()
        )
        counts = (written.read, written.added, written.replaced + retired) if written else (0, 0, 0)
        return Cycle(source.name, feed.name, None, "complete", *counts, note="; ".join(notes))

    def _before(self, source: Source, at: datetime) -> Watch:
        with self.store.reading() as reader:
            return Watch.begin(*read_last_states(reader, source.name, before=at))


def _summed(parts: Sequence[Cycle]) -> Cycle:
    """Return the outcome of a cycle stored in parts: their sums, and the result of the last."""
    last = parts[-1]
    if last.result != "complete":
        log.warning("%s %s: %s %s", last.source, last.feed, last.result, last.note)
    return replace(
        last,
        read=sum(one.read for one in parts),
        added=sum(one.added for one in parts),
        replaced=sum(one.replaced for one in parts),
        spooled=any(one.spooled for one in parts),
    )


def _spooled(batch: spool.Batch, why: str) -> Cycle:
    note = f"{why}; the batch waits in the spool"
    return Cycle(batch.source, batch.feed, batch.window, batch.result, note=note, spooled=True)


def _with(asked: pl.DataFrame, *results: str) -> list[Window]:
    return [Window(start, end) for start, end, result in asked.iter_rows() if result in results]


def _note(ended: CollectError | None, troubles: Sequence[Trouble]) -> str:
    notes = [str(ended)] if ended else []
    notes += [textwrap.shorten(trouble.what, LONGEST_NOTE) for trouble in troubles[:MOST_NOTES]]
    if len(troubles) > MOST_NOTES:
        notes.append(f"and {len(troubles) - MOST_NOTES} more")
    return "; ".join(notes)
