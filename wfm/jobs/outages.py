"""Propose what may have failed in a window, with the evidence and the command that would say so; nothing is applied."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from math import floor, log10
from typing import Any, Final

import polars as pl

from wfm.core.time import INSTANT
from wfm.engine import feed_gaps
from wfm.engine import outages as finding
from wfm.engine.codes import UNMAPPED
from wfm.engine.outages import Look
from wfm.engine.presence import lost, within
from wfm.engine.timeline import map_states
from wfm.engine.unmapped import unmapped
from wfm.errors import NoDataError
from wfm.jobs.scoring import Basis
from wfm.report import formats
from wfm.storage.reader import Reader, Span

HISTORY: Final = timedelta(days=28)
"""How far before the window it is looked to know what is normal."""
SHOWN: Final = 3
DELIBERATE: Final = ("meeting", "training", "break", "meal")
"""States that agents choose: a group in one of them is together somewhere, and no line has failed."""
COLUMNS: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "kind": pl.String,
    "start_at": INSTANT,
    "end_at": INSTANT,
    "scope": pl.String,
    "agents": pl.Int64,
    "seconds": pl.Float64,
    "share": pl.Float64,
    "share_normal": pl.Float64,
    "chance": pl.Float64,
    "evidence": pl.String,
    "examples": pl.List(pl.String),
    "apply": pl.String,
}


@dataclass(frozen=True)
class Search:
    """Where to look, and what a day is there.

    window: the first instant and the end.
    since: where that begins which shows what is normal.
    teams, sources: only these; None: all.
    closed: days on which nobody was expected.
    now: what is later has not been missed yet.
    """

    window: Span
    since: datetime
    now: datetime
    timezone: str = "UTC"
    teams: Sequence[str] | None = None
    sources: Sequence[str] | None = None
    closed: tuple[date, ...] = ()
    look: Look = field(default_factory=Look)


def propose(basis: Basis, agent: pl.DataFrame, search: Search) -> pl.DataFrame:
    """Find outages that nobody declared, feeds that failed and vendor states that nobody mapped.

    What is declared already, or excused, is not proposed again.

    Args:
        basis: what decides the scores from ``search.since`` on.
        agent: agent_id team site of the people there are.
        search: where to look.

    Returns:
        kind (outage, joint_absence: a group out together in a state it chose, feed_gap: not watched, silent_feed:
        watched, but nothing was said, unmapped: a vendor state without a mapping), start_at end_at scope agents
        seconds (at stake) share share_normal (of the group out, and as a rule) chance (of it by chance, at most)
        evidence examples apply (the command); the most seconds first.

    Raises:
        NoDataError: nothing is known of the window, of a team or of a source.
    """
    facts = basis.frames
    owner = _owners(facts)
    _check(search, agent, owner)
    start, end = search.window
    slices = basis.score().slices()
    inside = within(slices, search.window)
    if inside.filter(pl.col("class").is_not_null()).is_empty():
        raise NoDataError(
            f"Nothing was scheduled from {formats.iso(start)} to {formats.iso(end)}: name another window."
        )
    told = [
        *_outages(slices, inside, facts, agent, owner, search),
        *_gaps(slices, inside, facts, _of_teams(owner, agent, search), search),
        *_words(inside, facts, _of_teams(owner, agent, search)),
    ]
    return pl.DataFrame(told, schema=COLUMNS, orient="row").sort(
        "seconds", "start_at", descending=[True, False], maintain_order=True
    )


def closed_days(known: Reader) -> tuple[date, ...]:
    """Return the days on which the centre was closed."""
    return tuple(known.table("holiday").filter("closed")["on_date"].to_list())


def _owners(facts: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Say whose states each source tells: source, login, agent_id."""
    said = facts["agent_state"].select("source", "login").unique(maintain_order=True)
    own = facts["login"].select("source", "login", "agent_id")
    return said.join(own, on=["source", "login"], how="left", maintain_order="left").with_columns(
        agent_id=pl.coalesce("agent_id", "login")
    )


def _check(search: Search, agent: pl.DataFrame, owner: pl.DataFrame) -> None:
    for kind, asked, there in (
        ("team", search.teams, agent["team"]),
        ("source of agent states", search.sources, owner["source"]),
    ):
        known = there.drop_nulls().unique().sort().to_list()
        for name in asked or ():
            if name not in known:
                some = ", ".join(known[:20]) or "none"
                raise NoDataError(f"No {kind} {name!r} is known; there are: {some}.")


def _of_teams(owner: pl.DataFrame, agent: pl.DataFrame, search: Search) -> pl.DataFrame:
    """Keep the logins of the teams and sources that were asked for."""
    if search.teams is not None:
        mine = agent.filter(pl.col("team").is_in(list(search.teams)))
        owner = owner.join(mine, on="agent_id", how="semi", maintain_order="left")
    if search.sources is not None:
        owner = owner.filter(pl.col("source").is_in(list(search.sources)))
    return owner


