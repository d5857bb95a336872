"""Load the inputs of scores from a database or from frames, and check the names that callers ask for."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import polars as pl

from wfm import defaults
from wfm.analysis.time_args import TimeArgument, TimeWindow, parse_time, resolve_local_midnight
from wfm.core import schema
from wfm.core.errors import NoDataError
from wfm.engine.adherence.scoring import Score, ScoreOptions, score
from wfm.engine.inputs.clock_offsets import correct_clock_offsets
from wfm.engine.inputs.dataset import WINDOW_MARGIN
from wfm.engine.inputs.frames import Frame, InputFrames, read_frame
from wfm.storage.reader import DatabaseReader, TimeSpan

ROW_ORIGIN_COLUMNS = ("collection_id", "row_no", "recorded_at")
"""The origin of a row: the import or collection that stored it, its number there, and when it was recorded."""
FIRST_DATA_ROW = 2
"""The number of the first data row of a file with a header."""


@dataclass(frozen=True)
class WindowInputs:
    """Everything that decides the scores of a window, read in one transaction.

    frames: table → its rows.
    window: two days (workdays) or two instants.
    as_of: publications, approvals and revocations dated after it do not count; None where the database itself replays
        what it knew then: what rows were in force is decided by when they were recorded.
    timezone: zone of agents without one.
    options: how to score.
    """

    frames: dict[str, pl.DataFrame]
    window: TimeWindow
    as_of: datetime | None
    timezone: str
    options: ScoreOptions

    def compute_score(self, **instead: pl.DataFrame) -> Score:
        """Compute the score, with some tables replaced by other frames."""
        return score(
            InputFrames(**(self.frames | instead)),
            window=self.window,
            as_of=self.as_of,
            timezone=self.timezone,
            options=self.options,
        )


class InputsReader(Protocol):
    """Reads the inputs of the scores of a window; `CentreBase.read_inputs` is one."""

    def __call__(
        self,
        from_: TimeArgument,
        to: TimeArgument,
        *,
        agents: str | Sequence[str] | None = None,
        as_of: TimeArgument | None = None,
    ) -> WindowInputs:
        """Read the inputs of the days or instants from ``from_`` to ``to``.

        Raises:
            NoDataError: nothing is known about the window.
        """


def append_to_defaults(table: str, own: pl.DataFrame) -> pl.DataFrame:
    """Append a table's own rows to those that come with wfm, where the later of two takes precedence.

    If the own rows have row numbers, the others are numbered as in the file that comes with wfm.
    """
    default_rows = defaults.read_default_table(table)
    if "row_no" in own.columns:
        row_no = pl.int_range(FIRST_DATA_ROW, pl.len() + FIRST_DATA_ROW, dtype=pl.Int64)
        default_rows = default_rows.with_columns(row_no=row_no)
    return pl.concat([default_rows, own], how="diagonal")


def build_input_frames(
    *,
    schedule: Frame,
    agent_state: Frame,
    activity: Frame | None,
    state_map: Frame | None,
    rule: Frame | None,
    **others: Frame | None,
) -> InputFrames:
    """Return the frames that scoring starts from; activities, mappings and rules are added to those of wfm.

    Raises:
        InputError: a frame lacks a column, or a value is wrong.
    """
    return InputFrames(
        schedule=schedule,
        agent_state=agent_state,
        activity=append_to_defaults("activity", read_frame(activity, "activity")),
        state_map=append_to_defaults("state_map", read_frame(state_map, "state_map")),
        rule=append_to_defaults("rule", read_frame(rule, "rule")),
        **others,
    )


def list_names(given: str | Sequence[str] | None) -> list[str] | None:
    """Return one name as a list of one, and no names as None: no choice."""
    if given is None or isinstance(given, str):
        return None if given is None else [given]
    return list(given) or None


def check_names_exist(reader: DatabaseReader, kind: str, names: Sequence[str]) -> None:
    """Raise NoDataError for a name that no table mentions, or for a login instead of an agent.

    Args:
        reader: the database.
        kind: agent, queue or team.
        names: the names to check.
    """
    if not names:
        return
    existing = reader.list_names(kind)
    # A login looks like an agent_id to the user, so the message names its agent.
    agents_of_login = _map_logins_to_agents(reader) if kind == "agent" else {}
    for name in names:
        if name in agents_of_login:
            agents = " and ".join(agents_of_login[name])
            raise NoDataError(f"{name!r} is not an agent but a login of {agents}: ask for that agent.")
    existing = [name for name in existing if name not in agents_of_login]
    for name in names:
        if name not in existing:
            near = difflib.get_close_matches(name, existing, n=3) or difflib.get_close_matches(
                name.lower(), existing, n=3
            )
            some = ", ".join(existing[:20]) + (" …" if len(existing) > 20 else "")
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {some or 'none yet'}."
            raise NoDataError(f"No {kind} {name!r} is known; {hint}")


def _map_logins_to_agents(reader: DatabaseReader) -> dict[str, list[str]]:
    """Return the logins that are not agent_ids themselves, each with the agents who have held it."""
    persons = reader.list_names("person")
    login = reader.read_table("login", columns=["login", "agent_id"]).filter(~pl.col("login").is_in(persons))
    agents = login.group_by("login").agg(pl.col("agent_id").unique().sort())
    return dict(agents.iter_rows())


def read_window_inputs(
    reader: DatabaseReader,
    window: TimeWindow,
    as_of: datetime | None,
    timezone: str,
    options: ScoreOptions,
    *,
    agents: Sequence[str] | None = None,
    with_origin: bool = False,
) -> WindowInputs:
    """Read everything that decides the scores of a window.

    Args:
        reader: the database.
        window: two days or two instants.
        as_of: the knowledge time that the reader was opened with.
        timezone: zone of agents without one.
        options: how to score.
        agents: only their schedules; None: everybody's.
        with_origin: add `ROW_ORIGIN_COLUMNS` to every table.

    Raises:
        NoDataError: nothing is known about the window, or an agent does not exist.
    """
    # The margin: a local day starts up to 14 hours off UTC midnight, and a shift can begin the day before.
    low, high = (resolve_local_midnight(at, "UTC") for at in window)
    span = (low - WINDOW_MARGIN, high + WINDOW_MARGIN)
    check_names_exist(reader, "agent", agents or ())
    frames = read_scoring_tables(reader, span, agents, with_origin=with_origin)
    if has_no_data(frames, span):
        about = f" of {', '.join(agents)}" if agents else ""
        raise build_no_data_error(f"{about} from {window[0]} to {window[1]}")
    return WindowInputs(frames, window, None if reader.is_replay else as_of, timezone, options)


def build_no_data_error(about: str) -> NoDataError:
    """Build the error for a window in which there is nothing to score."""
    return NoDataError(
        f"Nothing is known{about}: no schedule and no agent states. "
        "`wfm export collection` lists what was imported, and for which time."
    )


def find_late_publication(basis: WindowInputs) -> datetime | None:
    """Return when the first schedule of a window was published, if that was after ``as_of``; else None."""
    at = basis.frames["schedule"]["published_at"]
    first = at.min()
    if basis.as_of is None or at.has_nulls() or not isinstance(first, datetime) or first <= basis.as_of:
        return None
    return first


def read_scoring_tables(
    reader: DatabaseReader, span: TimeSpan, agents: Sequence[str] | None, *, with_origin: bool = False
) -> dict[str, pl.DataFrame]:
    """Read the tables that decide the scores of a span; ``with_origin``: with `ROW_ORIGIN_COLUMNS`."""

    def columns(table: str, *names: str) -> list[str]:
        own = names or tuple(schema.get_table(table).own_columns)
        return list(dict.fromkeys([*own, *(ROW_ORIGIN_COLUMNS if with_origin else ())]))

    login, clock = reader.read_table("login", columns=columns("login")), reader.read_table("clock")
    logins, among = None, None
    if agents is not None:
        among = {"agent_id": list(agents)}
        logins = [*agents, *login.filter(pl.col("agent_id").is_in(list(agents)))["login"]]
    own = schema.get_table("exemption").own_columns
    exemption = reader.read_table("exemption", span=span, columns=columns("exemption", *own, "recorded_at"))
    legs = ("source", "leg_id", "login", "queue_id", "answered_at", "ended_at")
    return {
        "agent": reader.read_table("agent", columns=columns("agent")),
        "login": login,
        "schedule": reader.read_table("schedule", span=span, among=among, columns=columns("schedule")),
        "agent_state": correct_clock_offsets(
            reader.read_states(span, logins, columns("agent_state")), clock, ["at"]
        ),
        "call_leg": correct_clock_offsets(
            reader.read_answered_legs(span, columns("call_leg", *legs)), clock, ["answered_at", "ended_at"]
        ),
        "coverage": reader.read_table("coverage", span=span, columns=columns("coverage")),
        # An exemption that does not say when it was made counts from when it was stored.
        "exemption": exemption.with_columns(made_at=pl.coalesce("made_at", "recorded_at")),
        **{
            name: append_to_defaults(name, reader.read_table(name, columns=columns(name)))
            for name in defaults.DEFAULT_TABLES
        },
    }


def read_agents(reader: DatabaseReader) -> pl.DataFrame:
    """Return table agent without the rows that a vendor's agent list has of logins of other agents."""
    return reader.read_table("agent").filter(~pl.col("agent_id").is_in(list(_map_logins_to_agents(reader))))


