"""Explain one agent's workday, or one instant of it, down to the stored rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl

from wfm.analysis import time_args
from wfm.analysis.explain.decision_text import DecisionTexts
from wfm.analysis.explain.instant_text import RuleResult, describe_rule_results
from wfm.analysis.explain.stored_rows import TABLE_OF_ID_COLUMN, format_row_ids, read_stored_rows
from wfm.analysis.load import read_window_inputs
from wfm.core.errors import NoDataError, UsageError
from wfm.engine.adherence.classify import build_rule_table
from wfm.engine.adherence.scoring import Score, ScoreOptions
from wfm.engine.explain.decisions import ROW_COLUMNS, SliceDecisions, explain_slices
from wfm.engine.explain.instant import examine_instant
from wfm.engine.inputs.frames import read_frame
from wfm.engine.time.units import us_to_seconds
from wfm.settings import Settings
from wfm.storage.database import Database
from wfm.storage.reader import DatabaseReader

TEXT_COLUMN_NAMES: Final = ("rule", "told", "plan")
SLICE_COLUMN_NAMES: Final = (
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
class DayExplanation:
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
class InstantExplanation:
    """One instant of an agent's workday.

    slice: one row, as in `DayExplanation.slices`.
    rule_results: every rule, in the order in which they are tested, and its result.
    login_states: what each of several logins reported: source login state state_row won (whether its state counts).
    rows: as `DayExplanation.rows`, of this slice.
    """

    agent_id: str
    at: datetime
    timezone: str
    slice: pl.DataFrame
    rule_results: tuple[RuleResult, ...]
    login_states: pl.DataFrame
    rows: pl.DataFrame


@dataclass(frozen=True)
class ScoredDay:
    """One agent's scored workday with the inputs, decisions and texts behind it."""

    agent_id: str
    workday: date
    timezone: str
    scored: Score
    frames: dict[str, pl.DataFrame]
    decisions: SliceDecisions
    texts: DecisionTexts


def explain_day(
    database: Database,
    settings: Settings,
    options: ScoreOptions,
    agent: str,
    on: date,
    as_of: datetime | None,
) -> DayExplanation:
    """Explain one agent's workday down to the stored rows.

    Raises:
        NoDataError: the agent does not exist, or nothing is known of the day.
    """
    with database.open_reader(as_of) as reader:
        day = score_agent_day(reader, settings, options, agent, on, as_of)
        slices = _describe_slices(day)
        rows = read_stored_rows(reader, settings, agent, day.frames, slices)
    mine = pl.col("agent_id") == agent
    return DayExplanation(
        agent,
        on,
        day.timezone,
        slices,
        day.scored.exceptions().filter(mine),
        day.scored.adherence().filter(mine),
        rows,
    )


def explain_instant(
    database: Database,
    settings: Settings,
    options: ScoreOptions,
    agent: str,
    on: date,
    at: time_args.TimeArgument,
    as_of: datetime | None,
) -> InstantExplanation:
    """Explain one instant of a workday: the result of every rule, and what a rule lacked to apply.

    Args:
        database, settings, options, agent, on, as_of: as for `explain_day`.
        at: an instant, or a local time of the workday, like 10:16.

    Raises:
        UsageError: ``at`` is neither, or lies outside the day.
        NoDataError: the agent does not exist, or nothing is known of the day.
    """
    with database.open_reader(as_of) as reader:
        day = score_agent_day(reader, settings, options, agent, on, as_of)
        slices = _describe_slices(day)
        instant = _resolve_instant(day, slices, at)
        here = slices.filter(pl.col("start_at") <= instant, pl.col("end_at") > instant)
        rows = read_stored_rows(reader, settings, agent, day.frames, here)
    number = day.decisions.slices.with_row_index("slice").filter(
        pl.col("start_at") <= instant, pl.col("end_at") > instant
    )
    rules = build_rule_table(read_frame(day.frames["rule"], "rule"))
    findings = examine_instant(day.scored, rules, agent, instant)
    assert findings is not None
    rule_results = describe_rule_results(day.texts, number.row(0, named=True), findings)
    login_states = day.decisions.login_states.filter(pl.col("slice") == number["slice"][0]).drop("slice")
    return InstantExplanation(agent, instant, day.timezone, here, rule_results, login_states, rows)


def _resolve_instant(day: ScoredDay, slices: pl.DataFrame, at: time_args.TimeArgument) -> datetime:
    """Return the instant of a day that a caller means; of a local time, the first candidate within the day."""
    first, last = slices["start_at"][0], slices["end_at"][-1]
    for candidate in _iterate_candidates(day, at):
        if first <= candidate < last:
            return candidate
    extent = f"from {day.texts.format_time(first)} to {day.texts.format_time(last)}"
    raise UsageError(
        f"--at {at} is outside {day.agent_id}'s workday {day.workday}, which is {extent} ({day.timezone})."
    )


