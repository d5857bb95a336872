"""The stored rows, added or retired between two knowledge times, that can explain why scores differ."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from wfm.analysis import row_text
from wfm.analysis.load import WindowInputs
from wfm.core import schema
from wfm.core.text import fill_sentence
from wfm.core.time import INSTANT
from wfm.engine.adherence.score_diff import find_touching_rows, sum_changed_workdays
from wfm.engine.time.codes import fold_vendor_text
from wfm.storage.reader import DatabaseReader, TimeSpan
from wfm.vendors import CALL_EVENT

STATE_LOOKBACK: Final = timedelta(days=7)
"""How long before a change the state that caused it may have begun; an older one has been renewed or has expired."""
NEARBY_DISTANCES: Final = (timedelta(hours=1), timedelta(days=1))
"""How far around an unexplained change its cause is searched: first for a moved break, then for a moved shift."""

SCORING_TABLES: Final = tuple(table for table in row_text.TEXT_COLUMNS if table != CALL_EVENT)
"""The tables whose rows decide scores; call events do so only through the legs built from them."""
OMITTED_COLUMNS: Final[dict[str, tuple[str, ...]]] = {"call_leg": ("queue_id",), "exemption": ("by",)}
"""Columns left out of a row's text: the queue decides no class, and the approver has a column of its own."""
SCORED_TIME_COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "agent_state": ("at", "next_at"),
    "call_leg": ("answered_at", "ended_at"),
}
"""Columns of the time in which a row affects scores, where that is not its whole time: a leg counts from its answer."""

CAUSE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "agent_id": pl.String(),
    "workday": pl.Date(),
    "table": pl.String(),
    "change": pl.String(),
    "start_at": INSTANT,
    "end_at": INSTANT,
    "says": pl.String(),
    "said_before": pl.String(),
    "seconds": pl.Float64(),
    "by": pl.String(),
    "row_no": pl.Int64(),
    "known_at": INSTANT,
}
AGENT_WORKDAY: Final = ["agent_id", "workday"]


def find_causes(
    reader: DatabaseReader, since: datetime, changed: pl.DataFrame, before: WindowInputs, after: WindowInputs
) -> pl.DataFrame:
    """Find the rows that were added or retired since a knowledge time and touch what changed.

    Where no row reaches into the changed stretches of a workday, rows near them are returned with 0 seconds: a call
    before a break, or a state before a shift, can decide about what follows.

    Args:
        reader: the database as of the second knowledge time.
        since: the first knowledge time.
        changed: agent_id workday start_at end_at seconds of the stretches whose class differs, and from each score
            their state, activity and class.
        before, after: the inputs of the two scores.

    Returns:
        The columns of `CAUSE_SCHEMA`: a row for each stored row, agent and workday; in order of agent, workday,
        known_at.
    """
    if changed.is_empty():
        return pl.DataFrame(schema=CAUSE_SCHEMA)
    found = _find_touching_rows(reader, since, changed, before, after)
    for distance in NEARBY_DISTANCES:
        unexplained = sum_changed_workdays(changed).join(found, on=AGENT_WORKDAY, how="anti")
        if unexplained.height:
            wide = unexplained.with_columns(pl.col("start_at") - distance, pl.col("end_at") + distance)
            near = _find_touching_rows(reader, since, wide, before, after).with_columns(seconds=pl.lit(0.0))
            found = pl.concat([found, near])
    return found.sort(*AGENT_WORKDAY, "known_at", "table", "row_no", maintain_order=True)