def has_no_data(frames: dict[str, pl.DataFrame], span: TimeSpan) -> bool:
    """Return whether a span has neither schedule nor transactions."""
    at = pl.col("at")
    states = frames["agent_state"].filter(at >= span[0], at < span[1])
    return frames["schedule"].is_empty() and states.is_empty()


def score_frames(
    *,
    schedule: Frame,
    agent_state: Frame,
    call_leg: Frame | None = None,
    exemption: Frame | None = None,
    activity: Frame | None = None,
    state_map: Frame | None = None,
    rule: Frame | None = None,
    coverage: Frame | None = None,
    agent: Frame | None = None,
    login: Frame | None = None,
    window: tuple[TimeArgument, TimeArgument] | None = None,
    as_of: datetime | None = None,
    timezone: str = "UTC",
    options: ScoreOptions | None = None,
) -> Score:
    """Score frames, without a database.

    Args:
        schedule: agent_id start_at end_at activity [published_at].
        agent_state: [source] login at vendor_state [vendor_reason]; of several rows at one instant the last counts.
        call_leg: [source] leg_id login answered_at ended_at [queue_id].
        exemption: start_at end_at kind [agent_id team code made_at revoked_at].
        activity: activity category [counted paid shrinkage].
        state_map: [source] vendor_state state [vendor_reason].
        rule: category state in_adherence.
        coverage: [source] start_at end_at; None: the window is covered.
        agent: agent_id [name team site timezone].
        login: [source] login agent_id [from_at to_at]; a login without a row is its own agent_id.
        window: two days (workdays), or two instants with an offset, the second not included; None: everything.
        as_of: publications, approvals and revocations dated after it do not count.
        timezone: zone of agents that have none of their own.
        options: how to score; None: the defaults.

    Frames are polars DataFrames or LazyFrames, instants ``Datetime("us", "UTC")``; without ``source``, all rows are of
    one source. ``activity``, ``state_map`` and ``rule`` are added to the tables that come with wfm; a later row wins.

    Returns:
        The score: ``adherence``, ``exceptions``, ``slices``, ``bridge`` and ``shrinkage`` return DataFrames.

    Raises:
        InputError: a frame lacks a column, or a value is wrong.
        UsageError: the window or the time zone is wrong.
    """
    frames = build_input_frames(
        activity=activity,
        state_map=state_map,
        rule=rule,
        schedule=schedule,
        agent_state=agent_state,
        call_leg=call_leg,
        exemption=exemption,
        coverage=coverage,
        agent=agent,
        login=login,
    )
    return score(
        frames,
        window=None if window is None else (parse_time(window[0], "window"), parse_time(window[1], "window")),
        as_of=as_of,
        timezone=timezone,
        options=options,
    )
