"""Explain one agent's workday, or one instant of it, down to the stored rows behind it."""

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
    """One agent's workday: schedule, states, calls, and the rule that decided the class of each slice.

    slices: start_at end_at seconds activity state vendor_state class reason leg_id; as text: rule (which rule decided
        the class), told (which source reported the state, and its mapping) and plan (which schedule row applies);
        source login (that reported the state); and the ids of the rows behind it: a column for each kind of row
        (``…_row``) and leg_rows (a list). In order of time, without gaps.
    exceptions: the day's rows of `Score.exceptions`.
    totals: the agent's row of `Score.adherence`.
    rows: the stored rows behind the day: row (the id) table at until what (the row as text) source file_name
        collection_id row_no recorded_at, and of the vendor's payload: payload (the part about the row) payload_in (its
        id, for `Centre.read_payload`) hash (in the audit chain).
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
    """One instant of an agent's workday.

    slice: one row, as in `Explanation.slices`.
    verdicts: every rule on the class in the order in which they are tested, and its result.
    voices: what each of several logins reported: source login state state_row won (whether its state counts).
    rows: as `Explanation.rows`, of this slice.
    """

    agent_id: str
    at: datetime
    timezone: str
    slice: pl.DataFrame
    verdicts: tuple[Verdict, ...]
    voices: pl.DataFrame
    rows: pl.DataFrame


@dataclass(frozen=True)
class Day:
    """One agent's scored workday with the inputs, decisions and texts behind it."""

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
    """Explain one agent's workday down to the stored rows.

    Raises:
        NoDataError: the agent does not exist, or nothing is known of the day.
    """
    with store.reading(as_of) as reader:
        day = read_day(reader, settings, options, agent, on, as_of)
        slices = _worded(day)
        rows = raw_rows(reader, settings, agent, day.frames, slices)
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
    """Explain one instant of a workday: the result of every rule, and what a rule lacked to apply.

    Args:
        store, settings, options, agent, on, as_of: as for `explain_day`.
        at: an instant, or a local time of the workday, like 10:16.

    Raises:
        UsageError: ``at`` is neither, or lies outside the day.
        NoDataError: the agent does not exist, or nothing is known of the day.
    """
    with store.reading(as_of) as reader:
        day = read_day(reader, settings, options, agent, on, as_of)
        slices = _worded(day)
        instant = _within(day, slices, at)
        here = slices.filter(pl.col("start_at") <= instant, pl.col("end_at") > instant)
        rows = raw_rows(reader, settings, agent, day.frames, here)
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
    """Return the instant of a day that a caller means; of a local time, the first candidate within the day."""
    first, last = slices["start_at"][0], slices["end_at"][-1]
    for candidate in _read(day, at):
        if first <= candidate < last:
            return candidate
    extent = f"from {day.words.clock(first)} to {day.words.clock(last)}"
    raise UsageError(
        f"--at {at} is outside {day.agent_id}'s workday {day.on}, which is {extent} ({day.timezone})."
    )


def _read(day: Day, at: when.When) -> Iterator[datetime]:
    """Yield the instants that a caller can mean, the most likely first."""
    advice = f"--at {at}: give an instant like 2026-03-02T10:16:00+02:00, or a local time like 10:16."
    if not (isinstance(at, str) and len(at) <= 15 and ":" in at[:3]):
        instant = when.parse(at, "--at")
        if not isinstance(instant, datetime):
            raise UsageError(advice)
        yield instant
        return
    try:
        local = time.fromisoformat(at)
    except ValueError:
        raise UsageError(advice) from None
    # A night shift's 02:00 is on the next date; and when clocks go back a local time occurs twice (fold).
    for days in (0, 1):
        on = datetime.combine(day.on + timedelta(days=days), local, ZoneInfo(day.timezone))
        for fold in (0, 1):
            yield on.replace(fold=fold).astimezone(UTC)


def read_day(
    reader: Reader, settings: Settings, options: Options, agent: str, on: date, as_of: datetime | None
) -> Day:
    """Read and score one agent's workday, with the origin of every row.

    Raises:
        NoDataError: the agent does not exist, or nothing is known of the day.
    """
    scoring = settings.timezone, options
    basis = read_basis(reader, (on, on + when.DAY), as_of, *scoring, agents=[agent], placed=True)
    scored, frames = basis.score(), basis.frames
    decisions = grounds(scored, frames, agent)
    if shown(decisions.slices).is_empty():
        raise NoDataError(f"{agent} has no schedule on {on} and did no work on that day.")
    zone = zone_of(reader, agent, settings.timezone)
    files = reader.table("collection", columns=["collection_id", "file_name"]).drop_nulls()
    words = Words(agent, on, ZoneInfo(zone), frames, dict(files.iter_rows()), options, basis.as_of)
    return Day(agent, on, zone, scored, frames, decisions, words)


def _worded(day: Day) -> pl.DataFrame:
    """Return the slices to show, with their texts, and row ids instead of row numbers."""
    numbered = day.grounds.slices.with_row_index("slice")
    slices = shown(numbered)
    voices: dict[int, list[dict[str, Any]]] = {}
    for voice in day.grounds.voices.iter_rows(named=True):
        voices.setdefault(voice["slice"], []).append(voice)
    texts = [
        (day.words.rule(row), day.words.told(row, voices.get(row["slice"], [])), day.words.plan(row))
        for row in slices.iter_rows(named=True)
    ]
    text_columns = pl.DataFrame(texts, schema=dict.fromkeys(TOLD, pl.String()), orient="row")
    ids = {name: row_ids(day.frames[table], table) for name, table in TABLE_OF.items()}
    legs = row_ids(day.frames["call_leg"], "call_leg")
    named = slices.with_columns(
        *(ids[name].gather(slices[name]).alias(name) for name in ROWS),
        pl.Series(
            "leg_rows", [legs.gather(at).to_list() for at in slices["leg_rows"]], dtype=pl.List(pl.String)
        ),
    )
    return pl.concat([named, text_columns], how="horizontal").select(
        *SHOWN, *TOLD, "source", "login", *ROWS, "leg_rows"
    )


def shown(slices: pl.DataFrame) -> pl.DataFrame:
    """Return an agent's slices from the first to the last that is scheduled or has a reason, with ``seconds``."""
    trimmed = slices.filter(pl.col("activity").is_not_null() | pl.col("reason").is_not_null())
    length = in_seconds((pl.col("end_at") - pl.col("start_at")).dt.total_microseconds())
    if trimmed.height:
        first, last = trimmed["start_at"].min(), trimmed["end_at"].max()
        trimmed = slices.filter(pl.col("end_at") > first, pl.col("start_at") < last)
    return trimmed.with_columns(length.alias("seconds"))


def without_slivers(slices: pl.DataFrame) -> pl.DataFrame:
    """Merge slices shorter than a second into a neighbour that differs only in the call; for display, not for sums.

    ::

        call    | .3 s without |   66 s of leg 7   |      the clocks of two sources never agree exactly
        state   | busy                             |
        shown   | busy, leg 7, 66.3 s              |
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


def zone_of(reader: Reader, agent: str, default: str) -> str:
    """Return an agent's time zone, or the default where table agent has none."""
    own = reader.table("agent", among={"agent_id": [agent]}, columns=["timezone"])["timezone"].drop_nulls()
    return str(own[0]) if own.len() else default
