"""Parsing payloads into rows of their tables; a payload that cannot be parsed is noted, and the others go on."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from wfm.collect.snapshots import SnapshotState, compare_snapshot
from wfm.collect.sources import ConfiguredSource
from wfm.core import schema
from wfm.core.errors import BadReplyError
from wfm.core.time import INSTANT
from wfm.vendors import Feed, HasLogoutRule, Payload

log = logging.getLogger("wfm.collect")
MAX_NOTES = 5


@dataclass(frozen=True)
class ParsedRows:
    """The rows of one table in some payloads.

    rows: the table's own columns. snapshots: the rows of each payload, with when it was received. audit: leg_id payload
    seen_at, if the vendor reports them. notes: for the ledger. unreadable_count: payloads that could not be parsed.
    """

    rows: pl.DataFrame
    snapshots: tuple[tuple[datetime, pl.DataFrame], ...]
    audit: pl.DataFrame | None
    notes: tuple[str, ...]
    unreadable_count: int


@dataclass
class PayloadParser:
    """A parser that takes the payloads of a feed one by one as they arrive; `combine_table` joins their rows.

    Work that costs as much for one row as for a million (number formats, column types) is left for the end.
    """

    source: ConfiguredSource
    feed: Feed
    _tables: dict[str, _ParsedTable] = field(init=False)

    def __post_init__(self) -> None:
        self._tables = {table: _ParsedTable() for table in (self.feed.name, *self.feed.fills)}

    def add_payload(self, payload: Payload) -> None:
        """Parse a payload into every table that the feed fills."""
        for table, parsed in self._tables.items():
            try:
                rows = self.source.vendor.parse(table, payload, self.source.settings)
                parsed.add_rows(payload, _cast_to_schema(rows, table))
            except BadReplyError as wrong:
                parsed.add_refusal(str(wrong))
            except Exception as bug:
                # the bytes are stored all the same: a corrected parser can read them again (wfm replay)
                log.exception("%s %s: the parser failed on a payload", self.source.name, self.feed.name)
                note = f"the parser failed on a payload ({type(bug).__name__}); it is stored for wfm replay"
                parsed.add_refusal(note)

    def combine_table(self, table: str) -> ParsedRows:
        """Return the rows of a table from all payloads so far."""
        return self._tables[table].combine_rows(table, self.source)


@dataclass
class _ParsedTable:
    """What a vendor's parser returned for payloads, for one table."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    received_at: list[datetime] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def add_rows(self, payload: Payload, rows: pl.DataFrame) -> None:
        self.frames.append(rows)
        self.received_at.append(payload.received_at)

    def add_refusal(self, reason: str) -> None:
        self.refusals.append(reason)

    def combine_rows(self, table: str, source: ConfiguredSource) -> ParsedRows:
        if not self.frames:
            return ParsedRows(
                schema.create_empty_frame(table), (), None, _limit_notes(self.refusals), len(self.refusals)
            )
        combined = pl.concat(self.frames, how="diagonal_relaxed")
        audit = None
        if "payload" in combined.columns:
            audit = combined.select("leg_id", "payload").with_columns(self._build_received_at())
        notes = _note_implausible_values(combined, self.refusals)
        rows = _select_own_columns(combined, table, source)
        return ParsedRows(
            rows, tuple(self._split_by_payload(rows)), audit, _limit_notes(notes), len(self.refusals)
        )

    def _build_received_at(self) -> pl.Series:
        """Return when the payload of each row was received."""
        lengths = [frame.height for frame in self.frames]
        at = pl.DataFrame({"seen_at": self.received_at, "n": lengths}, schema_overrides={"seen_at": INSTANT})
        return at.select(pl.col("seen_at").repeat_by("n").explode(empty_as_null=False))["seen_at"]

    def _split_by_payload(self, rows: pl.DataFrame) -> Iterable[tuple[datetime, pl.DataFrame]]:
        start = 0
        for at, frame in zip(self.received_at, self.frames, strict=True):
            yield at, rows.slice(start, frame.height)
            start += frame.height


def parse_payloads(source: ConfiguredSource, feed: Feed, payloads: Iterable[Payload]) -> PayloadParser:
    """Parse payloads that have all been received."""
    parser = PayloadParser(source, feed)
    for payload in payloads:
        parser.add_payload(payload)
    return parser


def _limit_notes(notes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(notes))[:MAX_NOTES]


def _note_implausible_values(rows: pl.DataFrame, refused: list[str]) -> list[str]:
    """Return notes on implausible values, which are stored all the same, and on payloads that were refused."""
    alarms = rows["alarm"].drop_nulls() if "alarm" in rows.columns else pl.Series(dtype=pl.String)
    if alarms.is_empty():
        return refused
    first = alarms.unique(maintain_order=True).head(MAX_NOTES)
    examples = [f"implausible: {text}" for text in first]
    return [f"{alarms.len():,} implausible values, stored as received", *refused, *examples]


def _cast_to_schema(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """Return rows with the table's column types; most parsers have cast them already."""
    own = schema.get_table(table).own_columns
    wrong = [name for name, dtype in rows.schema.items() if own.get(name, dtype) != dtype]
    return rows.with_columns(pl.col(name).cast(own[name]) for name in wrong) if wrong else rows


def _select_own_columns(rows: pl.DataFrame, table: str, source: ConfiguredSource) -> pl.DataFrame:
    """Return a table's own columns of parsed rows; legs with their numbers in international format."""
    own = rows.with_columns(source=pl.lit(source.name))
    if table == "call_leg":
        own = add_e164_numbers(own, source)
    return own.select(list(schema.get_table(table).own_columns))


def add_e164_numbers(legs: pl.DataFrame, source: ConfiguredSource) -> pl.DataFrame:
    """Add the numbers of legs in international format (E.164)."""
    from wfm.core.phone_numbers import convert_to_e164  # phonenumbers is slow to load, and only calls need it

    return legs.with_columns(
        convert_to_e164(legs[f"{side}_number"], source.settings.country).alias(f"{side}_e164")
        for side in ("from", "to")
    )


def apply_snapshots(
    state: SnapshotState, parsed: ParsedRows, source: ConfiguredSource, feed: Feed
) -> tuple[SnapshotState, dict[str, pl.DataFrame]]:
    """Apply snapshots one by one; return the state after them, and the rows of agent_state and coverage."""
    transactions, covered = [], []
    absent_after = source.settings.absent_after if isinstance(source.settings, HasLogoutRule) else 3
    for at, snapshot in parsed.snapshots:
        state, changes, span = compare_snapshot(
            state, snapshot, at, absent_after=absent_after, poll=timedelta(seconds=feed.every_s)
        )
        transactions.append(changes)
        covered += [span] if span else []
    name = pl.lit(source.name).alias("source")
    rows = (
        pl.concat(transactions).with_columns(name)
        if transactions
        else schema.create_empty_frame("agent_state")
    )
    spans = pl.DataFrame(covered, schema={"start_at": INSTANT, "end_at": INSTANT}, orient="row")
    return state, {
        "agent_state": rows.select(list(schema.get_table("agent_state").own_columns)),
        "coverage": spans.with_columns(name).select(list(schema.get_table("coverage").own_columns)),
    }
