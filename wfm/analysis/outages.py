"""Propose outages, feed failures and missing mappings, each with evidence and the command that would record it."""

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

from wfm.analysis.load import WindowInputs
from wfm.core.errors import NoDataError
from wfm.core.time import INSTANT
from wfm.engine.anomalies import feed_gaps
from wfm.engine.anomalies.absence_baseline import clip_to_span, select_lost_slices
from wfm.engine.anomalies.outages import OutageCriteria, find_joint_absences
from wfm.engine.anomalies.unmapped_states import find_unmapped_states
from wfm.engine.inputs.state_timeline import map_states
from wfm.engine.time.codes import UNMAPPED_CODE
from wfm.report import formats
from wfm.storage.reader import DatabaseReader, TimeSpan

HISTORY_LENGTH: Final = timedelta(days=28)
"""How long before the window is scored as well, to learn what is normal."""
MAX_EXAMPLES: Final = 3
"""The most agents and states named in one proposal."""
CHOSEN_STATES: Final = ("meeting", "training", "break", "meal")
"""States that agents choose themselves: a group in one of them is in a meeting, say; nothing has failed."""
SUGGESTION_BASES: Final = {
    "call log": "by the call log",
    "word": "by its name",
    "schedule": "by the schedule",
    "neighbours": "by the states before it",
}
"""What a suggested state is based on → how that is written."""
PROPOSAL_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
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
class OutageSearch:
    """The window, the teams and the sources in which to search for failures.

    window: its first instant and its end.
    history_start: the start of the history that shows what is normal.
    now: the current instant; nothing after it counts as missing.
    timezone: of local days.
    teams, sources: only these; None: all.
    closed: local days on which the centre was closed.
    thresholds: from how much on a finding is proposed.
    """

    window: TimeSpan
    history_start: datetime
    now: datetime
    timezone: str = "UTC"
    teams: Sequence[str] | None = None
    sources: Sequence[str] | None = None
    closed: tuple[date, ...] = ()
    thresholds: OutageCriteria = field(default_factory=OutageCriteria)


def propose_failures(basis: WindowInputs, agent: pl.DataFrame, search: OutageSearch) -> pl.DataFrame:
    """Find undeclared outages, failed feeds and unmapped vendor states.

    What is already declared, or excused, is not proposed again.

    Args:
        basis: the inputs of the scores from the start of the history on.
        agent: agent_id team site of all agents.
        search: what to search.

    Returns:
        kind (outage; joint_absence: a group out together in a state it chose; feed_gap: without coverage; silent_feed:
        covered, but without transactions; unmapped: a vendor state without a mapping) start_at end_at scope agents
        seconds (concerned) share share_normal (of the group out: then, and usually; 0..1) chance (upper bound of the
        probability that it is a coincidence, 0..1) evidence (a text) examples apply (the command that would record
        it); the most seconds first.

    Raises:
        NoDataError: nothing was scheduled in the window, or a team or source does not exist.
    """
    frames = basis.frames
    logins = _map_logins(frames)
    _check_scope_names(search, agent, logins)
    start, end = search.window
    slices = basis.compute_score().slices()
    inside = clip_to_span(slices, search.window)
    if inside.filter(pl.col("class").is_not_null()).is_empty():
        raise NoDataError(
            f"Nothing was scheduled from {formats.format_iso_instant(start)} to "
            f"{formats.format_iso_instant(end)}: name another window."
        )
    proposals = [
        *_propose_outages(slices, inside, frames, agent, logins, search),
        *_propose_feed_failures(slices, inside, frames, _filter_logins(logins, agent, search), search),
        *_propose_mappings(inside, frames, _filter_logins(logins, agent, search)),
    ]
    return pl.DataFrame(proposals, schema=PROPOSAL_SCHEMA, orient="row").sort(
        "seconds", "start_at", descending=[True, False], maintain_order=True
    )


def read_closed_days(reader: DatabaseReader) -> tuple[date, ...]:
    """Return the local days on which the centre is closed, from table holiday."""
    return tuple(reader.read_table("holiday").filter("closed")["on_date"].to_list())


