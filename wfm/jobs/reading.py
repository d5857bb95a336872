"""Read what vendors sent: payloads → rows of their tables. One that cannot be read is noted, and the others go on."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from wfm import schema
from wfm.core.time import INSTANT
from wfm.errors import BadReplyError
from wfm.jobs.snapshots import Watch, observe
from wfm.jobs.sources import Source
from wfm.numbers import e164
from wfm.vendors import Feed, Payload

log = logging.getLogger("wfm.collect")
MOST_NOTES = 5


@dataclass(frozen=True)
class Read:
    """What payloads say: rows with the table's own columns; snapshots one by one; audit rows; what to note."""

    rows: pl.DataFrame
    snapshots: tuple[tuple[datetime, pl.DataFrame], ...]
    audit: pl.DataFrame | None
    notes: tuple[str, ...]
    unreadable: int


@dataclass
class Reading:
    """Payloads of a feed, read one by one as they come; `told` puts together what they say of a table.

    What is the same work for one row as for a million (spelling numbers, typing columns) is left for the end.
    """

    source: Source
    feed: Feed
    _tables: dict[str, _Parsed] = field(init=False)

    def __post_init__(self) -> None:
        self._tables = {table: _Parsed() for table in (self.feed.name, *self.feed.fills)}

    def add(self, payload: Payload) -> None:
        """Read a payload into every table that the feed fills."""
        for table, parsed in self._tables.items():
            try:
                rows = self.source.vendor.parse(table, payload, self.source.settings)
                parsed.add(payload, _as_declared(rows, table))
            except BadReplyError as wrong:
                parsed.refuse(str(wrong))
            except Exception as bug:  # the bytes are kept: a mended parser can read them again (wfm replay)
                log.exception("%s %s: the parser failed on a payload", self.source.name, self.feed.name)
                told = f"the parser failed on a payload ({type(bug).__name__}); it is kept for wfm replay"
                parsed.refuse(told)

    def told(self, table: str) -> Read:
        """Put together what the payloads said of a table."""
        return self._tables[table].together(table, self.source)


@dataclass
class _Parsed:
    """What a vendor's parser made of payloads, for one table."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    came_at: list[datetime] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def add(self, payload: Payload, rows: pl.DataFrame) -> None:
        self.frames.append(rows)
        self.came_at.append(payload.received_at)

    def refuse(self, why: str) -> None:
        self.refused.append(why)

    def together(self, table: str, source: Source) -> Read:
        if not self.frames:
            return Read(schema.empty(table), (), None, _first(self.refused), len(self.refused))
        every = pl.concat(self.frames, how="diagonal_relaxed")
        audit = None
        if "payload" in every.columns:
            audit = every.select("leg_id", "payload").with_columns(self._seen_at())
        notes = _doubted(every, self.refused)
        rows = _completed(every, table, source)
        return Read(rows, tuple(self._one_by_one(rows)), audit, _first(notes), len(self.refused))

    def _seen_at(self) -> pl.Series:
        """Return when the payload of each row came."""
        lengths = [frame.height for frame in self.frames]
        at = pl.DataFrame({"seen_at": self.came_at, "n": lengths}, schema_overrides={"seen_at": INSTANT})
        return at.select(pl.col("seen_at").repeat_by("n").explode(empty_as_null=False))["seen_at"]

    def _one_by_one(self, rows: pl.DataFrame) -> Iterable[tuple[datetime, pl.DataFrame]]:
        start = 0
        for at, frame in zip(self.came_at, self.frames, strict=True):
            yield at, rows.slice(start, frame.height)
            start += frame.height


def read_payloads(source: Source, feed: Feed, payloads: Iterable[Payload]) -> Reading:
    """Read payloads that are all there."""
    reading = Reading(source, feed)
    for payload in payloads:
        reading.add(payload)
    return reading


def _first(notes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(notes))[:MOST_NOTES]


def _doubted(rows: pl.DataFrame, refused: list[str]) -> list[str]:
    """Tell how much a parser kept but hardly believes, what it refused, and what it hardly believes."""
    alarms = rows["alarm"].drop_nulls() if "alarm" in rows.columns else pl.Series(dtype=pl.String)
    if alarms.is_empty():
        return refused
    first = alarms.unique(maintain_order=True).head(MOST_NOTES)
    told = [f"implausible: {text}" for text in first]
    return [f"{alarms.len():,} implausible values, stored as received", *refused, *told]


def _as_declared(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """Return what a parser made, its columns of the table's types; most parsers make them so."""
    own = schema.table(table).own
    wrong = [name for name, dtype in rows.schema.items() if own.get(name, dtype) != dtype]
    return rows.with_columns(pl.col(name).cast(own[name]) for name in wrong) if wrong else rows


def _completed(rows: pl.DataFrame, table: str, source: Source) -> pl.DataFrame:
    """Return a table's own columns of what a parser made; legs with their numbers in international spelling."""
    own = rows.with_columns(source=pl.lit(source.name))
    if table == "call_leg":
        own = spelt(own, source)
    return own.select(list(schema.table(table).own))


def spelt(legs: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Add the numbers of legs in their international spelling."""
    return legs.with_columns(
        e164(legs[f"{side}_number"], source.settings.country).alias(f"{side}_e164") for side in ("from", "to")
    )


def follow(watch: Watch, read: Read, source: Source, feed: Feed) -> tuple[Watch, dict[str, pl.DataFrame]]:
    """Follow snapshots one by one: the new watch, and the tables agent_state and coverage they fill."""
    said, covered = [], []
    absent_after = int(getattr(source.settings, "absent_after", 3))
    for at, snapshot in read.snapshots:
        watch, news, span = observe(
            watch, snapshot, at, absent_after=absent_after, poll=timedelta(seconds=feed.every_s)
        )
        said.append(news)
        covered += [span] if span else []
    name = pl.lit(source.name).alias("source")
    states = pl.concat(said).with_columns(name) if said else schema.empty("agent_state")
    spans = pl.DataFrame(covered, schema={"start_at": INSTANT, "end_at": INSTANT}, orient="row")
    return watch, {
        "agent_state": states.select(list(schema.table("agent_state").own)),
        "coverage": spans.with_columns(name).select(list(schema.table("coverage").own)),
    }
