"""Preview, store, list, revoke and restore exemptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from hashlib import md5
from typing import Final

import polars as pl

from wfm.analysis import load
from wfm.analysis.load import InputsReader, check_names_exist
from wfm.core import glossary, schema
from wfm.core.errors import InputError, NoDataError, UsageError
from wfm.core.time import INSTANT
from wfm.engine.adherence import score_diff
from wfm.engine.inputs.dataset import WINDOW_MARGIN
from wfm.storage.database import Database
from wfm.storage.reader import DatabaseReader, TimeSpan

PAST_TENSE_OF_ACTION: Final = {"exempt": "exempted", "revoke": "revoked", "restore": "restored"}
"""Action, as the ledger names it → its past tense."""

EXEMPTION_ID_DIGITS: Final = 10
MIN_ID_LENGTH: Final = 4
MAX_OVERLAPS_SHOWN: Final = 5
EXEMPTION_KEY: Final = schema.get_table("exemption").key
EXEMPTION_COLUMNS: Final = list(schema.get_table("exemption").own_columns)


@dataclass(frozen=True)
class ExemptionDecision:
    """A decision about exemptions and its effect on the scores; nothing is stored before `save`.

    action: exempt, revoke or restore.
    rows: the exemptions as they will be: id (null before a new one is stored), then the columns of table exemption.
    figures: the scores that would change, by agent_id workday team: of every sum of `Score.adherence`, such as
        ``in_before_s in_after_s in_change_s`` (seconds), of every ratio, such as ``adherence_before adherence_after``
        (0..1; null where nothing is scheduled).
    team_figures: the same by team; empty where single agents are exempted, as then only some of a team were scored.
    moves: agent_id workday class_before class_after seconds: which seconds change class.
    notes: what the person who decides should know, such as overlaps with other exemptions.
    by, reason: who decides, and why.
    file_name: the file that the exemptions are from.
    """

    action: str
    rows: pl.DataFrame
    figures: pl.DataFrame
    team_figures: pl.DataFrame
    moves: pl.DataFrame
    notes: tuple[str, ...]
    by: str
    reason: str | None
    file_name: str | None
    database: Database

    def save(self) -> ExemptionDecision:
        """Store the decision, all or nothing, and return it with the ids of new exemptions.

        Raises:
            InputError, NoDataError: somebody else stored, revoked or restored one of them in the meantime.
            StoreError: the database cannot be written; nothing was stored.
        """
        saved = []

        def decide(
            reader: DatabaseReader, rows: pl.DataFrame, now: datetime
        ) -> tuple[pl.DataFrame, tuple[str, ...]]:
            # The preview may be minutes old: check again inside the transaction that stores.
            if self.action == "exempt":
                _refuse_duplicates(reader, rows)
                rows = rows.with_columns(pl.col("made_at").fill_null(pl.lit(now, INSTANT)))
            else:
                current = _find_exemptions_by_id(
                    add_exemption_ids(reader.read_table("exemption")), self.rows["id"].to_list(), self.action
                )
                rows = _set_revocation(current, self.action, self.by, now)
            saved.append(add_exemption_ids(rows.select(EXEMPTION_COLUMNS)))
            return rows.select(EXEMPTION_COLUMNS), (_format_ledger_note(self.action, self.by, self.reason),)

        self.database.write_table(
            "exemption",
            self.rows.select(EXEMPTION_COLUMNS),
            source="-",
            origin=self.action,
            file_name=self.file_name,
            window=_compute_extent(self.rows),
            revise=decide,
        )
        return replace(self, rows=saved[0])


def add_exemption_ids(rows: pl.DataFrame) -> pl.DataFrame:
    """Add ``id`` as the first column of exemptions: x and ten hexadecimal digits, a hash of the table's key.

    The id stays the same when the exemption is revoked, restored, or imported into another database.
    """
    parts = [
        pl.col(name).dt.epoch("us").cast(pl.String) if rows.schema[name] == INSTANT else pl.col(name)
        for name in EXEMPTION_KEY
    ]
    keys = rows.select(pl.concat_str([part.fill_null("") for part in parts], separator="\x1f")).to_series()
    ids = [f"x{md5(key.encode(), usedforsecurity=False).hexdigest()[:EXEMPTION_ID_DIGITS]}" for key in keys]
    return rows.select(pl.Series("id", ids, dtype=pl.String), pl.all())


# --- what is requested --------------------------------------------------------------------------------------
def build_exemption_rows(
    span: TimeSpan,
    *,
    agents: Sequence[str],
    teams: Sequence[str],
    everybody: bool,
    kind: str,
    code: str | None,
    by: str | None,
    reason: str | None,
) -> pl.DataFrame:
    """Build the rows of one exemption for several agents and teams, or for everybody.

    Returns:
        The columns of table exemption; a row for each agent and team, or one without either for everybody.

    Raises:
        UsageError: it does not say for whom, by whom or why, or the kind does not exist.
    """
    if everybody == bool(agents or teams):
        raise UsageError("Say for whom: either --agent and --team (may be repeated), or --all.")
    if kind not in glossary.EXEMPTION_KINDS:
        raise UsageError(f"There is no kind {kind!r}: choose from {', '.join(glossary.EXEMPTION_KINDS)}.")
    approver, note = require_approver(by), (reason or "").strip()
    if not note:
        raise UsageError("Say why: --reason TEXT.")
    scopes: list[tuple[str | None, str | None]] = [(agent, None) for agent in dict.fromkeys(agents)]
    scopes += [(None, team) for team in dict.fromkeys(teams)]
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
            | {"note": note, "by": approver}
            for agent, team in scopes or [(None, None)]
        ],
        schema=dict.fromkeys(("start_at", "end_at"), INSTANT)
        | dict.fromkeys(("kind", "agent_id", "team", "code", "note", "by"), pl.String()),
    ).select(
        pl.lit(None, dtype).alias(name) if name in UNSET_COLUMNS else pl.col(name)
        for name, dtype in EXEMPTION_SCHEMA
    )


UNSET_COLUMNS: Final = ("made_at", "revoked_at", "revoked_by")
EXEMPTION_SCHEMA: Final = schema.get_table("exemption").own_columns.items()


def check_exemption_rows(rows: pl.DataFrame, *, where: str) -> pl.DataFrame:
    """Return the exemptions of a file, if all of them are new and signed.

    Args:
        rows: the columns of table exemption, and row_no.
        where: the file, for the message.

    Raises:
        InputError: a row does not say by whom or why, is made in the future, or is already revoked.
    """
    problems = {
        "it does not say who approved it; add a column by, or --by": pl.col("by").is_null(),
        "it does not say why; add a column note, or --reason": pl.col("note").is_null(),
        "made_at is in the future": pl.col("made_at") > datetime.now(UTC),
        "it is already revoked; use `wfm import exemption` to import a history": pl.col(
            "revoked_at"
        ).is_not_null(),
    }
    for problem, is_bad in problems.items():
        bad = rows.filter(is_bad)
        if bad.height:
            raise InputError(f"{where}: row {bad['row_no'][0]}: {problem}. Nothing was stored.")
    return rows.select(EXEMPTION_COLUMNS)


def require_approver(by: str | None) -> str:
    """Return who decides, without surrounding spaces.

    Raises:
        UsageError: it is missing or blank.
    """
    if not (by or "").strip():
        raise UsageError("Say who decides: --by WHO.")
    assert by is not None
    return by.strip()


# --- previews ---------------------------------------------------------------------------------------------
def preview_exemption(
    database: Database,
    read_inputs: InputsReader,
    rows: pl.DataFrame,
    *,
    by: str,
    reason: str | None,
    file_name: str | None = None,
) -> ExemptionDecision:
    """Preview new exemptions; see `ExemptionDecision`.

    Raises:
        NoDataError: an agent or a team does not exist.
        InputError: an exemption in force already says the same.
    """
    with database.open_reader() as reader:
        check_names_exist(
            reader, "agent", rows["agent_id"].drop_nulls().unique(maintain_order=True).to_list()
        )
        check_names_exist(reader, "team", rows["team"].drop_nulls().unique(maintain_order=True).to_list())
        _refuse_duplicates(reader, rows)
        stored = _read_nearby_exemptions(reader, rows)
        people = load.read_agents(reader).select("agent_id", "team")
    notes = _describe_overlaps(rows, add_exemption_ids(stored.filter(pl.col("revoked_at").is_null())), people)
    without_id = rows.select(pl.lit(None, pl.String).alias("id"), pl.all())
    after = pl.concat([stored, rows])
    return _preview_decision(
        database, read_inputs, without_id, after, people, notes, "exempt", by, reason, file_name
    )


def preview_status_change(
    database: Database,
    read_inputs: InputsReader,
    ids: Sequence[str],
    action: str,
    *,
    by: str | None,
    reason: str | None,
) -> ExemptionDecision:
    """Preview revoking exemptions, or restoring revoked ones; see `ExemptionDecision`.

    Raises:
        UsageError: it does not say by whom, or no id is given.
        NoDataError: there is no exemption with that id.
        InputError: it is already revoked (or in force), or the id matches several.
    """
    approver = require_approver(by)
    with database.open_reader() as reader:
        chosen = _find_exemptions_by_id(add_exemption_ids(reader.read_table("exemption")), ids, action)
        stored = add_exemption_ids(_read_nearby_exemptions(reader, chosen))
        people = load.read_agents(reader).select("agent_id", "team")
    rows = _set_revocation(chosen, action, approver, datetime.now(UTC))
    after = pl.concat([stored.join(rows, on="id", how="anti"), rows]).select(EXEMPTION_COLUMNS)
    return _preview_decision(database, read_inputs, rows, after, people, (), action, approver, reason, None)


def _preview_decision(
    database: Database,
    read_inputs: InputsReader,
    rows: pl.DataFrame,
    after: pl.DataFrame,
    people: pl.DataFrame,
    notes: tuple[str, ...],
    action: str,
    by: str,
    reason: str | None,
    file_name: str | None,
) -> ExemptionDecision:
    """Score with the stored exemptions and with those of a decision, and compare."""
    single = rows["agent_id"].drop_nulls().len() > 0
    try:
        basis = read_inputs(*_find_touched_workdays(rows), agents=_find_agents_in_scope(rows, people))
    except NoDataError:
        empty = pl.DataFrame()
        no_data = ("There are no schedules or states for that time yet; it will count once there are.",)
        return ExemptionDecision(
            action, rows, empty, empty, empty, (*notes, *no_data), by, reason, file_name, database
        )
    old, new = basis.compute_score(), basis.compute_score(exemption=after)
    figures = score_diff.diff_figures(old, new).join(people, on="agent_id", how="left", maintain_order="left")
    figures = figures.select("agent_id", "workday", "team", pl.exclude("agent_id", "workday", "team"))
    # With single agents only they are scored, so a team's figures would be wrong: keep the columns, drop the rows.
    teams = (
        score_diff.diff_figures(old, new, ["team"]).clear()
        if single
        else score_diff.diff_figures(old, new, ["team"])
    )
    moves = score_diff.sum_class_moves(score_diff.diff_slices(old, new))
    if moves.is_empty():
        notes = (*notes, "It changes no score: no second changes its class.")
    return ExemptionDecision(action, rows, figures, teams, moves, notes, by, reason, file_name, database)


def _set_revocation(rows: pl.DataFrame, action: str, by: str, now: datetime) -> pl.DataFrame:
    """Return exemptions as revoked or as restored."""
    if action == "revoke":
        return rows.with_columns(revoked_at=pl.lit(now, INSTANT), revoked_by=pl.lit(by))
    return rows.with_columns(revoked_at=pl.lit(None, INSTANT), revoked_by=pl.lit(None, pl.String))


def _format_ledger_note(action: str, by: str, reason: str | None) -> str:
    note = f": {reason.strip()}" if reason and reason.strip() else ""
    return f"{PAST_TENSE_OF_ACTION[action]} by {by}{note}"


def _find_exemptions_by_id(exemptions: pl.DataFrame, ids: Sequence[str], action: str) -> pl.DataFrame:
    """Return the exemptions that ids, or their first characters, name, if the action is possible for all of them."""
    wanted = [name.strip().lower() for name in dict.fromkeys(ids)]
    if not wanted:
        raise UsageError("Name at least one exemption by its id; `wfm exempt list` shows them.")
    found = [_find_exemption_by_id(exemptions, name) for name in wanted]
    rows = pl.concat(found).unique("id", keep="first", maintain_order=True)
    done = rows.filter(pl.col("revoked_at").is_not_null() == (action == "revoke"))
    if done.height:
        first = done.row(0, named=True)
        state = (
            f"already revoked, by {first['revoked_by'] or 'somebody'}" if action == "revoke" else "in force"
        )
        raise InputError(f"{first['id']} is {state}. Nothing was changed.")
    return rows


def _find_exemption_by_id(exemptions: pl.DataFrame, name: str) -> pl.DataFrame:
    if len(name) < MIN_ID_LENGTH:
        raise UsageError(f"{name!r}: give at least the first {MIN_ID_LENGTH} characters of an id, like x3fa.")
    found = exemptions.filter(pl.col("id").str.starts_with(name))
    if found.is_empty():
        raise NoDataError(f"There is no exemption {name}; `wfm exempt list --revoked` lists all.")
    if found.height > 1:
        raise InputError(f"{name} matches {', '.join(found['id'].head(5))}: give more characters of the id.")
    return found


# --- what exemptions concern --------------------------------------------------------------------------------
def _compute_extent(rows: pl.DataFrame) -> TimeSpan:
    """Return the first start and the last end of exemptions."""
    first, last = rows["start_at"].min(), rows["end_at"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return first, last


def _find_touched_workdays(rows: pl.DataFrame) -> tuple[date, date]:
    """Return the workdays that exemptions can touch, in any time zone and including shifts begun the day before."""
    first, last = _compute_extent(rows)
    return (first - WINDOW_MARGIN).date(), (last + WINDOW_MARGIN).date()


def _read_nearby_exemptions(reader: DatabaseReader, rows: pl.DataFrame) -> pl.DataFrame:
    """Read every exemption that can matter for the workdays that some exemptions touch."""
    first, last = _compute_extent(rows)
    return reader.read_table("exemption", span=(first - 3 * WINDOW_MARGIN, last + 3 * WINDOW_MARGIN))


def _find_agents_in_scope(rows: pl.DataFrame, people: pl.DataFrame) -> list[str] | None:
    """Return the agents that exemptions are for; None: everybody."""
    # A row without agent and team is for everybody.
    if rows.filter(pl.col("agent_id").is_null(), pl.col("team").is_null()).height:
        return None
    of_team = people.filter(pl.col("team").is_in(rows["team"].drop_nulls().implode()))["agent_id"]
    return sorted({*rows["agent_id"].drop_nulls(), *of_team})


def _refuse_duplicates(reader: DatabaseReader, rows: pl.DataFrame) -> None:
    """Raise InputError where an exemption in force already says the same as a new one."""
    compared = [name for name in EXEMPTION_KEY if name != "made_at"]
    in_force = add_exemption_ids(_read_nearby_exemptions(reader, rows).filter(pl.col("revoked_at").is_null()))
    duplicates = rows.join(
        in_force.select("id", *compared), on=compared, how="inner", nulls_equal=True, maintain_order="left"
    )
    if duplicates.height:
        first = duplicates.row(0, named=True)
        raise InputError(
            f"{_name_scope(first)} is already exempted from {first['start_at'].isoformat()} to "
            f"{first['end_at'].isoformat()}, by {first['id']}. Nothing was stored."
        )


def _describe_overlaps(rows: pl.DataFrame, stored: pl.DataFrame, people: pl.DataFrame) -> tuple[str, ...]:
    """Describe the exemptions in force that overlap new ones for the same agents, the first few one by one."""
    new, old = (
        _expand_to_agents(part, people) for part in (rows.with_row_index("row"), stored.with_row_index("row"))
    )
    overlapping = new.join(old, on="agent_id", suffix="_old").filter(
        pl.col("start_at") < pl.col("end_at_old"), pl.col("end_at") > pl.col("start_at_old")
    )
    pairs = overlapping.group_by("row_old").agg(pl.col("agent_id").n_unique().alias("agents")).sort("row_old")
    notes = []
    for number, agents in pairs.head(MAX_OVERLAPS_SHOWN).iter_rows():
        one = stored.row(number, named=True)
        notes.append(
            f"Overlaps {one['id']} ({_name_scope(one)}, {one['kind']}, {one['start_at']:%Y-%m-%d %H:%M}Z to "
            f"{one['end_at']:%Y-%m-%d %H:%M}Z) for {agents:,} agent(s)."
        )
    more = pairs.height - MAX_OVERLAPS_SHOWN
    return (*notes, *((f"Overlaps {more:,} more.",) if more > 0 else ()))


def _expand_to_agents(rows: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Repeat exemptions for each agent they are for: row agent_id start_at end_at."""
    span = rows.select("row", "start_at", "end_at", "team", agent="agent_id")
    single = span.filter(pl.col("agent").is_not_null()).select("row", "start_at", "end_at", agent_id="agent")
    team = span.filter(pl.col("agent").is_null(), pl.col("team").is_not_null()).join(people, on="team")
    everybody = span.filter(pl.col("agent").is_null(), pl.col("team").is_null())
    wide = everybody.join(people.select("agent_id"), how="cross")
    return pl.concat([part.select("row", "agent_id", "start_at", "end_at") for part in (single, team, wide)])


