"""Which stored rows, come or gone between two instants, touch the stretches of which scores say something else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from wfm import schema
from wfm.core.time import INSTANT
from wfm.engine.changes import touching, workdays
from wfm.engine.codes import fold
from wfm.jobs.scoring import Basis
from wfm.storage.reader import Reader, Span
from wfm.words import worded

LOOKS_BACK: Final = timedelta(days=7)
"""So far before a change a state can lie that brought it: a state is renewed, or unknown, long before."""
NEAR: Final = (timedelta(hours=1), timedelta(days=1))
"""How far from a change nothing explains its cause is looked for: first as far as a break moves, then as a shift."""

SAYS: Final[dict[str, tuple[str, ...]]] = {
    "schedule": ("activity",),
    "agent_state": ("login", "vendor_state", "vendor_reason"),
    "call_leg": ("leg_id", "outcome"),
    "exemption": ("kind", "agent_id", "team", "code", "note"),
    "coverage": ("source",),
    "state_map": ("source", "vendor_state", "vendor_reason", "state"),
    "rule": ("category", "state", "in_adherence"),
    "activity": ("activity", "category", "counted"),
    "login": ("source", "login", "agent_id"),
    "agent": ("agent_id", "name", "team", "timezone"),
    "clock": ("source", "offset_s"),
}
"""The tables whose rows decide scores, and what a row is told by."""

EXTENT: Final[dict[str, tuple[str, str]]] = {
    "schedule": ("start_at", "end_at"),
    "agent_state": ("at", "next_at"),
    "call_leg": ("answered_at", "ended_at"),
    "exemption": ("start_at", "end_at"),
    "coverage": ("start_at", "end_at"),
    "login": ("from_at", "to_at"),
    "clock": ("from_at", "to_at"),
}
"""From when to when a row holds; rows of the other tables always do."""

CAUSE: Final[dict[str, pl.DataType]] = {
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
WHO: Final = ["agent_id", "workday"]


def because(
    known: Reader, since: datetime, changed: pl.DataFrame, before: Basis, after: Basis
) -> pl.DataFrame:
    """Find the rows that came or went since an instant and touch what changed.

    A row that reaches into no changed stretch of a workday that nothing else explains is named if it lies near it, with
    0 s: a call before a break, or a state before a shift, can decide about what follows.

    Args:
        known: what is in force at the second instant.
        since: the first.
        changed: as from `wfm.engine.changes.stretches`.
        before, after: what the two scores were made of.

    Returns:
        The columns of `CAUSE`: a row for each stored row, agent and workday; in order of agent, workday, known_at.
    """
    if changed.is_empty():
        return pl.DataFrame(schema=CAUSE)
    found = _pass(known, since, changed, before, after)
    for far in NEAR:
        left = workdays(changed).join(found, on=WHO, how="anti")
        if left.height:
            wide = left.with_columns(pl.col("start_at") - far, pl.col("end_at") + far)
            near = _pass(known, since, wide, before, after).with_columns(seconds=pl.lit(0.0))
            found = pl.concat([found, near])
    return found.sort(*WHO, "known_at", "table", "row_no", maintain_order=True)


def _pass(known: Reader, since: datetime, changed: pl.DataFrame, before: Basis, after: Basis) -> pl.DataFrame:
    first, last = changed["start_at"].min(), changed["end_at"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    parts = [pl.DataFrame(schema=CAUSE)]
    for table in SAYS:
        rows = _moved(known, table, since, (first - LOOKS_BACK, last))
        if rows.height:
            reached = _reached(table, rows, changed, before, after)
            parts.append(_told(table, rows).join(reached, on="number").select(list(CAUSE)))
    return pl.concat(parts)


def _moved(known: Reader, table: str, since: datetime, near: Span) -> pl.DataFrame:
    """Read the rows that came or went, with ``number``: both versions of what a key names have the same."""
    rows = known.changed(
        table, since, span=near if table in ("agent_state", "coverage", "exemption") else None
    )
    key = list(schema.table(table).key)
    numbers = rows.select(key).unique(maintain_order=True).with_row_index("number")
    return rows.join(numbers, on=key, nulls_equal=True, maintain_order="left")


# --- what a row reaches -------------------------------------------------------------------------------------
def _reached(
    table: str, rows: pl.DataFrame, changed: pl.DataFrame, before: Basis, after: Basis
) -> pl.DataFrame:
    """Return number agent_id workday seconds: which changed stretches the rows of a table can have changed."""
    where = None
    if table == "exemption":
        rows = _excused(rows, before, after)
    elif table in ("agent_state", "call_leg"):
        rows = _of_agents(rows, before, after)
        rows = _until_next(rows, before, after) if table == "agent_state" else rows.drop_nulls("answered_at")
    elif table == "login":
        # whose a login is at one time decides also whether it is anybody's own at every other
        rows = pl.concat([rows, rows.with_columns(agent_id="login")]).with_columns(
            pl.lit(None, INSTANT).alias(name) for name in ("from_at", "to_at")
        )
    elif "agent_id" not in rows.columns:
        rows = rows.with_columns(agent_id=pl.lit(None, pl.String))
    if table == "schedule":  # a publication replaces whole workdays
        changed = workdays(changed)
    elif "state_before" in changed.columns:
        where = _concerned(table)
        changed = _compared(changed, before, after) if where is not None else changed
    start, end = (pl.col(name) for name in EXTENT[table]) if table in EXTENT else [pl.lit(None, INSTANT)] * 2
    return touching(rows.with_columns(start_at=start, end_at=end), changed, where)


def _concerned(table: str) -> pl.Expr | None:
    """Say how a row of a table without instants can be about a stretch."""

    def one_of(word: pl.Expr, name: str) -> pl.Expr:
        return (word == pl.col(f"{name}_before")).fill_null(False) | (
            word == pl.col(f"{name}_after")
        ).fill_null(False)

    match table:
        case "state_map":
            return one_of(fold(pl.col("vendor_state")), "said")
        case "activity":
            return one_of(fold(pl.col("activity")), "planned")
        case "rule":
            return one_of(pl.col("state"), "state") & one_of(pl.col("category"), "category")
    return None


def _compared(changed: pl.DataFrame, before: Basis, after: Basis) -> pl.DataFrame:
    """Add to stretches what rows are compared with: the folded words, and the category planned."""
    for which, basis in (("before", before), ("after", after)):
        category = (
            basis.frames["activity"]
            .select(fold(pl.col("activity")).alias("word"), "category")
            .unique("word", keep="last", maintain_order=True)
        )
        changed = changed.with_columns(
            pl.col(f"state_{which}").cast(pl.String),
            fold(pl.col(f"vendor_state_{which}")).alias(f"said_{which}"),
            fold(pl.col(f"activity_{which}")).alias(f"planned_{which}"),
        ).join(
            category.rename({"word": f"planned_{which}", "category": f"category_{which}"}),
            on=f"planned_{which}",
            how="left",
        )
    return changed


def _of_agents(rows: pl.DataFrame, before: Basis, after: Basis) -> pl.DataFrame:
    """Repeat rows for every agent whose login theirs is or was; without one, the login is the agent."""
    owners = pl.concat(
        [basis.frames["login"].select("source", "login", "agent_id") for basis in (before, after)]
    ).unique()
    listed = rows.join(owners, on=["source", "login"], how="left")
    return listed.with_columns(agent_id=pl.coalesce("agent_id", "login"))


def _until_next(rows: pl.DataFrame, before: Basis, after: Basis) -> pl.DataFrame:
    """Add ``next_at``: when the login said the next thing."""
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


def _excused(rows: pl.DataFrame, before: Basis, after: Basis) -> pl.DataFrame:
    """Repeat a team's exemptions for everybody who is or was in it."""
    people = pl.concat([basis.frames["agent"].select("team", member="agent_id") for basis in (before, after)])
    team = pl.col("agent_id").is_null() & pl.col("team").is_not_null()
    of_team = rows.filter(team).join(people.unique(), on="team")
    return pl.concat([rows.filter(~team), of_team.with_columns(agent_id="member").drop("member")])