def _iterate_candidates(day: ScoredDay, at: time_args.TimeArgument) -> Iterator[datetime]:
    """Yield the instants that a caller can mean, the most likely first."""
    advice = f"--at {at}: give an instant like 2026-03-02T10:16:00+02:00, or a local time like 10:16."
    if not (isinstance(at, str) and len(at) <= 15 and ":" in at[:3]):
        instant = time_args.parse_time(at, "--at")
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
        on = datetime.combine(day.workday + timedelta(days=days), local, ZoneInfo(day.timezone))
        for fold in (0, 1):
            yield on.replace(fold=fold).astimezone(UTC)


def score_agent_day(
    reader: DatabaseReader,
    settings: Settings,
    options: ScoreOptions,
    agent: str,
    on: date,
    as_of: datetime | None,
) -> ScoredDay:
    """Read and score one agent's workday, with the origin of every row.

    Raises:
        NoDataError: the agent does not exist, or nothing is known of the day.
    """
    window = (on, on + time_args.ONE_DAY)
    basis = read_window_inputs(
        reader, window, as_of, settings.timezone, options, agents=[agent], with_origin=True
    )
    scored, frames = basis.compute_score(), basis.frames
    decisions = explain_slices(scored, frames, agent)
    if trim_slices(decisions.slices).is_empty():
        raise NoDataError(f"{agent} has no schedule on {on} and did no work on that day.")
    zone = read_agent_timezone(reader, agent, settings.timezone)
    # Texts name a row by file and row number, where it was imported.
    files = reader.read_table("collection", columns=["collection_id", "file_name"]).drop_nulls()
    texts = DecisionTexts(agent, on, ZoneInfo(zone), frames, dict(files.iter_rows()), options, basis.as_of)
    return ScoredDay(agent, on, zone, scored, frames, decisions, texts)


def _describe_slices(day: ScoredDay) -> pl.DataFrame:
    """Return the slices to show, with their texts, and row ids instead of row numbers."""
    numbered = day.decisions.slices.with_row_index("slice")
    slices = trim_slices(numbered)
    states_of_slice: dict[int, list[dict[str, Any]]] = {}
    for login_state in day.decisions.login_states.iter_rows(named=True):
        states_of_slice.setdefault(login_state["slice"], []).append(login_state)
    texts = [
        (
            day.texts.describe_rule(row),
            day.texts.describe_state(row, states_of_slice.get(row["slice"], [])),
            day.texts.describe_segment(row),
        )
        for row in slices.iter_rows(named=True)
    ]
    text_columns = pl.DataFrame(texts, schema=dict.fromkeys(TEXT_COLUMN_NAMES, pl.String()), orient="row")
    ids = {name: format_row_ids(day.frames[table], table) for name, table in TABLE_OF_ID_COLUMN.items()}
    legs = format_row_ids(day.frames["call_leg"], "call_leg")
    named = slices.with_columns(
        *(ids[name].gather(slices[name]).alias(name) for name in ROW_COLUMNS),
        pl.Series(
            "leg_rows", [legs.gather(at).to_list() for at in slices["leg_rows"]], dtype=pl.List(pl.String)
        ),
    )
    return pl.concat([named, text_columns], how="horizontal").select(
        *SLICE_COLUMN_NAMES, *TEXT_COLUMN_NAMES, "source", "login", *ROW_COLUMNS, "leg_rows"
    )


def trim_slices(slices: pl.DataFrame) -> pl.DataFrame:
    """Return an agent's slices from the first to the last that is scheduled or has a reason, with ``seconds``."""
    trimmed = slices.filter(pl.col("activity").is_not_null() | pl.col("reason").is_not_null())
    length = us_to_seconds((pl.col("end_at") - pl.col("start_at")).dt.total_microseconds())
    if trimmed.height:
        first, last = trimmed["start_at"].min(), trimmed["end_at"].max()
        trimmed = slices.filter(pl.col("end_at") > first, pl.col("start_at") < last)
    return trimmed.with_columns(length.alias("seconds"))


def merge_short_slices(slices: pl.DataFrame) -> pl.DataFrame:
    """Merge slices shorter than a second into a neighbour that differs only in the call; for display, not for sums.

    ::

        call    | .3 s without |   66 s of leg 7   |      two sources' clocks never agree exactly
        state   | busy                             |
        shown   | busy, leg 7, 66.3 s              |
    """
    names = [name for name in (*SLICE_COLUMN_NAMES[3:8], *TEXT_COLUMN_NAMES) if name in slices.columns]
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


def read_agent_timezone(reader: DatabaseReader, agent: str, default: str) -> str:
    """Return an agent's time zone, or the default where table agent has none."""
    own = reader.read_table("agent", among={"agent_id": [agent]}, columns=["timezone"])[
        "timezone"
    ].drop_nulls()
    return str(own[0]) if own.len() else default
