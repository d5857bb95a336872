"""Parsing payloads into rows of their tables; one that cannot be parsed is noted, and the others go on."""

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
from wfm.vendors import Feed, HasLogoutRule, Payload

log = logging.getLogger("wfm.collect")
MOST_NOTES = 5


@dataclass(frozen=True)
class Read:
    """The rows of one table in some payloads.

    rows: the table's own columns. snapshots: the rows of each payload, with when it was received. audit: leg_id payload
    seen_at, if the vendor gives them. notes: for the ledger. unreadable: how many payloads could not be parsed.
    """

    rows: pl.DataFrame
    snapshots: tuple[tuple[datetime, pl.DataFrame], ...]
    audit: pl.DataFrame | None
    notes: tuple[str, ...]
    unreadable: int


@dataclass
class Reading:
    """Parses the payloads of a feed one by one as they arrive; `combine_table` joins their rows.

    Work that costs as much for one row as for a million (number formats, column types) is left for the end.
    """

    source: Source
    feed: Feed
    _tables: dict[str, _Parsed] = field(init=False)

    def __post_init__(self) -> None:
        self._tables = {table: _Parsed() for table in (self.feed.name, *self.feed.fills)}

    def add(self, payload: Payload) -> None:
        """Parse a payload into every table that the feed fills."""
        for table, parsed in self._tables.items():
            try:
                rows = self.source.vendor.parse(table, payload, self.source.settings)
                parsed.add(payload, _as_declared(rows, table))
            except BadReplyError as wrong:
                parsed.refuse(str(wrong))
            except (
                Exception
            ) as bug:  # the bytes are stored: a corrected parser can read them again (wfm replay)
                log.exception("%s %s: the parser failed on a payload", self.source.name, self.feed.name)
                note = f"the parser failed on a payload ({type(bug).__name__}); it is stored for wfm replay"
                parsed.refuse(note)

    def told(self, table: str) -> Read:
        """Return the rows of a table from all payloads so far."""
        return self._tables[table].together(table, self.source)


@dataclass
class _Parsed:
    """What a vendor's parser returned for payloads, for one table."""

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
        """Return when the payload of each row was received."""
        lengths = [frame.height for frame in self.frames]
        at = pl.DataFrame({"seen_at": self.came_at, "n": lengths}, schema_overrides={"seen_at": INSTANT})
        return at.select(pl.col("seen_at").repeat_by("n").explode(empty_as_null=False))["seen_at"]

    def _one_by_one(self, rows: pl.DataFrame) -> Iterable[tuple[datetime, pl.DataFrame]]:
        start = 0
        for at, frame in zip(self.came_at, self.frames, strict=True):
            yield at, rows.slice(start, frame.height)
            start += frame.height


def read_payloads(source: Source, feed: Feed, payloads: Iterable[Payload]) -> Reading:
    """Parse payloads that are all at hand."""
    reading = Reading(source, feed)
    for payload in payloads:
        reading.add(payload)
    return reading


def _first(notes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(notes))[:MOST_NOTES]


def _doubted(rows: pl.DataFrame, refused: list[str]) -> list[str]:
    """Return notes on implausible values that were kept, and on payloads that were refused."""
    alarms = rows["alarm"].drop_nulls() if "alarm" in rows.columns else pl.Series(dtype=pl.String)
    if alarms.is_empty():
        return refused
    first = alarms.unique(maintain_order=True).head(MOST_NOTES)
    examples = [f"implausible: {text}" for text in first]
    return [f"{alarms.len():,} implausible values, stored as received", *refused, *examples]


def _as_declared(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """Return rows with the table's column types; most parsers return them so already."""
    own = schema.table(table).own
    wrong = [name for name, dtype in rows.schema.items() if own.get(name, dtype) != dtype]
    return rows.with_columns(pl.col(name).cast(own[name]) for name in wrong) if wrong else rows


def _completed(rows: pl.DataFrame, table: str, source: Source) -> pl.DataFrame:
    """Return a table's own columns of parsed rows; legs with their numbers in international format."""
    own = rows.with_columns(source=pl.lit(source.name))
    if table == "call_leg":
        own = spelt(own, source)
    return own.select(list(schema.table(table).own))


def spelt(legs: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Add the numbers of legs in international format (E.164)."""
    from wfm.numbers import e164  # phonenumbers is slow to load, and only calls need it

    return legs.with_columns(
        e164(legs[f"{side}_number"], source.settings.country).alias(f"{side}_e164") for side in ("from", "to")
    )


def follow(watch: Watch, read: Read, source: Source, feed: Feed) -> tuple[Watch, dict[str, pl.DataFrame]]:
    """Apply snapshots one by one; return the states after them, and rows of agent_state and coverage."""
    transactions, covered = [], []
    absent_after = source.settings.absent_after if isinstance(source.settings, HasLogoutRule) else 3
    for at, snapshot in read.snapshots:
        watch, changes, span = observe(
            watch, snapshot, at, absent_after=absent_after, poll=timedelta(seconds=feed.every_s)
        )
        transactions.append(changes)
        covered += [span] if span else []
    name = pl.lit(source.name).alias("source")
    states = pl.concat(transactions).with_columns(name) if transactions else schema.empty("agent_state")
    spans = pl.DataFrame(covered, schema={"start_at": INSTANT, "end_at": INSTANT}, orient="row")
    return watch, {
        "agent_state": states.select(list(schema.table("agent_state").own)),
        "coverage": spans.with_columns(name).select(list(schema.table("coverage").own)),
    }