# --- what a row says ----------------------------------------------------------------------------------------
def _told(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Say of each ``number`` what came, or went, and what it said before."""
    said = pl.concat_str(pl.col(SAYS[table]).cast(pl.String), separator=" ", ignore_nulls=True)
    by = pl.lit(None, pl.String)
    if table == "exemption":
        revoked = worded(" (revoked by {})", pl.col("revoked_by").fill_null("somebody"))
        said += pl.when(pl.col("revoked_at").is_not_null()).then(revoked).otherwise(pl.lit(""))
        by = pl.coalesce("revoked_by", "by")
    elif table == "clock":
        by = pl.col("by")
    start, end = EXTENT.get(table, (None, None))
    spoken = rows.select(
        "number",
        "gone",
        pl.col(start).alias("start_at") if start else pl.lit(None, INSTANT).alias("start_at"),
        pl.col(end).alias("end_at") if end in rows.columns else pl.lit(None, INSTANT).alias("end_at"),
        says=said,
        by=by,
        row_no=pl.when(~pl.col("gone")).then("row_no"),
        known_at=pl.when("gone").then("replaced_at").otherwise("recorded_at"),
    )
    came, went = spoken.filter(~pl.col("gone")), spoken.filter("gone")
    corrected = came.join(went.select("number", said_before="says"), on="number", how="left")
    retired = went.join(came, on="number", how="anti").with_columns(said_before="says")
    change = (
        pl.when("gone").then(pl.lit("retired")).when(pl.col("said_before").is_null()).then(pl.lit("added"))
    )
    both = pl.concat([corrected, retired.select(corrected.columns)])
    return both.with_columns(change=change.otherwise(pl.lit("corrected")), table=pl.lit(table))