def _members(agent: pl.DataFrame, owner: pl.DataFrame, search: Search) -> pl.DataFrame:
    """Say who belongs to which group: scope, name, agent_id."""
    everybody = pl.concat([agent["agent_id"], owner["agent_id"]]).unique().sort()
    groups = [
        pl.DataFrame({"scope": "everybody", "name": "everybody", "agent_id": everybody}),
        agent.select(pl.lit("site").alias("scope"), "agent_id", name="site"),
        owner.select(pl.lit("source").alias("scope"), "agent_id", name="source"),
        agent.select(pl.lit("team").alias("scope"), "agent_id", name="team"),
    ]
    every = pl.concat([group.select("scope", "name", "agent_id") for group in groups]).drop_nulls()
    if search.teams is None and search.sources is None:
        return every
    team = (pl.col("scope") == "team") & pl.col("name").is_in(list(search.teams or ()))
    source = (pl.col("scope") == "source") & pl.col("name").is_in(list(search.sources or ()))
    return every.filter(team | source)


# --- outages ----------------------------------------------------------------------------------------------
def _outages(
    slices: pl.DataFrame,
    inside: pl.DataFrame,
    facts: dict[str, pl.DataFrame],
    agent: pl.DataFrame,
    owner: pl.DataFrame,
    search: Search,
) -> Iterable[tuple[Any, ...]]:
    member = _members(agent, owner, search)
    found = finding.joint_absences(
        slices,
        facts["activity"],
        member,
        search.window,
        timezone=search.timezone,
        closed=search.closed,
        look=search.look,
    )
    work = lost(inside, facts["activity"])
    for row in found.iter_rows(named=True):
        whom = member.filter(pl.col("scope") == row["scope"], pl.col("name") == row["name"])
        span = (row["start_at"], row["end_at"])
        spent = within(work.join(whom, on="agent_id", how="semi"), span)
        states = _shares(spent, "state")
        chosen = sum(share for state, share in states if state in DELIBERATE) > 0.5
        scope = row["scope"] if row["scope"] == "everybody" else f"{row['scope']} {row['name']}"
        evidence = (
            f"{row['out']} of {row['scheduled']} scheduled on queue were out at {_second(row['peak_at'])} "
            f"({formats.percent(row['share'])}); at such times {formats.percent(row['share_normal'])} are. "
            f"{_odds(row['chance'])}, and {row['looks']:,} instants were looked at. "
            f"They were {_listed(states)}."
        )
        yield (
            "joint_absence" if chosen else "outage",
            *span,
            scope,
            row["agents"],
            row["seconds"],
            row["share"],
            row["share_normal"],
            row["chance"],
            evidence,
            _examples(spent),
            _exempt(span, _whom(row, whom, agent, spent), chosen, states),
        )


def _whom(row: dict[str, Any], whom: pl.DataFrame, agent: pl.DataFrame, spent: pl.DataFrame) -> list[str]:
    """Name a group as `wfm exempt add` takes it: everybody, teams that are whole, or else those who were out."""
    if row["scope"] == "everybody":
        return ["--all"]
    if row["scope"] == "team":
        return ["--team", row["name"]]
    teams = agent.filter(pl.col("team").is_not_null()).with_columns(
        mine=pl.col("agent_id").is_in(whom["agent_id"].implode())
    )
    whole = teams.group_by("team").agg(pl.col("mine").all()).filter("mine")["team"].sort().to_list()
    if teams.filter(pl.col("team").is_in(whole)).height == whom["agent_id"].n_unique():
        return [word for team in whole for word in ("--team", team)]
    return [word for one in spent["agent_id"].unique().sort() for word in ("--agent", one)]


def _exempt(span: Span, whom: list[str], chosen: bool, states: list[tuple[str, float]]) -> str:
    kind, reason = ("approved", f"together in {states[0][0]}") if chosen else ("system", "outage")
    words = [
        "wfm",
        "exempt",
        "add",
        "--from",
        _second(span[0]),
        "--to",
        _second(_up(span[1])),
        *whom,
        "--kind",
        kind,
        "--by",
        "YOU",
        "--reason",
        reason,
    ]
    return shlex.join(words)


def _up(at: datetime) -> datetime:
    """Round up to the second."""
    return at + timedelta(microseconds=999_999)


def _second(at: datetime) -> str:
    return formats.iso(at.replace(microsecond=0))


# --- feeds ------------------------------------------------------------------------------------------------
def _gaps(
    slices: pl.DataFrame,
    inside: pl.DataFrame,
    facts: dict[str, pl.DataFrame],
    owner: pl.DataFrame,
    search: Search,
) -> Iterable[tuple[Any, ...]]:
    who = owner.select("source", "agent_id").unique()
    start, end = search.window
    passed = (start, min(end, search.now))
    if passed[0] >= passed[1]:
        return
    gaps = feed_gaps.unwatched(within(inside, passed), facts["coverage"], who, passed, search.look)
    for row in gaps.iter_rows(named=True):
        evidence = (
            f"{formats.plural(row['agents'], 'agent')} scheduled for {formats.clock(row['seconds'])} in all while "
            f"{row['source']} was not watched: their states are unknown, neither in nor out."
        )
        yield _feed(row, "feed_gap", None, evidence)
    silent = feed_gaps.silences(
        slices,
        facts["agent_state"],
        who,
        passed,
        timezone=search.timezone,
        closed=search.closed,
        look=search.look,
    )
    for row in silent.iter_rows(named=True):
        evidence = (
            f"{row['source']} was watched and said nothing, where {row['expected']:.0f} transactions are usual for "
            f"{formats.plural(row['agents'], 'agent')} scheduled and there, {formats.clock(row['seconds'])} in all. "
            f"{_odds(row['chance'])}, and {row['looks']:,} pauses were looked at."
        )
        yield _feed(row, "silent_feed", row["chance"], evidence)


