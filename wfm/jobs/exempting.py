"""Approve, revoke, restore: what a decision about exemptions would do to the scores, and then the decision itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from hashlib import md5
from typing import Final

import polars as pl

from wfm import schema, terms
from wfm.core.time import INSTANT
from wfm.engine import changes
from wfm.engine.facts import MARGIN
from wfm.errors import InputError, NoDataError, UsageError
from wfm.jobs import scoring
from wfm.jobs.scoring import Basis, check_names
from wfm.storage.database import Store
from wfm.storage.reader import Reader, Span

DECISIONS: Final = {"exempt": "exempted", "revoke": "revoked", "restore": "restored"}
"""What can be decided, as it is named in the ledger; and in the past tense."""

ID_DIGITS: Final = 10
SHORTEST_ID: Final = 4
SHOWN_NOTES: Final = 5
KEY: Final = schema.table("exemption").key
OWN: Final = list(schema.table("exemption").own)
Read = Callable[..., Basis]
"""From a window and agents to what decides its scores."""


@dataclass(frozen=True)
class Decision:
    """A decision about exemptions, and what it does to the scores; nothing is stored before `save`.

    action: a key of `DECISIONS`.
    rows: the exemptions as they will be: id (null before a new one is stored), then the columns of the table.
    figures: as from `wfm.engine.changes.figures`, by agent_id, workday; team as third column.
    teams: the same by team; empty where single agents are exempted, for then not everybody of a team was looked at.
    moves: as from `wfm.engine.changes.moves`.
    notes: what the person who decides should know.
    """

    action: str
    rows: pl.DataFrame
    figures: pl.DataFrame
    teams: pl.DataFrame
    moves: pl.DataFrame
    notes: tuple[str, ...]
    by: str
    reason: str | None
    file_name: str | None
    store: Store

    def save(self) -> Decision:
        """Store it, all or nothing; return it with the ids of new exemptions.

        Raises:
            InputError, NoDataError: somebody else has revoked or restored one of them meanwhile.
            StoreError: nothing was stored.
        """
        saved = []

        def decide(known: Reader, rows: pl.DataFrame, now: datetime) -> tuple[pl.DataFrame, tuple[str, ...]]:
            if self.action == "exempt":
                _refuse_repeats(known, rows)
                rows = rows.with_columns(pl.col("made_at").fill_null(pl.lit(now, INSTANT)))
            else:
                here = _chosen(with_id(known.table("exemption")), self.rows["id"].to_list(), self.action)
                rows = _decided(here, self.action, self.by, now)
            saved.append(with_id(rows.select(OWN)))
            return rows.select(OWN), (_said(self.action, self.by, self.reason),)

        self.store.write(
            "exemption",
            self.rows.select(OWN),
            source="-",
            origin=self.action,
            file_name=self.file_name,
            window=_extent(self.rows),
            revise=decide,
        )
        return replace(self, rows=saved[0])


def with_id(rows: pl.DataFrame) -> pl.DataFrame:
    """Put in front of exemptions the id people name them by: x and ten digits, of what makes it this exemption.

    It stays the same when it is revoked, restored, or imported into another database.
    """
    parts = [
        pl.col(name).dt.epoch("us").cast(pl.String) if rows.schema[name] == INSTANT else pl.col(name)
        for name in KEY
    ]
    told = rows.select(pl.concat_str([part.fill_null("") for part in parts], separator="\x1f")).to_series()
    made = [f"x{md5(text.encode(), usedforsecurity=False).hexdigest()[:ID_DIGITS]}" for text in told]
    return rows.select(pl.Series("id", made, dtype=pl.String), pl.all())


# --- what is asked for --------------------------------------------------------------------------------------
def requested(
    span: Span,
    *,
    agents: Sequence[str],
    teams: Sequence[str],
    everybody: bool,
    kind: str,
    code: str | None,
    by: str | None,
    reason: str | None,
) -> pl.DataFrame:
    """Make the rows of one exemption for several agents and teams, or for everybody.

    Raises:
        UsageError: it is not said for whom, by whom, or why; or there is no such kind.
    """
    if everybody == bool(agents or teams):
        raise UsageError("Say for whom: --agent or --team (may be repeated), or --all; and not both.")
    if kind not in terms.EXEMPTION_KINDS:
        raise UsageError(f"There is no kind {kind!r}: choose from {', '.join(terms.EXEMPTION_KINDS)}.")
    who, why = signed(by), (reason or "").strip()
    if not why:
        raise UsageError("Say why: --reason TEXT.")
    whom: list[tuple[str | None, str | None]] = [(agent, None) for agent in dict.fromkeys(agents)]
    whom += [(None, team) for team in dict.fromkeys(teams)]
    return pl.DataFrame(
        [
            {
                "start_at": span[0],
                "end_at": span[1],
                "kind": kind,
                "agent_id": agent,
                "team": team,
                "code": code,
            }
            | {"note": why, "by": who}
            for agent, team in whom or [(None, None)]
        ],
        schema=dict.fromkeys(("start_at", "end_at"), INSTANT)
        | dict.fromkeys(("kind", "agent_id", "team", "code", "note", "by"), pl.String()),
    ).select(pl.lit(None, dtype).alias(name) if name in UNSAID else pl.col(name) for name, dtype in COLUMNS)


UNSAID: Final = ("made_at", "revoked_at", "revoked_by")
COLUMNS: Final = schema.table("exemption").own.items()


def checked(rows: pl.DataFrame, *, where: str) -> pl.DataFrame:
    """Refuse the rows of a file that are no new exemptions, or do not say who approved them, or why.

    Args:
        rows: columns of the table, row_no.
        where: the file.

    Raises:
        InputError: a row does not say by whom or why, is made in the future, or is revoked already.
    """
    wrong = {
        "it does not say who approved it; add a column by, or --by": pl.col("by").is_null(),
        "it does not say why; add a column note, or --reason": pl.col("note").is_null(),
        "made_at is in the future": pl.col("made_at") > datetime.now(UTC),
        "it is revoked already; a history is brought in by `wfm import exemption`": pl.col(
            "revoked_at"
        ).is_not_null(),
    }
    for what, bad in wrong.items():
        found = rows.filter(bad)
        if found.height:
            raise InputError(f"{where}: row {found['row_no'][0]}: {what}. Nothing was stored.")
    return rows.select(OWN)


def signed(by: str | None) -> str:
    """Return who decides.

    Raises:
        UsageError: nobody said so.
    """
    if not (by or "").strip():
        raise UsageError("Say who decides: --by WHO.")
    assert by is not None
    return by.strip()


# --- plans ------------------------------------------------------------------------------------------------
def plan(
    store: Store, read: Read, rows: pl.DataFrame, *, by: str, reason: str | None, file_name: str | None = None
) -> Decision:
    """Plan to exempt; see `Decision`.

    Raises:
        NoDataError: an agent or a team is not known.
        InputError: the same is exempted already.
    """
    with store.reading() as known:
        check_names(known, "agent", rows["agent_id"].drop_nulls().unique(maintain_order=True).to_list())
        check_names(known, "team", rows["team"].drop_nulls().unique(maintain_order=True).to_list())
        _refuse_repeats(known, rows)
        held, people = _around(known, rows), scoring.people(known).select("agent_id", "team")
    notes = _overlaps(rows, with_id(held.filter(pl.col("revoked_at").is_null())), people)
    blank = rows.select(pl.lit(None, pl.String).alias("id"), pl.all())
    after = pl.concat([held, rows])
    return _foreseen(store, read, blank, after, people, notes, "exempt", by, reason, file_name)


def plan_again(
    store: Store, read: Read, ids: Sequence[str], action: str, *, by: str | None, reason: str | None
) -> Decision:
    """Plan to revoke exemptions, or to restore revoked ones; see `Decision`.

    Raises:
        UsageError: nobody signs it, or no id is given.
        NoDataError: there is no such exemption.
        InputError: it is revoked (in force) already, or the id fits several.
    """
    who = signed(by)
    with store.reading() as known:
        chosen = _chosen(with_id(known.table("exemption")), ids, action)
        held, people = with_id(_around(known, chosen)), scoring.people(known).select("agent_id", "team")
    rows = _decided(chosen, action, who, datetime.now(UTC))
    after = pl.concat([held.join(rows, on="id", how="anti"), rows]).select(OWN)
    return _foreseen(store, read, rows, after, people, (), action, who, reason, None)


def _foreseen(
    store: Store,
    read: Read,
    rows: pl.DataFrame,
    after: pl.DataFrame,
    people: pl.DataFrame,
    notes: tuple[str, ...],
    action: str,
    by: str,
    reason: str | None,
    file_name: str | None,
) -> Decision:
    """Score with the exemptions there are and with those there would be."""
    single = rows["agent_id"].drop_nulls().len() > 0
    try:
        basis = read(*_days(rows), agents=_whom(rows, people))
    except NoDataError:
        empty = pl.DataFrame()
        unseen = ("Nothing is known of that time yet; it will count once there are schedules and states.",)
        return Decision(action, rows, empty, empty, empty, (*notes, *unseen), by, reason, file_name, store)
    old, new = basis.score(), basis.score(exemption=after)
    figures = changes.figures(old, new).join(people, on="agent_id", how="left", maintain_order="left")
    figures = figures.select("agent_id", "workday", "team", pl.exclude("agent_id", "workday", "team"))
    teams = changes.figures(old, new, ["team"]).clear() if single else changes.figures(old, new, ["team"])
    moves = changes.moves(changes.stretches(old, new))
    if moves.is_empty():
        notes = (*notes, "No second changes its class.")
    return Decision(action, rows, figures, teams, moves, notes, by, reason, file_name, store)


def _decided(rows: pl.DataFrame, action: str, by: str, now: datetime) -> pl.DataFrame:
    if action == "revoke":
        return rows.with_columns(revoked_at=pl.lit(now, INSTANT), revoked_by=pl.lit(by))
    return rows.with_columns(revoked_at=pl.lit(None, INSTANT), revoked_by=pl.lit(None, pl.String))


def _said(action: str, by: str, reason: str | None) -> str:
    why = f": {reason.strip()}" if reason and reason.strip() else ""
    return f"{DECISIONS[action]} by {by}{why}"


def _chosen(there: pl.DataFrame, ids: Sequence[str], action: str) -> pl.DataFrame:
    """Find exemptions by their ids, or the first letters of them."""
    wanted = [name.strip().lower() for name in dict.fromkeys(ids)]
    if not wanted:
        raise UsageError("Name at least one exemption by its id; `wfm exempt list` shows them.")
    found = [_one(there, name) for name in wanted]
    rows = pl.concat(found).unique("id", keep="first", maintain_order=True)
    done = rows.filter(pl.col("revoked_at").is_not_null() == (action == "revoke"))
    if done.height:
        first = done.row(0, named=True)
        state = (
            f"revoked already, by {first['revoked_by'] or 'somebody'}" if action == "revoke" else "in force"
        )
        raise InputError(f"{first['id']} is {state}. Nothing was changed.")
    return rows


def _one(there: pl.DataFrame, name: str) -> pl.DataFrame:
    if len(name) < SHORTEST_ID:
        raise UsageError(f"{name!r}: give at least the first {SHORTEST_ID} letters of an id, like x3fa.")
    found = there.filter(pl.col("id").str.starts_with(name))
    if found.is_empty():
        raise NoDataError(f"There is no exemption {name}; `wfm exempt list --revoked` shows all there are.")
    if found.height > 1:
        raise InputError(f"{name} fits {', '.join(found['id'].head(5))}: write more of the id.")
    return found


# --- around an exemption ------------------------------------------------------------------------------------
def _extent(rows: pl.DataFrame) -> Span:
    first, last = rows["start_at"].min(), rows["end_at"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return first, last


def _days(rows: pl.DataFrame) -> tuple[date, date]:
    """Return the workdays that exemptions can touch: of shifts that began the day before, in any zone."""
    first, last = _extent(rows)
    return (first - MARGIN).date(), (last + MARGIN).date()


def _around(known: Reader, rows: pl.DataFrame) -> pl.DataFrame:
    first, last = _extent(rows)
    return known.table("exemption", span=(first - 3 * MARGIN, last + 3 * MARGIN))


def _whom(rows: pl.DataFrame, people: pl.DataFrame) -> list[str] | None:
    """Return the agents whom exemptions are for; None: everybody."""
    if rows.filter(pl.col("agent_id").is_null(), pl.col("team").is_null()).height:
        return None
    of_team = people.filter(pl.col("team").is_in(rows["team"].drop_nulls().implode()))["agent_id"]
    return sorted({*rows["agent_id"].drop_nulls(), *of_team})


def _refuse_repeats(known: Reader, rows: pl.DataFrame) -> None:
    """Refuse to exempt once more what an exemption in force says already."""
    same = [name for name in KEY if name != "made_at"]
    there = with_id(_around(known, rows).filter(pl.col("revoked_at").is_null()))
    twice = rows.join(
        there.select("id", *same), on=same, how="inner", nulls_equal=True, maintain_order="left"
    )
    if twice.height:
        first = twice.row(0, named=True)
        raise InputError(
            f"{_name(first)} is exempted from {first['start_at'].isoformat()} to {first['end_at'].isoformat()} "
            f"already, by {first['id']}. Nothing was stored."
        )


def _overlaps(rows: pl.DataFrame, held: pl.DataFrame, people: pl.DataFrame) -> tuple[str, ...]:
    """Say which exemptions in force overlap new ones for the same people."""
    new, old = (_whose(part, people) for part in (rows.with_row_index("row"), held.with_row_index("row")))
    met = new.join(old, on="agent_id", suffix="_held").filter(
        pl.col("start_at") < pl.col("end_at_held"), pl.col("end_at") > pl.col("start_at_held")
    )
    pairs = (
        met.group_by("row_held").agg(pl.len(), pl.col("agent_id").n_unique().alias("agents")).sort("row_held")
    )
    notes = []
    for number, _, agents in pairs.head(SHOWN_NOTES).iter_rows():
        one = held.row(number, named=True)
        notes.append(
            f"Overlaps {one['id']} ({_name(one)}, {one['kind']}, {one['start_at']:%Y-%m-%d %H:%M}Z to "
            f"{one['end_at']:%Y-%m-%d %H:%M}Z) for {agents:,} agent(s)."
        )
    more = pairs.height - SHOWN_NOTES
    return (*notes, *((f"Overlaps {more:,} more.",) if more > 0 else ()))


def _whose(rows: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Repeat exemptions for each agent they are for: row agent_id start_at end_at."""
    span = rows.select("row", "start_at", "end_at", "team", agent="agent_id")
    single = span.filter(pl.col("agent").is_not_null()).select("row", "start_at", "end_at", agent_id="agent")
    team = span.filter(pl.col("agent").is_null(), pl.col("team").is_not_null()).join(people, on="team")
    everybody = span.filter(pl.col("agent").is_null(), pl.col("team").is_null())
    wide = everybody.join(people.select("agent_id"), how="cross")
    return pl.concat([part.select("row", "agent_id", "start_at", "end_at") for part in (single, team, wide)])


