"""One agent's day, down to the stored rows behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl

from wfm.engine.adherence import rule_table
from wfm.engine.grounds import ROWS, Grounds, grounds
from wfm.engine.inputs import take
from wfm.engine.moment import moment
from wfm.engine.score import Options, Score
from wfm.engine.units import in_seconds
from wfm.errors import NoDataError, UsageError
from wfm.jobs import when
from wfm.jobs.behind import TABLE_OF, raw_rows, row_ids
from wfm.jobs.rulings import Words
from wfm.jobs.scoring import read_basis
from wfm.jobs.verdicts import Verdict, verdicts
from wfm.settings import Settings
from wfm.storage.database import Store
from wfm.storage.reader import Reader

TOLD: Final = ("rule", "told", "plan")
SHOWN: Final = (
    "start_at",
    "end_at",
    "seconds",
    "activity",
    "state",
    "vendor_state",
    "class",
    "reason",
    "leg_id",
)


@dataclass(frozen=True)
class Explanation:
    """One agent's day: what was planned, said and called, and the rule that decided each stretch.

    slices: start_at end_at seconds activity state vendor_state class reason leg_id; in words rule (which decided), told
        (who said the state, and what that is) and plan (which row of the schedule holds); source login (who spoke);
        and ids of rows: `wfm.engine.grounds.ROWS`, leg_rows (a list).
    exceptions: as from `Score.exceptions`.
    totals: one row, as from `Score.adherence`.
    rows: the raw rows behind it: row (the id), table, at, until, what, source, file_name, collection_id, row_no,
        recorded_at, and what the vendor said: `wfm.jobs.evidence.FOUND`.
    """

    agent_id: str
    day: date
    timezone: str
    slices: pl.DataFrame
    exceptions: pl.DataFrame
    totals: pl.DataFrame
    rows: pl.DataFrame


@dataclass(frozen=True)
class Instant:
    """One instant of a day: its slice (one row, as of `Explanation`), every test, each login, and the rows behind."""

    agent_id: str
    at: datetime
    timezone: str
    slice: pl.DataFrame
    verdicts: tuple[Verdict, ...]
    voices: pl.DataFrame
    rows: pl.DataFrame


@dataclass(frozen=True)
class Day:
    """A scored day of one agent, and everything it was scored from."""

    agent_id: str
    on: date
    timezone: str
    scored: Score
    frames: dict[str, pl.DataFrame]
    grounds: Grounds
    words: Words


def explain(
    store: Store, settings: Settings, options: Options, agent: str, on: date, as_of: datetime | None
) -> Explanation:
    """Explain one agent's workday down to the raw rows.

    Raises:
        NoDataError: nobody knows the agent, or nothing is known of the day.
    """
    with store.reading(as_of) as known:
        day = read_day(known, settings, options, agent, on, as_of)
        slices = _worded(day)
        rows = raw_rows(known, settings, agent, day.frames, slices)
    mine = pl.col("agent_id") == agent
    return Explanation(
        agent,
        on,
        day.timezone,
        slices,
        day.scored.exceptions().filter(mine),
        day.scored.adherence().filter(mine),
        rows,
    )


def explain_instant(
    store: Store,
    settings: Settings,
    options: Options,
    agent: str,
    on: date,
    at: when.When,
    as_of: datetime | None,
) -> Instant:
    """Explain one instant of a workday: what every test found, and what it would have needed.

    Args:
        store, settings, options, agent, on, as_of: as for `explain`.
        at: an instant, or a local time of the workday, like 10:16.

    Raises:
        UsageError: it is neither, or lies outside the day.
        NoDataError: nobody knows the agent, or nothing is known of the day.
    """
    with store.reading(as_of) as known:
        day = read_day(known, settings, options, agent, on, as_of)
        slices = _worded(day)
        instant = _within(day, slices, at)
        here = slices.filter(pl.col("start_at") <= instant, pl.col("end_at") > instant)
        rows = raw_rows(known, settings, agent, day.frames, here)
    number = day.grounds.slices.with_row_index("slice").filter(
        pl.col("start_at") <= instant, pl.col("end_at") > instant
    )
    rules = rule_table(take(day.frames["rule"], "rule"))
    one = moment(day.scored, rules, agent, instant)
    assert one is not None
    tests = verdicts(day.words, number.row(0, named=True), one)
    voices = day.grounds.voices.filter(pl.col("slice") == number["slice"][0]).drop("slice")
    return Instant(agent, instant, day.timezone, here, tests, voices, rows)


def _within(day: Day, slices: pl.DataFrame, at: when.When) -> datetime:
    """Read an instant of a day; a local time is the one that lies in it."""
    first, last = slices["start_at"][0], slices["end_at"][-1]
    for one in _read(day, at):
        if first <= one < last:
            return one
    reach = f"from {day.words.clock(first)} to {day.words.clock(last)}"
    raise UsageError(f"--at {at}: {day.agent_id}'s {day.on} reaches {reach} ({day.timezone}).")


def _read(day: Day, at: when.When) -> Iterator[datetime]:
    """Give the instants that may be meant: a local time may be of the next day, or come twice."""
    give = f"--at {at}: give an instant like 2026-03-02T10:16:00+02:00, or a local time like 10:16."
    if not (isinstance(at, str) and len(at) <= 15 and ":" in at[:3]):
        told = when.parse(at, "--at")
        if not isinstance(told, datetime):
            raise UsageError(give)
        yield told
        return
    try:
        local = time.fromisoformat(at)
    except ValueError:
        raise UsageError(give) from None
    for days in (0, 1):
        for fold in (0, 1):
            there = datetime.combine(day.on + timedelta(days=days), local, ZoneInfo(day.timezone)).replace(
                fold=fold
            )
            yield there.astimezone(UTC)


def read_day(
    known: Reader, settings: Settings, options: Options, agent: str, on: date, as_of: datetime | None
) -> Day:
    """Read and score one agent's workday, with the place of every row.

    Raises:
        NoDataError: nobody knows the agent, or nothing is known of the day.
    """
    scoring = settings.timezone, options
    basis = read_basis(known, (on, on + when.DAY), as_of, *scoring, agents=[agent], placed=True)
    scored, frames = basis.score(), basis.frames
    told = grounds(scored, frames, agent)
    if shown(told.slices).is_empty():
        raise NoDataError(f"{agent} has no schedule on {on} and did no work then.")
    zone = zone_of(known, agent, settings.timezone)
    files = known.table("collection", columns=["collection_id", "file_name"]).drop_nulls()
    words = Words(agent, on, ZoneInfo(zone), frames, dict(files.iter_rows()), options, basis.as_of)
    return Day(agent, on, zone, scored, frames, told, words)


def _worded(day: Day) -> pl.DataFrame:
    """Give the slices to show their words, and ids for places."""
    numbered = day.grounds.slices.with_row_index("slice")
    slices = shown(numbered)
    voices: dict[int, list[dict[str, Any]]] = {}
    for voice in day.grounds.voices.iter_rows(named=True):
        voices.setdefault(voice["slice"], []).append(voice)
    told = [
        (day.words.rule(row), day.words.told(row, voices.get(row["slice"], [])), day.words.plan(row))
        for row in slices.iter_rows(named=True)
    ]
    texts = pl.DataFrame(told, schema=dict.fromkeys(TOLD, pl.String()), orient="row")
    ids = {name: row_ids(day.frames[table], table) for name, table in TABLE_OF.items()}
    legs = row_ids(day.frames["call_leg"], "call_leg")
    named = slices.with_columns(
        *(ids[name].gather(slices[name]).alias(name) for name in ROWS),
        pl.Series(
            "leg_rows", [legs.gather(at).to_list() for at in slices["leg_rows"]], dtype=pl.List(pl.String)
        ),
    )
    return pl.concat([named, texts], how="horizontal").select(
        *SHOWN, *TOLD, "source", "login", *ROWS, "leg_rows"
    )


def shown(slices: pl.DataFrame) -> pl.DataFrame:
    """Keep an agent's slices from the first with a schedule or a reason to the last, and add their seconds."""
    told = slices.filter(pl.col("activity").is_not_null() | pl.col("reason").is_not_null())
    length = in_seconds((pl.col("end_at") - pl.col("start_at")).dt.total_microseconds())
    if told.height:
        first, last = told["start_at"].min(), told["end_at"].max()
        told = slices.filter(pl.col("end_at") > first, pl.col("start_at") < last)
    return told.with_columns(length.alias("seconds"))