def _feed(row: dict[str, Any], kind: str, chance: float | None, evidence: str) -> tuple[Any, ...]:
    covers = f"{_second(row['start_at'])}/{_second(_up(row['end_at']))}"
    words = ["wfm", "import", "agent_state", "FILE", "--source", row["source"], "--covers", covers]
    return (
        kind,
        row["start_at"],
        row["end_at"],
        f"source {row['source']}",
        row["agents"],
        row["seconds"],
        None,
        None,
        chance,
        evidence,
        [],
        shlex.join(words),
    )


# --- words ------------------------------------------------------------------------------------------------
def _words(
    inside: pl.DataFrame, facts: dict[str, pl.DataFrame], owner: pl.DataFrame
) -> Iterable[tuple[Any, ...]]:
    states = facts["agent_state"]
    strange = states.filter(map_states(states, facts["state_map"]) == UNMAPPED)
    said = strange.join(owner, on=["source", "login"]).select("source", "agent_id", "vendor_state")
    mine = inside.join(owner, on="agent_id", how="semi", maintain_order="left")
    unknown = pl.col("state").cast(pl.String) == "unmapped"
    for row in unmapped(mine, said, facts["activity"]).iter_rows(named=True):
        examples = mine.filter(unknown, pl.col("vendor_state") == row["vendor_state"])
        yield (
            "unmapped",
            row["start_at"],
            row["end_at"],
            f"source {row['source']}",
            row["agents"],
            row["seconds"],
            None,
            None,
            None,
            _meaning(row),
            _examples(examples),
            _mapping(row),
        )


def _meaning(row: dict[str, Any]) -> str:
    told = [
        f"{row['vendor_state']!r} has no mapping: {formats.plural(row['times'], 'time')}, "
        f"{formats.clock(row['scheduled_s'])} of it scheduled",
        f"{formats.percent(row['on_call'])} on a call",
    ]
    if row["times"]:
        told.append(f"{formats.percent(row['after_call'])} right after a call")
    if row["planned"]:
        told.append(
            f"{formats.percent(row['planned_share'])} while {formats.spoken(row['planned'])} is scheduled"
        )
    ground = {
        "call log": "the call log says it is",
        "word": "the word says it is",
        "schedule": "the schedule says it is",
        "neighbours": "what comes before says it is",
    }
    guess = f"{ground[row['ground']]} {row['state']}" if row["state"] else "nothing speaks for any state: ask"
    return f"{'; '.join(told)}. Suggested: {guess}."


def _mapping(row: dict[str, Any]) -> str | None:
    """Write the file with the one row and import it."""
    if row["state"] is None:
        return None
    lines = [["source", "vendor_state", "state"], [row["source"], row["vendor_state"], row["state"]]]
    text = [shlex.quote(_csv(line)) for line in lines]
    return f"printf '%s\\n' {' '.join(text)} > state_map.csv && wfm import state_map state_map.csv"


def _csv(values: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(values)
    return out.getvalue()


# --- words for all of them --------------------------------------------------------------------------------
def _odds(chance: float) -> str:
    """Say a chance in words: by chance once in so many."""
    if chance <= 0:
        return "By chance it does not happen"
    power = floor(-log10(chance))
    return f"By chance that is rarer than once in {f'10^{power}' if power > 3 else f'{1 / chance:,.0f}'}"


def _shares(rows: pl.DataFrame, name: str) -> list[tuple[str, float]]:
    """Say what rows are spent in, the most first."""
    length = (pl.col("end_at") - pl.col("start_at")).dt.total_microseconds()
    spent = rows.group_by(pl.col(name).cast(pl.String)).agg(length.sum().alias("us"))
    spent = spent.with_columns(share=pl.col("us") / pl.col("us").sum()).sort(
        "us", name, descending=[True, False]
    )
    return list(spent.select(name, "share").iter_rows())


def _listed(states: list[tuple[str, float]]) -> str:
    return ", ".join(f"{formats.spoken(state)} ({formats.percent(share)})" for state, share in states[:SHOWN])


def _examples(rows: pl.DataFrame) -> list[str]:
    """Name the agents whose stretches are longest, one line each."""
    length = pl.col("end_at") - pl.col("start_at")
    longest = rows.sort(length, "agent_id", "start_at", descending=[True, False, False])
    first = longest.unique("agent_id", keep="first", maintain_order=True).head(SHOWN)
    return [
        f"{row['agent_id']} {_second(row['start_at'])} to {_second(row['end_at'])} "
        f"{row['vendor_state'] or row['state']}"
        for row in first.iter_rows(named=True)
    ]