def _name_scope(row: dict[str, object]) -> str:
    """Return whom an exemption is for, in words."""
    if row["agent_id"] is not None:
        return str(row["agent_id"])
    return f"team {row['team']}" if row["team"] is not None else "everybody"


# --- the list -----------------------------------------------------------------------------------------------
def list_exemptions(
    reader: DatabaseReader,
    as_of: datetime | None,
    *,
    span: tuple[datetime | None, datetime | None],
    agents: Sequence[str],
    teams: Sequence[str],
    revoked: bool,
) -> pl.DataFrame:
    """List exemptions in order of time.

    Args:
        reader: the database, as of the knowledge time asked for.
        as_of: that knowledge time; if it lies before the database existed, when rows say they were made and revoked
            decides.
        span: only those that overlap it; None is an open end.
        agents: only those that apply to one of these: their own, their team's and everybody's.
        teams: only those of these teams.
        revoked: include revoked ones.

    Returns:
        id state (in_force or revoked) start_at end_at kind agent_id team code note by made_at revoked_at revoked_by
        decision (the last one made in this database: by whom and why).
    """
    check_names_exist(reader, "agent", agents)
    check_names_exist(reader, "team", teams)
    found = reader.read_table("exemption", columns=[*EXEMPTION_COLUMNS, "collection_id"])
    ledger = reader.read_table("collection", columns=["collection_id", "origin", "note"])
    decisions = ledger.filter(pl.col("origin").is_in(list(PAST_TENSE_OF_ACTION))).select(
        "collection_id", decision="note"
    )
    rows = add_exemption_ids(found).join(decisions, on="collection_id", how="left", maintain_order="left")
    # From before the database existed nothing can be replayed; then the rows' own dates decide.
    if as_of is not None and not reader.is_replay:
        rows = _filter_made_by(rows, as_of)
    first, last = span
    is_revoked = pl.col("revoked_at").is_not_null()
    rows = rows.with_columns(
        state=pl.when(is_revoked).then(pl.lit("revoked")).otherwise(pl.lit("in_force"))
    ).filter(
        pl.lit(True) if first is None else pl.col("end_at") > first,
        pl.lit(True) if last is None else pl.col("start_at") < last,
        pl.lit(True) if revoked else ~is_revoked,
        _build_scope_condition(reader, agents, teams),
    )
    return rows.select("id", "state", *EXEMPTION_COLUMNS, "decision").sort(
        "start_at", "end_at", maintain_order=True
    )


def _filter_made_by(rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Return the exemptions made by an instant, without revocations after it."""
    made = rows.filter(pl.col("made_at").is_null() | (pl.col("made_at") <= as_of))
    later = pl.col("revoked_at") > as_of
    return made.with_columns(pl.when(~later).then(pl.col(name)) for name in ("revoked_at", "revoked_by"))


def _build_scope_condition(reader: DatabaseReader, agents: Sequence[str], teams: Sequence[str]) -> pl.Expr:
    """Return the condition that an exemption is for one of some agents or teams; true where none is asked for."""
    if not (agents or teams):
        return pl.lit(True)
    agent, team = pl.col("agent_id"), pl.col("team")
    matches = agent.is_null() & team.is_in(list(teams))
    if agents:
        own = reader.read_table("agent", among={"agent_id": list(agents)}, columns=["team"])[
            "team"
        ].drop_nulls()
        matches |= agent.is_in(list(agents)) | (
            agent.is_null() & (team.is_null() | team.is_in(own.implode()))
        )
    return matches.fill_null(False)