def without_slivers(slices: pl.DataFrame) -> pl.DataFrame:
    """Join slices below a second to a neighbour that differs in the call alone; for reading, not for sums.

    ::

        call    | .3 s without |   66 s of leg 7   |      two clocks never tell the same instant
        state   | busy                             |
        read    | busy, leg 7, 66.3 s              |
    """
    names = [name for name in (*SHOWN[3:8], *TOLD) if name in slices.columns]
    others = [
        name for name in slices.columns if name not in (*names, "start_at", "end_at", "leg_id", "seconds")
    ]
    changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in names)
    real = (pl.col("seconds") >= 1).cum_sum().over("run").clip(lower_bound=1)
    return (
        slices.with_columns(run=changed.cum_sum())
        .with_columns(part=real)
        .group_by("run", "part", maintain_order=True)
        .agg(
            pl.col("start_at").first(),
            pl.col("end_at").last(),
            pl.col("leg_id").get(pl.col("seconds").arg_max()),
            pl.col("seconds").sum(),
            *(pl.col(name).first() for name in names),
            *(pl.col(name).get(pl.col("seconds").arg_max()) for name in others),
        )
        .select(slices.columns)
    )


def zone_of(known: Reader, agent: str, default: str) -> str:
    """Return an agent's time zone."""
    own = known.table("agent", among={"agent_id": [agent]}, columns=["timezone"])["timezone"].drop_nulls()
    return str(own[0]) if own.len() else default
