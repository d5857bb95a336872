"""What scoring reads: from a database, or from frames alone."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from wfm import defaults, schema
from wfm.engine.clocks import put_right
from wfm.engine.facts import MARGIN
from wfm.engine.inputs import Frame, take
from wfm.engine.score import Options, Score, score
from wfm.errors import NoDataError
from wfm.jobs.when import When, Window, midnight, parse
from wfm.storage.reader import Reader, Span

PLACE = ("collection_id", "row_no", "recorded_at")
"""Which import or collection brought a row, where it stood there, and since when it is known."""
FIRST_ROW = 2
"""Of a file with a header."""


@dataclass(frozen=True)
class Basis:
    """Everything that decides the scores of a window, read at once.

    ``as_of`` is the instant by which publications, approvals and revocations count that rows themselves state; None
    where the database replays what it knew, for then a row held since it was recorded.
    """

    frames: dict[str, pl.DataFrame]
    window: Window
    as_of: datetime | None
    timezone: str
    options: Options

    def score(self, **instead: pl.DataFrame) -> Score:
        """Score it, with other frames in the place of some."""
        return score(
            window=self.window,
            as_of=self.as_of,
            timezone=self.timezone,
            options=self.options,
            **(self.frames | instead),
        )


def with_defaults(table: str, own: pl.DataFrame) -> pl.DataFrame:
    """Put a table's own rows behind the ones wfm brings along; the later of two wins.

    Where the own rows have a `PLACE` the others have the row of their file.
    """
    brought = defaults.frame(table)
    if "row_no" in own.columns:
        row_no = pl.int_range(FIRST_ROW, pl.len() + FIRST_ROW, dtype=pl.Int64)
        brought = brought.with_columns(row_no=row_no)
    return pl.concat([brought, own], how="diagonal")


def names(given: str | Sequence[str] | None) -> list[str] | None:
    """Take one name for a list of one, and no name for no choice."""
    if given is None or isinstance(given, str):
        return None if given is None else [given]
    return list(given) or None


def check_names(known: Reader, kind: str, asked: Sequence[str]) -> None:
    """Refuse agents, queues or teams of whom nothing was ever heard, and logins that are an agent's.

    Raises:
        NoDataError: and says which there are.
    """
    if not asked:
        return
    there = known.names(kind)
    owners = _owners(known) if kind == "agent" else {}
    for name in asked:
        if name in owners:
            raise NoDataError(
                f"{name!r} is no agent but a login of {' and '.join(owners[name])}: ask for that agent."
            )
    there = [name for name in there if name not in owners]
    for name in asked:
        if name not in there:
            near = difflib.get_close_matches(name, there, n=3) or difflib.get_close_matches(
                name.lower(), there, n=3
            )
            some = ", ".join(there[:20]) + (" …" if len(there) > 20 else "")
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {some or 'none yet'}."
            raise NoDataError(f"No {kind} {name!r} is known; {hint}")


def _owners(known: Reader) -> dict[str, list[str]]:
    """Say whose the logins are that are no agents themselves."""
    persons = known.names("person")
    login = known.table("login", columns=["login", "agent_id"]).filter(~pl.col("login").is_in(persons))
    owners = login.group_by("login").agg(pl.col("agent_id").unique().sort())
    return dict(owners.iter_rows())


def read_basis(
    known: Reader,
    window: Window,
    as_of: datetime | None,
    timezone: str,
    options: Options,
    *,
    agents: Sequence[str] | None = None,
    placed: bool = False,
) -> Basis:
    """Read everything that decides the scores of a window.

    Args:
        known: whence.
        window: two days or two instants.
        as_of: what the reader was opened with.
        timezone, options: as for `wfm.engine.score.score`.
        agents: only their schedules; None: everybody's.
        placed: with the `PLACE` of every row.

    Raises:
        NoDataError: nothing is known about the window, or about one of the agents.
    """
    low, high = (midnight(at, "UTC") for at in window)
    span = (low - MARGIN, high + MARGIN)
    check_names(known, "agent", agents or ())
    frames = stored(known, span, agents, placed=placed)
    if is_silent(frames, span):
        who = f" of {', '.join(agents)}" if agents else ""
        raise nothing_known(f"{who} from {window[0]} to {window[1]}")
    return Basis(frames, window, None if known.replays else as_of, timezone, options)


def nothing_known(about: str) -> NoDataError:
    """Make the error for a window in which there is nothing to score."""
    return NoDataError(
        f"Nothing is known{about}: no schedule and no agent states. "
        "`wfm export collection` lists what was imported, and for which time."
    )


def unpublished(basis: Basis) -> datetime | None:
    """Say when the first schedule of a window was published, if none was yet at the instant that is asked of."""
    at = basis.frames["schedule"]["published_at"]
    first = at.min()
    if basis.as_of is None or at.has_nulls() or not isinstance(first, datetime) or first <= basis.as_of:
        return None
    return first


def stored(
    known: Reader, span: Span, agents: Sequence[str] | None, *, placed: bool = False
) -> dict[str, pl.DataFrame]:
    """Read everything that decides the scores of a span, by the names of `wfm.engine.score.score`.

    ``placed``: with the `PLACE` of every row.
    """

    def columns(table: str, *names: str) -> list[str]:
        own = names or tuple(schema.table(table).own)
        return list(dict.fromkeys([*own, *(PLACE if placed else ())]))

    login, clock = known.table("login", columns=columns("login")), known.table("clock")
    logins, among = None, None
    if agents is not None:
        among = {"agent_id": list(agents)}
        logins = [*agents, *login.filter(pl.col("agent_id").is_in(list(agents)))["login"]]
    own = schema.table("exemption").own
    exemption = known.table("exemption", span=span, columns=columns("exemption", *own, "recorded_at"))
    legs = ("source", "leg_id", "login", "queue_id", "answered_at", "ended_at")
    return {
        "agent": known.table("agent", columns=columns("agent")),
        "login": login,
        "schedule": known.table("schedule", span=span, among=among, columns=columns("schedule")),
        "agent_state": put_right(known.states(span, logins, columns("agent_state")), clock, ["at"]),
        "call_leg": put_right(
            known.legs(span, columns("call_leg", *legs)), clock, ["answered_at", "ended_at"]
        ),
        "coverage": known.table("coverage", span=span, columns=columns("coverage")),
        "exemption": exemption.with_columns(made_at=pl.coalesce("made_at", "recorded_at")),
        **{name: with_defaults(name, known.table(name, columns=columns(name))) for name in defaults.TABLES},
    }


def people(known: Reader) -> pl.DataFrame:
    """Return table agent without the rows that a vendor's list has of somebody's login: that is no other person."""
    return known.table("agent").filter(~pl.col("agent_id").is_in(list(_owners(known))))


def is_silent(frames: dict[str, pl.DataFrame], span: Span) -> bool:
    """Say whether nothing was planned and no state entered in a span."""
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
    window: tuple[When, When] | None = None,
    as_of: datetime | None = None,
    timezone: str = "UTC",
    options: Options | None = None,
) -> Score:
    """Score frames, without a database: see `wfm.engine.score.score`.

    ``activity``, ``state_map`` and ``rule`` add to the tables that come with wfm; a later row wins.

    Raises:
        InputError: a frame is not what it should be.
        UsageError: the window or the zone is not.
    """
    tables = {"activity": activity, "state_map": state_map, "rule": rule}
    return score(
        schedule=schedule,
        agent_state=agent_state,
        call_leg=call_leg,
        exemption=exemption,
        coverage=coverage,
        agent=agent,
        login=login,
        window=None if window is None else (parse(window[0], "window"), parse(window[1], "window")),
        as_of=as_of,
        timezone=timezone,
        options=options,
        **{name: with_defaults(name, take(own, name)) for name, own in tables.items()},
    )