def _name(row: dict[str, object]) -> str:
    """Name whom an exemption is for."""
    if row["agent_id"] is not None:
        return str(row["agent_id"])
    return f"team {row['team']}" if row["team"] is not None else "everybody"


# --- the list -----------------------------------------------------------------------------------------------
def listed(
    known: Reader,
    as_of: datetime | None,
    *,
    span: tuple[datetime | None, datetime | None],
    agents: Sequence[str],
    teams: Sequence[str],
    revoked: bool,
) -> pl.DataFrame:
    """List exemptions in order of time.

    Args:
        known: what is read.
        as_of: the instant asked for; decides where the database had not begun by then.
        span: only those that overlap it; an end may be open.
        agents: only those that hold for one of them: their own, their team's and everybody's.
        teams: only those of these teams.
        revoked: also those that are revoked.

    Returns:
        id state (in_force or revoked) start_at end_at kind agent_id team code note by made_at revoked_at revoked_by
        decision (the last one made here, with who and why).
    """
    check_names(known, "agent", agents)
    check_names(known, "team", teams)
    found = known.table("exemption", columns=[*OWN, "collection_id"])
    ledger = known.table("collection", columns=["collection_id", "origin", "note"])
    ours = ledger.filter(pl.col("origin").is_in(list(DECISIONS))).select("collection_id", decision="note")
    rows = with_id(found).join(ours, on="collection_id", how="left", maintain_order="left")
    if as_of is not None and not known.replays:
        rows = _stated_by(rows, as_of)
    first, last = span
    gone = pl.col("revoked_at").is_not_null()
    rows = rows.with_columns(
        state=pl.when(gone).then(pl.lit("revoked")).otherwise(pl.lit("in_force"))
    ).filter(
        pl.lit(True) if first is None else pl.col("end_at") > first,
        pl.lit(True) if last is None else pl.col("start_at") < last,
        pl.lit(True) if revoked else ~gone,
        _about(known, agents, teams),
    )
    return rows.select("id", "state", *OWN, "decision").sort("start_at", "end_at", maintain_order=True)


def _stated_by(rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    made = rows.filter(pl.col("made_at").is_null() | (pl.col("made_at") <= as_of))
    later = pl.col("revoked_at") > as_of
    return made.with_columns(pl.when(~later).then(pl.col(name)) for name in ("revoked_at", "revoked_by"))


def _about(known: Reader, agents: Sequence[str], teams: Sequence[str]) -> pl.Expr:
    if not (agents or teams):
        return pl.lit(True)
    whom, which = pl.col("agent_id"), pl.col("team")
    about = whom.is_null() & which.is_in(list(teams))
    if agents:
        of = known.table("agent", among={"agent_id": list(agents)}, columns=["team"])["team"].drop_nulls()
        about |= whom.is_in(list(agents)) | (whom.is_null() & (which.is_null() | which.is_in(of.implode())))
    return about.fill_null(False)