def _find_touching_rows(
    reader: DatabaseReader, since: datetime, changed: pl.DataFrame, before: WindowInputs, after: WindowInputs
) -> pl.DataFrame:
    """Find the changed rows of every table that touch some stretches; columns as in `find_causes`."""
    first, last = changed["start_at"].min(), changed["end_at"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    parts = [pl.DataFrame(schema=CAUSE_SCHEMA)]
    for table in SCORING_TABLES:
        rows = _read_changed_rows(reader, table, since, (first - STATE_LOOKBACK, last))
        if rows.height:
            reached = _find_touched_stretches(table, rows, changed, before, after)
            parts.append(_describe_changes(table, rows).join(reached, on="number").select(list(CAUSE_SCHEMA)))
    return pl.concat(parts)


def _read_changed_rows(reader: DatabaseReader, table: str, since: datetime, near: TimeSpan) -> pl.DataFrame:
    """Read the rows of a table that were added or retired, with a ``number`` that both versions of a key share."""
    rows = reader.read_changes(
        table, since, span=near if table in ("agent_state", "coverage", "exemption") else None
    )
    key = list(schema.get_table(table).key)
    numbers = rows.select(key).unique(maintain_order=True).with_row_index("number")
    return rows.join(numbers, on=key, nulls_equal=True, maintain_order="left")


# --- the stretches a row touches ----------------------------------------------------------------------------
def _find_touched_stretches(
    table: str, rows: pl.DataFrame, changed: pl.DataFrame, before: WindowInputs, after: WindowInputs
) -> pl.DataFrame:
    """Return the stretches that the rows of a table can have changed: number agent_id workday seconds."""
    where = None
    if table == "exemption":
        rows = _expand_team_exemptions(rows, before, after)
    elif table in ("agent_state", "call_leg"):
        rows = _assign_to_agents(rows, before, after)
        rows = (
            _add_next_state(rows, before, after) if table == "agent_state" else rows.drop_nulls("answered_at")
        )
    elif table == "login":
        # A login's row at one time also decides whether it counts as its own agent at all other times.
        rows = pl.concat([rows, rows.with_columns(agent_id="login")]).with_columns(
            pl.lit(None, INSTANT).alias(name) for name in ("from_at", "to_at")
        )
    elif "agent_id" not in rows.columns:
        rows = rows.with_columns(agent_id=pl.lit(None, pl.String))
    if table == "schedule":  # a publication replaces whole workdays, so it touches all of a changed day
        changed = sum_changed_workdays(changed)
    elif "state_before" in changed.columns:
        where = _build_table_condition(table)
        changed = _add_comparison_columns(changed, before, after) if where is not None else changed
    # A leg counts from its answer on, so its ringing cannot explain a change.
    start, end = SCORED_TIME_COLUMNS.get(table) or row_text.find_time_columns(table)
    return find_touching_rows(
        rows.with_columns(start_at=_build_instant_column(start), end_at=_build_instant_column(end)),
        changed,
        where,
    )


def _build_instant_column(column: str | None) -> pl.Expr:
    return pl.lit(None, INSTANT) if column is None else pl.col(column)


def _build_table_condition(table: str) -> pl.Expr | None:
    """Return the condition under which a row of a table without time columns concerns a stretch; None: always."""

    def equals_either(value: pl.Expr, name: str) -> pl.Expr:
        before, after = pl.col(f"{name}_before"), pl.col(f"{name}_after")
        return (value == before).fill_null(False) | (value == after).fill_null(False)

    match table:
        case "state_map":
            return equals_either(fold_vendor_text(pl.col("vendor_state")), "folded_state")
        case "activity":
            return equals_either(fold_vendor_text(pl.col("activity")), "folded_activity")
        case "rule":
            return equals_either(pl.col("state"), "state") & equals_either(pl.col("category"), "category")
    return None


def _add_comparison_columns(changed: pl.DataFrame, before: WindowInputs, after: WindowInputs) -> pl.DataFrame:
    """Add to stretches what rows are compared with: folded vendor state and activity, and the activity's category."""
    for which, basis in (("before", before), ("after", after)):
        category = (
            basis.frames["activity"]
            .select(fold_vendor_text(pl.col("activity")).alias("folded_activity"), "category")
            .unique("folded_activity", keep="last", maintain_order=True)
        )
        changed = changed.with_columns(
            pl.col(f"state_{which}").cast(pl.String),
            fold_vendor_text(pl.col(f"vendor_state_{which}")).alias(f"folded_state_{which}"),
            fold_vendor_text(pl.col(f"activity_{which}")).alias(f"folded_activity_{which}"),
        ).join(
            category.rename({name: f"{name}_{which}" for name in category.columns}),
            on=f"folded_activity_{which}",
            how="left",
        )
    return changed


def _assign_to_agents(rows: pl.DataFrame, before: WindowInputs, after: WindowInputs) -> pl.DataFrame:
    """Repeat rows for every agent who has or had their login; without one, the login is the agent_id."""
    logins = pl.concat(
        [basis.frames["login"].select("source", "login", "agent_id") for basis in (before, after)]
    ).unique()
    rows = rows.join(logins, on=["source", "login"], how="left")
    return rows.with_columns(agent_id=pl.coalesce("agent_id", "login"))


def _add_next_state(rows: pl.DataFrame, before: WindowInputs, after: WindowInputs) -> pl.DataFrame:
    """Add ``next_at``, when the login's next state began: of retired rows in the old log, of added ones in the new."""
    parts = []
    for basis, gone in ((before, True), (after, False)):
        at = basis.frames["agent_state"].select("source", "login", next_at="at").sort("next_at")
        parts.append(
            rows.filter(pl.col("gone") == gone)
            .sort("at")
            .join_asof(
                at,
                left_on="at",
                right_on="next_at",
                by=["source", "login"],
                strategy="forward",
                allow_exact_matches=False,
                coalesce=False,
                check_sortedness=False,
            )
        )
    return pl.concat(parts)


def _expand_team_exemptions(rows: pl.DataFrame, before: WindowInputs, after: WindowInputs) -> pl.DataFrame:
    """Repeat a team's exemptions for every agent who is or was in it."""
    people = pl.concat([basis.frames["agent"].select("team", member="agent_id") for basis in (before, after)])
    team = pl.col("agent_id").is_null() & pl.col("team").is_not_null()
    of_team = rows.filter(team).join(people.unique(), on="team")
    return pl.concat([rows.filter(~team), of_team.with_columns(agent_id="member").drop("member")])


# --- the text of a row --------------------------------------------------------------------------------------
def _describe_changes(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return each ``number`` once, as added, corrected or retired, with its text now and before."""
    text = row_text.build_row_text(table, OMITTED_COLUMNS.get(table, ()))
    by = pl.lit(None, pl.String)
    if table == "exemption":
        revoked = fill_sentence(" (revoked by {})", pl.col("revoked_by").fill_null("somebody"))
        text += pl.when(pl.col("revoked_at").is_not_null()).then(revoked).otherwise(pl.lit(""))
        by = pl.coalesce("revoked_by", "by")
    elif table == "clock":
        by = pl.col("by")
    start, end = SCORED_TIME_COLUMNS.get(table) or row_text.find_time_columns(table)
    described = rows.select(
        "number",
        "gone",
        _build_instant_column(start).alias("start_at"),
        _build_instant_column(end if end in rows.columns else None).alias("end_at"),
        says=text,
        by=by,
        row_no=pl.when(~pl.col("gone")).then("row_no"),
        known_at=pl.when("gone").then("replaced_at").otherwise("recorded_at"),
    )
    # A key that occurs both among the new and the retired rows was corrected.
    added, gone = described.filter(~pl.col("gone")), described.filter("gone")
    corrected = added.join(gone.select("number", said_before="says"), on="number", how="left")
    retired = gone.join(added, on="number", how="anti").with_columns(said_before="says")
    change = (
        pl.when("gone").then(pl.lit("retired")).when(pl.col("said_before").is_null()).then(pl.lit("added"))
    )
    both = pl.concat([corrected, retired.select(corrected.columns)])
    return both.with_columns(change=change.otherwise(pl.lit("corrected")), table=pl.lit(table))
