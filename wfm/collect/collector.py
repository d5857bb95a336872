"""The collector: fetches what is due from vendors and stores it; a crash loses and duplicates nothing.

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

from wfm.collect import spool
from wfm.collect.parse import (
    MAX_NOTES,
    ParsedRows,
    PayloadParser,
    add_e164_numbers,
    apply_snapshots,
    parse_payloads,
)
from wfm.collect.pipeline import CollectPipeline
from wfm.collect.snapshots import SnapshotState
from wfm.collect.sources import ConfiguredSource
from wfm.collect.windows import (
    find_collection_start,
    find_settled_end,
    floor_to_grid,
    halve_window,
    merge_windows,
    plan_due_windows,
    put_failed_last,
    slice_window,
    subtract_windows,
)
from wfm.core import schema
from wfm.core.errors import (
    BadReplyError,
    CollectError,
    DatabaseBusyError,
    NewerDatabaseError,
    NoDataError,
    NotADatabaseError,
    OutputError,
    WfmError,
)
from wfm.storage import batches
from wfm.storage.database import Database
from wfm.storage.ledger import read_feed_ledger
from wfm.storage.payloads import iterate_payloads
from wfm.storage.recent_activity import read_last_states
from wfm.vendors import CALL_EVENT, Feed, LegAssembler, Payload, Session, Trouble, Window

log = logging.getLogger("wfm.collect")
FIRST_CYCLE_REACH = timedelta(days=1)
"""How far back the first cycle of a feed collects."""
PART_BYTES = 48_000_000
"""Size of the parts in which a long window is stored, so that memory stays bounded."""
MAX_NOTE_LENGTH = 240
DATABASE_UNAVAILABLE = (DatabaseBusyError, NewerDatabaseError, NotADatabaseError)
"""Errors after which a batch is spooled: the database as a whole cannot be used, and a snapshot comes only once."""
MAX_UNREADABLE_WINDOWS = 12
"""After this many unreadable windows in a row the source itself is at fault; halving three weeks takes as many."""


@dataclass(frozen=True)
class CollectionCycle:
    """The outcome of collecting one window (or snapshot, or list).

    window: None for a snapshot or a list. result: complete, partial or failed. is_spooled: the database was in use and
    the batch waits. is_source_failure: the source as a whole failed and not only this window, so that the next one
    would fail as well.
    """

    source: str
    feed: str
    window: Window | None
    result: str
    read_count: int = 0
    added_count: int = 0
    replaced_count: int = 0
    note: str = ""
    is_spooled: bool = False
    is_source_failure: bool = False


@dataclass
class Collector:
    """Collects from sources into the database; keeps the agent states between two polls.

    clock: returns the current time (UTC); tests and the sandbox pass their own. part_bytes: size of the parts in which
    a long window is stored.
    """

    database: Database
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    part_bytes: int = PART_BYTES
    _snapshot_states: dict[str, SnapshotState] = field(default_factory=dict)
    _drain_lock: Lock = field(default_factory=Lock)
    _undrainable: set[Path] = field(default_factory=set)

    @property
    def spool_folder(self) -> Path:
        """Return the folder of batches that wait while the database is in use."""
        return self.database.path.with_name(self.database.path.name + ".spool")

    # --- cycles -----------------------------------------------------------------------------------------
    async def collect_feed(
        self,
        source: ConfiguredSource,
        feed: Feed,
        session: Session,
        window: Window | None = None,
        *,
        again: bool = False,
    ) -> list[CollectionCycle]:
        """Collect everything that is due of a feed, or the missing parts of a window up to now.

        While the database cannot be used, the ledger cannot be read: then only the newest period and the overlap are
        collected, into the spool. Failures of a vendor are results, not exceptions.

        Args:
            source, feed: what to collect.
            session: one that the source's vendor has opened.
            window: only this period; None: everything that is due.
            again: collect all of the window, whatever is stored of it.

        Raises:
            OutputError: neither the database nor the spool can be written.
        """
        await asyncio.to_thread(self.drain_spool, {source.name: source})
        if feed.kind == "push":
            return []
        if feed.kind != "window":
            return [await self._run_cycle(source, feed, session, None)]
        pieces = await asyncio.to_thread(self._plan_windows, source, feed, window, again)
        cycles = await self._collect_windows(source, feed, session, pieces)
        return cycles if window is None else self._add_window_notes(source, feed, window, cycles)

    async def _collect_windows(
        self, source: ConfiguredSource, feed: Feed, session: Session, todo: list[Window]
    ) -> list[CollectionCycle]:
        """Collect one window after another until the source as a whole fails.

        A window whose reply cannot be parsed fails alone: it is collected in halves, down to a quarter of an hour, and
        the others go on.
        """
        cycles: list[CollectionCycle] = []
        todo, unreadable = list(todo), 0
        while todo and unreadable < MAX_UNREADABLE_WINDOWS:
            piece = todo.pop(0)
            cycle = await self._run_cycle(source, feed, session, piece)
            cycles.append(cycle)
            if cycle.is_source_failure:
                break
            unreadable = unreadable + 1 if cycle.result == "failed" else 0
            todo[:0] = halve_window(piece) if unreadable else []
        return cycles

    def _plan_windows(
        self, source: ConfiguredSource, feed: Feed, window: Window | None, again: bool
    ) -> list[Window]:
        now = self.clock()
        try:
            attempts = self._read_attempts(source, feed)
        except DATABASE_UNAVAILABLE as wrong:
            if window is not None:  # without the ledger nobody knows which parts of it are stored
                raise
            log.warning(
                "%s %s: collecting only the newest period, without the ledger: %s",
                source.name,
                feed.name,
                wrong,
            )
            return plan_due_windows(
                feed, [], find_settled_end(feed, now) - timedelta(seconds=feed.overlap_s + feed.every_s), now
            )
        done = _select_windows(attempts, "complete")
        stored = merge_windows(done)
        failed = [
            one for one in _select_windows(attempts, "partial", "failed") if subtract_windows(one, stored)
        ]
        if window is None:
            first = floor_to_grid(now - max(FIRST_CYCLE_REACH, timedelta(seconds=feed.overlap_s)))
            return plan_due_windows(feed, done, find_collection_start(done, failed, first), now, failed)
        settled = Window(window.start, min(window.end, find_settled_end(feed, now)))
        gaps = [settled] if again and settled.start < settled.end else subtract_windows(settled, stored)
        pieces = [piece for gap in gaps for piece in slice_window(gap, timedelta(seconds=feed.slice_s))]
        return put_failed_last(pieces, failed)

    def _add_window_notes(
        self, source: ConfiguredSource, feed: Feed, window: Window, cycles: list[CollectionCycle]
    ) -> list[CollectionCycle]:
        """Add notes on why nothing, or only a part, of a window was collected."""
        settled = find_settled_end(feed, self.clock())
        if window.start >= settled:
            note = f"not over yet: nothing after {settled:%Y-%m-%d %H:%M} UTC can be complete"
            return [CollectionCycle(source.name, feed.name, window, "failed", note=note)]
        if not cycles:
            stored = Window(window.start, min(window.end, settled))
            cycles = [CollectionCycle(source.name, feed.name, stored, "complete", note="already complete")]
        if window.end > settled:
            cut = f"collected up to {settled:%Y-%m-%d %H:%M} UTC, the rest is not over yet"
            cycles[-1] = replace(cycles[-1], note="; ".join(filter(None, (cycles[-1].note, cut))))
        return cycles

    def list_complete_windows(self, source: ConfiguredSource, feed: Feed) -> list[Window]:
        """Return the windows of a feed that are stored completely."""
        return _select_windows(self._read_attempts(source, feed), "complete")

    def _read_attempts(self, source: ConfiguredSource, feed: Feed) -> pl.DataFrame:
        """Return the attempts to collect windows of a feed: from_at to_at result, oldest first."""
        columns = ("from_at", "to_at", "result")
        try:
            with self.database.open_reader() as reader:
                rows = read_feed_ledger(reader, source.name, feed.name)
        except NoDataError:
            return pl.DataFrame(schema=dict.fromkeys(columns, pl.Null))
        return rows.filter(pl.col("from_at").is_not_null()).select(columns)

    async def _run_cycle(
        self, source: ConfiguredSource, feed: Feed, session: Session, window: Window | None
    ) -> CollectionCycle:
        waiting: list[Payload] = []
        troubles: list[Trouble] = []
        ended: CollectError | None = None
        size = 0
        async with CollectPipeline[CollectionCycle]() as pipeline:
            with self._spooled_if_cancelled(source, feed, window, waiting):
                parser = PayloadParser(source, feed)
                try:
                    async for item in session.fetch(feed, window):
                        if isinstance(item, Trouble):
                            troubles.append(item)
                            continue
                        waiting.append(item)
                        await pipeline.parse_payload(partial(parser.add_payload, item))
                        size += len(item.body)
                        if size >= self.part_bytes and feed.kind == "window":
                            part = self._build_batch(source, feed, window, "partial", "a part of it", waiting)
                            await pipeline.start_storing(partial(self._store_or_spool, source, part, parser))
                            # a new parser and list: the old ones belong to the thread that stores them
                            waiting.clear()
                            size, parser = 0, PayloadParser(source, feed)
                except CollectError as wrong:
                    ended = wrong
                stored = any(part.read_count for part in await pipeline.wait_for_stored()) or bool(waiting)
                temporary = [trouble for trouble in troubles if not trouble.permanent]
                result = "complete" if not (ended or temporary) else "partial" if stored else "failed"
                batch = self._build_batch(source, feed, window, result, _build_note(ended, troubles), waiting)
                await pipeline.start_storing(partial(self._store_or_spool, source, batch, parser))
                waiting.clear()
            cycle = _sum_parts(await pipeline.wait_for_stored())
        # an unreadable reply is the fault of this window; a refused or missing one would be of the next as well
        return replace(
            cycle, is_source_failure=not isinstance(ended, BadReplyError) if ended else result == "failed"
        )

    @contextmanager
    def _spooled_if_cancelled(
        self, source: ConfiguredSource, feed: Feed, window: Window | None, waiting: list[Payload]
    ) -> Iterator[None]:
        """Spool the payloads that are received but not being stored yet, if the service stops meanwhile."""
        try:
            yield
        except asyncio.CancelledError:
            if waiting:
                spool.write_batch(
                    self.spool_folder, self._build_batch(source, feed, window, "partial", "stopped", waiting)
                )
            raise

    def _build_batch(
        self,
        source: ConfiguredSource,
        feed: Feed,
        window: Window | None,
        result: str,
        note: str,
        payloads: list[Payload],
    ) -> spool.SpooledBatch:
        return spool.SpooledBatch(
            spool.SpooledBatch.create_name(),
            source.name,
            source.vendor.NAME,
            feed.name,
            window,
            result,
            note,
            tuple(payloads),
        )

    # --- storing ----------------------------------------------------------------------------------------
    def _store_or_spool(
        self, source: ConfiguredSource, batch: spool.SpooledBatch, parser: PayloadParser | None = None
    ) -> CollectionCycle:
        """Store a batch, or spool it while the database cannot be used; ``parser``: its parsed payloads, if any."""
        if self._has_earlier_batches(source):  # batches are stored in the order in which they were collected
            spool.write_batch(self.spool_folder, batch)
            return _build_spooled_cycle(batch, "earlier batches wait in the spool")
        try:
            return self._store_batch(source, batch, parser)
        except DATABASE_UNAVAILABLE as wrong:
            try:
                spool.write_batch(self.spool_folder, batch)
            except OutputError as full:
                raise OutputError(f"{wrong} {full}") from full
            return _build_spooled_cycle(
                batch, "the database is in use" if wrong.transient else str(wrong).rstrip(".")
            )

    def drain_spool(self, sources: dict[str, ConfiguredSource]) -> int:
        """Store the batches in the spool, oldest first, while the database can be used; return how many.

        Batches of sources or feeds that are not given stay in the spool, and so does one that cannot be stored at all:
        none of them delays others.
        """
        drained = 0
        with self._drain_lock:  # a snapshot that two threads drain would be applied twice
            for path in spool.list_waiting_batches(self.spool_folder):
                batch = spool.read_batch(path)
                if batch is None or batch.source not in sources:
                    continue
                source = sources[batch.source]
                if batch.feed not in source.feeds:
                    log.warning(
                        "%s is of a feed that %s no longer has; it stays in the spool", path.name, source.name
                    )
                    self._undrainable.add(path)
                    continue
                try:
                    self._store_batch(source, batch)
                except DATABASE_UNAVAILABLE as wrong:
                    if not wrong.transient:
                        log.error("%s Collected batches wait in %s.", wrong, self.spool_folder)
                    break
                except WfmError:  # the disk or the database: the next batch would fail as well
                    raise
                except Exception:
                    log.exception(
                        "%s could not be stored; it stays in the spool, and the others go on", path.name
                    )
                    self._undrainable.add(path)
                    continue
                self._undrainable.discard(path)
                spool.remove_batch(path)
                drained += 1
        return drained

    def _has_earlier_batches(self, source: ConfiguredSource) -> bool:
        """Return whether batches of a source wait that must be stored before a new one."""
        return not self._undrainable.issuperset(spool.list_waiting_batches(self.spool_folder, source.name))

    def _store_batch(
        self, source: ConfiguredSource, batch: spool.SpooledBatch, parser: PayloadParser | None = None
    ) -> CollectionCycle:
        feed = source.feeds[batch.feed]
        parser = parser or parse_payloads(source, feed, batch.payloads)
        parsed = parser.combine_table(batch.feed)
        filled = {table: parser.combine_table(table) for table in feed.fills}
        notes = [*parsed.notes, *(note for other in filled.values() for note in other.notes)]
        result, note = batch.result, "; ".join(part for part in (batch.note, *notes) if part)
        if parsed.unreadable_count and result == "complete":
            result = "partial" if parsed.rows.height else "failed"
        tables, state = {batch.feed: parsed.rows}, None
        if feed.kind == "snapshot":
            state, tables = self._apply_snapshots(source, feed, parsed)
        tables |= {table: other.rows for table, other in filled.items()}
        window = (batch.window.start, batch.window.end) if batch.window else None
        written = batches.store_batch(
            self.database,
            name=batch.name,
            source=source.name,
            feed=batch.feed,
            window=window,
            result=result,
            note=note,
            payloads=[(p.received_at, p.context, p.body) for p in batch.payloads],
            tables=tables,
            audit=parsed.audit,
            legs=self._build_leg_assembler(source),
        )
        # only now: had storing failed, the same snapshots would have to be applied again to the states before them
        if state is not None:
            self._snapshot_states[source.name] = state
        counts = (written.read_count, written.added_count, written.replaced_count) if written else (0, 0, 0)
        return CollectionCycle(source.name, batch.feed, batch.window, result, *counts, note=note)

    # --- calls assembled from events --------------------------------------------------------------------
    def store_deliveries(
        self, source: ConfiguredSource, payloads: Sequence[Payload], name: str | None = None
    ) -> CollectionCycle:
        """Store (or spool) deliveries of a webhook, and assemble the legs of their calls again.

        ``name``: the batch's name; a batch is stored once, however often one of that name comes. None: a new name.
        """
        batch = self._build_batch(source, source.feeds[CALL_EVENT], None, "complete", "", list(payloads))
        return self._store_or_spool(source, replace(batch, name=name) if name else batch)

    def reassemble_open_calls(self, source: ConfiguredSource) -> int:
        """Assemble the legs of open calls again, giving up those that are open for too long; return how many calls.

        Raises:
            DatabaseBusyError: the database is in use; nothing was done.
        """
        assemble = self._build_leg_assembler(source)
        return batches.reassemble_open_calls(self.database, source.name, assemble) if assemble else 0

    def _build_leg_assembler(self, source: ConfiguredSource) -> Callable[[pl.DataFrame], pl.DataFrame] | None:
        """Return the function that assembles legs from all events of their calls; None if the vendor has none."""
        vendor = source.vendor
        if not isinstance(vendor, LegAssembler):
            return None

        def assemble(events: pl.DataFrame) -> pl.DataFrame:
            legs = vendor.assemble_legs(events, self.clock(), source.settings)
            legs = legs.with_columns(source=pl.lit(source.name))
            alarm = [name for name in ("alarm",) if name in legs.columns]
            return add_e164_numbers(legs, source).select([*schema.get_table("call_leg").own_columns, *alarm])

        return assemble

    # --- snapshots --------------------------------------------------------------------------------------
    def _apply_snapshots(
        self, source: ConfiguredSource, feed: Feed, parsed: ParsedRows
    ) -> tuple[SnapshotState, dict[str, pl.DataFrame]]:
        """Turn snapshots into transactions and coverage."""
        state = self._snapshot_states.get(source.name) or self._read_snapshot_state(source)
        return apply_snapshots(state, parsed, source, feed)

    def _read_snapshot_state(self, source: ConfiguredSource) -> SnapshotState:
        try:
            with self.database.open_reader() as reader:
                return SnapshotState.from_last_states(*read_last_states(reader, source.name))
        except NoDataError:
            return SnapshotState.from_last_states()

    # --- replay -----------------------------------------------------------------------------------------
    def replay_feed(self, source: ConfiguredSource, feed: Feed) -> CollectionCycle:
        """Parse the stored payloads of a feed again and update the tables accordingly.

        Rows that the parser no longer returns are marked as replaced, not deleted. The vendor is not asked.
        """
        parser = PayloadParser(source, feed)
        collections, first = [], None
        for payload in iterate_payloads(self.database, source.name, feed.name):
            collections.append(payload.collection_id)
            first = first or payload.received_at
            parser.add_payload(Payload(feed.name, payload.received_at, payload.body, payload.context))
        if first is None:
            return CollectionCycle(source.name, feed.name, None, "complete", note="no payload is stored")
        parsed = {table: parser.combine_table(table) for table in (feed.name, *feed.fills)}
        rows, notes = {table: part.rows for table, part in parsed.items()}, parsed[feed.name].notes
        if feed.kind == "snapshot":
            _, tables = apply_snapshots(
                self._read_snapshot_state_before(source, first), parsed[feed.name], source, feed
            )
            rows[feed.name] = tables[feed.name]  # coverage does not depend on the parser
        written = batches.store_batch(
            self.database,
            name=spool.SpooledBatch.create_name(),
            source=source.name,
            feed=feed.name,
            window=None,
            result="complete",
            note="",
            payloads=[],
            tables=rows,
            legs=self._build_leg_assembler(source),
            origin="replay",
        )
        replayed = sorted(set(collections))
        retired = sum(
            batches.retire_missing_rows(self.database, table, source.name, replayed, given)
            for table, given in rows.items()
        )
        counts = (
            (written.read_count, written.added_count, written.replaced_count + retired)
            if written
            else (0, 0, 0)
        )
        return CollectionCycle(source.name, feed.name, None, "complete", *counts, note="; ".join(notes))

    def _read_snapshot_state_before(self, source: ConfiguredSource, at: datetime) -> SnapshotState:
        with self.database.open_reader() as reader:
            return SnapshotState.from_last_states(*read_last_states(reader, source.name, before=at))


def _sum_parts(parts: Sequence[CollectionCycle]) -> CollectionCycle:
    """Return the outcome of a cycle stored in parts: their sums, and the result of the last."""
    last = parts[-1]
    if last.result != "complete":
        log.warning("%s %s: %s %s", last.source, last.feed, last.result, last.note)
    return replace(
        last,
        read_count=sum(one.read_count for one in parts),
        added_count=sum(one.added_count for one in parts),
        replaced_count=sum(one.replaced_count for one in parts),
        is_spooled=any(one.is_spooled for one in parts),
    )


def _build_spooled_cycle(batch: spool.SpooledBatch, reason: str) -> CollectionCycle:
    note = f"{reason}; the batch waits in the spool"
    return CollectionCycle(batch.source, batch.feed, batch.window, batch.result, note=note, is_spooled=True)


def _select_windows(attempts: pl.DataFrame, *results: str) -> list[Window]:
    return [Window(start, end) for start, end, result in attempts.iter_rows() if result in results]


def _build_note(ended: CollectError | None, troubles: Sequence[Trouble]) -> str:
    notes = [str(ended)] if ended else []
    notes += [textwrap.shorten(trouble.what, MAX_NOTE_LENGTH) for trouble in troubles[:MAX_NOTES]]
    if len(troubles) > MAX_NOTES:
        notes.append(f"and {len(troubles) - MAX_NOTES} more")
    return "; ".join(notes)