def _map_logins(frames: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Map the logins that have states to their agents: source login agent_id."""
    logins = frames["agent_state"].select("source", "login").unique(maintain_order=True)
    agent_of_login = frames["login"].select("source", "login", "agent_id")
    return logins.join(
        agent_of_login, on=["source", "login"], how="left", maintain_order="left"
    ).with_columns(agent_id=pl.coalesce("agent_id", "login"))


def _check_scope_names(search: OutageSearch, agent: pl.DataFrame, logins: pl.DataFrame) -> None:
    """Raise NoDataError for a team or source that does not exist."""
    for kind, asked, column in (
        ("team", search.teams, agent["team"]),
        ("source of agent states", search.sources, logins["source"]),
    ):
        existing = column.drop_nulls().unique().sort().to_list()
        for name in asked or ():
            if name not in existing:
                some = ", ".join(existing[:20]) or "none"
                raise NoDataError(f"No {kind} {name!r} is known; there are: {some}.")


def _filter_logins(logins: pl.DataFrame, agent: pl.DataFrame, search: OutageSearch) -> pl.DataFrame:
    """Return the logins of the teams and sources to search."""
    if search.teams is not None:
        members = agent.filter(pl.col("team").is_in(list(search.teams)))
        logins = logins.join(members, on="agent_id", how="semi", maintain_order="left")
    if search.sources is not None:
        logins = logins.filter(pl.col("source").is_in(list(search.sources)))
    return logins


def _list_groups(agent: pl.DataFrame, logins: pl.DataFrame, search: OutageSearch) -> pl.DataFrame:
    """Return the members of every group that can fail together: scope name agent_id."""
    everybody = pl.concat([agent["agent_id"], logins["agent_id"]]).unique().sort()
    groups = [
        pl.DataFrame({"scope": "everybody", "name": "everybody", "agent_id": everybody}),
        agent.select(pl.lit("site").alias("scope"), "agent_id", name="site"),
        logins.select(pl.lit("source").alias("scope"), "agent_id", name="source"),
        agent.select(pl.lit("team").alias("scope"), "agent_id", name="team"),
    ]
    every = pl.concat([group.select("scope", "name", "agent_id") for group in groups]).drop_nulls()
    if search.teams is None and search.sources is None:
        return every
    team = (pl.col("scope") == "team") & pl.col("name").is_in(list(search.teams or ()))
    source = (pl.col("scope") == "source") & pl.col("name").is_in(list(search.sources or ()))
    return every.filter(team | source)


# --- outages ----------------------------------------------------------------------------------------------
def _propose_outages(
    slices: pl.DataFrame,
    inside: pl.DataFrame,
    frames: dict[str, pl.DataFrame],
    agent: pl.DataFrame,
    logins: pl.DataFrame,
    search: OutageSearch,
) -> Iterable[tuple[Any, ...]]:
    """Yield proposals of outages and joint absences; values in order of `PROPOSAL_SCHEMA`."""
    member = _list_groups(agent, logins, search)
    found = find_joint_absences(
        slices,
        frames["activity"],
        member,
        search.window,
        timezone=search.timezone,
        closed=search.closed,
        criteria=search.thresholds,
    )
    work = select_lost_slices(inside, frames["activity"])
    for row in found.iter_rows(named=True):
        group = member.filter(pl.col("scope") == row["scope"], pl.col("name") == row["name"])
        span = (row["start_at"], row["end_at"])
        spent = clip_to_span(work.join(group, on="agent_id", how="semi"), span)
        states = _compute_time_shares(spent, "state")
        chosen = sum(share for state, share in states if state in CHOSEN_STATES) > 0.5
        scope = row["scope"] if row["scope"] == "everybody" else f"{row['scope']} {row['name']}"
        evidence = (
            f"{row['out']} of {row['scheduled']} agents scheduled on queue were out at "
            f"{_format_second(row['peak_at'])} ({formats.format_percent(row['share'])}); at comparable times "
            f"{formats.format_percent(row['share_normal'])} are. "
            f"{_describe_chance(row['chance'])}; {row['tested']:,} instants were tested. "
            f"They were {_join_states(states)}."
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
            _list_examples(spent),
            _build_exempt_command(span, _build_scope_options(row, group, agent, spent), chosen, states),
        )


def _build_scope_options(
    row: dict[str, Any], group: pl.DataFrame, agent: pl.DataFrame, spent: pl.DataFrame
) -> list[str]:
    """Return the options of `wfm exempt add` for a group: everybody, whole teams, or else the agents who were out."""
    if row["scope"] == "everybody":
        return ["--all"]
    if row["scope"] == "team":
        return ["--team", row["name"]]
    teams = agent.filter(pl.col("team").is_not_null()).with_columns(
        is_member=pl.col("agent_id").is_in(group["agent_id"].implode())
    )
    whole = teams.group_by("team").agg(pl.col("is_member").all()).filter("is_member")["team"].sort().to_list()
    if teams.filter(pl.col("team").is_in(whole)).height == group["agent_id"].n_unique():
        return [word for team in whole for word in ("--team", team)]
    return [word for one in spent["agent_id"].unique().sort() for word in ("--agent", one)]


def _build_exempt_command(
    span: TimeSpan, scope: list[str], chosen: bool, states: list[tuple[str, float]]
) -> str:
    kind, reason = ("approved", f"together in {states[0][0]}") if chosen else ("system", "outage")
    words = [
        "wfm",
        "exempt",
        "add",
        "--from",
        _format_second(span[0]),
        "--to",
        _format_second(_round_up_to_second(span[1])),
        *scope,
        "--kind",
        kind,
        "--by",
        "YOU",
        "--reason",
        reason,
    ]
    return shlex.join(words)


def _round_up_to_second(at: datetime) -> datetime:
    """Round up to the second: the command takes whole seconds, and must not leave out a fraction."""
    return at + timedelta(microseconds=999_999)


def _format_second(at: datetime) -> str:
    return formats.format_iso_instant(at.replace(microsecond=0))


# --- feeds ------------------------------------------------------------------------------------------------
def _propose_feed_failures(
    slices: pl.DataFrame,
    inside: pl.DataFrame,
    frames: dict[str, pl.DataFrame],
    logins: pl.DataFrame,
    search: OutageSearch,
) -> Iterable[tuple[Any, ...]]:
    """Yield proposals of feed gaps and silent feeds; values in order of `PROPOSAL_SCHEMA`."""
    agents = logins.select("source", "agent_id").unique()
    start, end = search.window
    # What lies in the future is not missing yet.
    past = (start, min(end, search.now))
    if past[0] >= past[1]:
        return
    gaps = feed_gaps.find_uncovered_spans(
        clip_to_span(inside, past), frames["coverage"], agents, past, search.thresholds
    )
    for row in gaps.iter_rows(named=True):
        evidence = (
            f"{formats.format_plural(row['agents'], 'agent')} scheduled for "
            f"{formats.format_duration(row['seconds'])} in total while {row['source']} was not covered: "
            "their states are unknown, neither in nor out of adherence."
        )
        yield _build_feed_proposal(row, "feed_gap", None, evidence)
    silent = feed_gaps.find_silent_spans(
        slices,
        frames["agent_state"],
        agents,
        past,
        timezone=search.timezone,
        closed=search.closed,
        criteria=search.thresholds,
    )
    for row in silent.iter_rows(named=True):
        evidence = (
            f"{row['source']} was covered but sent no transaction, where {row['expected']:.0f} are usual for "
            f"{formats.format_plural(row['agents'], 'agent')} scheduled and present, "
            f"{formats.format_duration(row['seconds'])} in total. {_describe_chance(row['chance'])}; "
            f"{row['tested']:,} pauses were tested."
        )
        yield _build_feed_proposal(row, "silent_feed", row["chance"], evidence)


def _build_feed_proposal(
    row: dict[str, Any], kind: str, chance: float | None, evidence: str
) -> tuple[Any, ...]:
    covers = f"{_format_second(row['start_at'])}/{_format_second(_round_up_to_second(row['end_at']))}"
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


# --- mappings ---------------------------------------------------------------------------------------------
def _propose_mappings(
    inside: pl.DataFrame, frames: dict[str, pl.DataFrame], logins: pl.DataFrame
) -> Iterable[tuple[Any, ...]]:
    """Yield proposals of mappings; values in order of `PROPOSAL_SCHEMA`."""
    states = frames["agent_state"]
    without_mapping = states.filter(map_states(states, frames["state_map"]) == UNMAPPED_CODE)
    logged = without_mapping.join(logins, on=["source", "login"]).select("source", "agent_id", "vendor_state")
    slices = inside.join(logins, on="agent_id", how="semi", maintain_order="left")
    is_unmapped = pl.col("state").cast(pl.String) == "unmapped"
    for row in find_unmapped_states(slices, logged, frames["activity"]).iter_rows(named=True):
        examples = slices.filter(is_unmapped, pl.col("vendor_state") == row["vendor_state"])
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
            _describe_unmapped_state(row),
            _list_examples(examples),
            _build_mapping_command(row),
        )


def _describe_unmapped_state(row: dict[str, Any]) -> str:
    """Describe how a vendor state is used, and the state that this suggests."""
    parts = [
        f"{row['vendor_state']!r} has no mapping: {formats.format_plural(row['times'], 'time')}, "
        f"{formats.format_duration(row['scheduled_s'])} in scheduled time",
        f"{formats.format_percent(row['on_call'])} on a call",
    ]
    if row["times"]:
        parts.append(f"{formats.format_percent(row['after_call'])} right after a call")
    if row["planned"]:
        parts.append(
            f"{formats.format_percent(row['planned_share'])} while {formats.format_code(row['planned'])} is scheduled"
        )
    guess = (
        f"{row['state']}, {SUGGESTION_BASES[row['ground']]}"
        if row["state"]
        else "none, as nothing indicates a state: ask the team"
    )
    return f"{'; '.join(parts)}. Suggested state: {guess}."


def _build_mapping_command(row: dict[str, Any]) -> str | None:
    """Return the shell command that writes a file with the one row of state_map and imports it."""
    if row["state"] is None:
        return None
    lines = [["source", "vendor_state", "state"], [row["source"], row["vendor_state"], row["state"]]]
    text = [shlex.quote(_format_csv_line(line)) for line in lines]
    return f"printf '%s\\n' {' '.join(text)} > state_map.csv && wfm import state_map state_map.csv"


def _format_csv_line(values: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(values)
    return out.getvalue()


# --- texts ------------------------------------------------------------------------------------------------
def _describe_chance(chance: float) -> str:
    """Write the probability of a coincidence in words."""
    if chance <= 0:
        return "It cannot be a coincidence"
    # Beyond a thousand, a power of ten is easier to read than its digits.
    power = floor(-log10(chance))
    odds = f"10^{power}" if power > 3 else f"{1 / chance:,.0f}"
    return f"By coincidence this happens less than once in {odds} times"


def _compute_time_shares(rows: pl.DataFrame, name: str) -> list[tuple[str, float]]:
    """Return each value of a column with its share of the rows' time (0..1), the largest first."""
    length = (pl.col("end_at") - pl.col("start_at")).dt.total_microseconds()
    spent = rows.group_by(pl.col(name).cast(pl.String)).agg(length.sum().alias("us"))
    spent = spent.with_columns(share=pl.col("us") / pl.col("us").sum()).sort(
        "us", name, descending=[True, False]
    )
    return list(spent.select(name, "share").iter_rows())


def _join_states(states: list[tuple[str, float]]) -> str:
    return ", ".join(
        f"{formats.format_code(state)} ({formats.format_percent(share)})"
        for state, share in states[:MAX_EXAMPLES]
    )


def _list_examples(rows: pl.DataFrame) -> list[str]:
    """Return one line for each of the agents with the longest slices."""
    length = pl.col("end_at") - pl.col("start_at")
    longest = rows.sort(length, "agent_id", "start_at", descending=[True, False, False])
    first = longest.unique("agent_id", keep="first", maintain_order=True).head(MAX_EXAMPLES)
    return [
        f"{row['agent_id']} {_format_second(row['start_at'])} to {_format_second(row['end_at'])} "
        f"{row['vendor_state'] or row['state']}"
        for row in first.iter_rows(named=True)
    ]
