"""Who takes a caller's call: the agent who is responsible, if that agent is scheduled for calls and free for one now.

Responsible is the agent who last talked to the number, coming or going, within `REMEMBERED`; of two who talked at once
the later to hang up. There is no table to keep: who moved a customer to somebody else only has to talk to them once.

::

    caller's number ─► last talk ─► agent ─► on_queue now? ─► no call, state fresh, available? ─► extension known?
                        │ none                │ no             │ no                                │ no       │ yes
                        └─────────────────────┴── the fallback, and why ───────────────────────────┘          goes there
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from wfm import archive
from wfm.engine.codes import CODE
from wfm.engine.inputs import INSTANT
from wfm.engine.score import score
from wfm.engine.timeline import map_states
from wfm.errors import DatabaseBusyError, NoDataError
from wfm.jobs.scoring import with_defaults
from wfm.jobs.sources import Source
from wfm.numbers import e164
from wfm.store import Reader, Store
from wfm.vendors import Delivery

log = logging.getLogger("wfm.responsible")
REMEMBERED: Final = timedelta(days=90)
STALE: Final = timedelta(minutes=2)
"""States that were last watched longer ago than this say nothing of now."""
RENEWAL: Final = timedelta(hours=16)
"""A state that nothing renewed for so long is no state any more."""
LONGEST_CALL: Final = timedelta(hours=4)
"""A call of which no end was told for so long is under way no more."""
AROUND: Final = timedelta(hours=36)
"""How far around now segments are read: shifts reach over midnight."""
WAIT_S: Final = 1.0
"""A caller waits meanwhile: a database that is taken for longer is the fallback."""


@dataclass(frozen=True)
class Decision:
    """To whom a caller goes: login and agent_id, or nobody; and why."""

    login: str | None
    agent_id: str | None
    reason: str


@dataclass(frozen=True)
class Known:
    """What is known when a caller waits.

    talk: source login agent_id ended_at: talks of the number's owner. schedule: agent_id category: what is scheduled
    now. state: agent_id source login state (ours) at seen_at (until when its source was watched): last states.
    calling: logins of the phone system that asks which have a call under way: states may be told later than calls.
    """

    talk: pl.DataFrame
    schedule: pl.DataFrame
    state: pl.DataFrame
    calling: Collection[str] = ()


def decide(known: Known, source: str, now: datetime, stale: timedelta = STALE) -> Decision:
    """Decide to whom a caller goes.

    Args:
        known: what is known.
        source: the phone system that asks: it can only transfer to logins of its own.
        now: when.
        stale: how old the last look at the agent's state may be.
    """
    mine = known.talk.filter(pl.col("source") == source).sort("ended_at")
    if mine.is_empty():
        return Decision(None, None, "nobody has talked to this number")
    login, agent = mine.select("login", "agent_id").row(-1)
    planned = known.schedule.filter(pl.col("agent_id") == agent)["category"].to_list()
    if "on_queue" not in planned:
        what = planned[0] if planned else "nothing"
        return Decision(None, agent, f"{agent} is responsible, but has {what} scheduled now")
    if login in known.calling:
        return Decision(None, agent, f"{agent} is responsible and scheduled, but has a call under way")
    why = _unavailable(known.state.filter(pl.col("agent_id") == agent), now, stale)
    if why:
        return Decision(None, agent, f"{agent} is responsible and scheduled, but {why}")
    return Decision(login, agent, f"{agent} is responsible, scheduled and available")


def _unavailable(states: pl.DataFrame, now: datetime, stale: timedelta) -> str | None:
    """Say why an agent cannot take a call now; None: they can. Every login that is watched must say so."""
    if states.is_empty():
        return "no state is known"
    fresh = states.filter(pl.col("seen_at") >= now - stale)
    if fresh.is_empty():
        return "nobody watches the states now"
    there = fresh.filter(pl.col("state") != "logged_out")
    said = there["state"].unique().sort().to_list()
    if said != ["available"]:
        return f"the state is {', '.join(said) if said else 'logged_out'}"
    return None


# --- what is known --------------------------------------------------------------------------------------
def known_of(reader: Reader, source: Source, caller: str, now: datetime) -> Known:
    """Read what decides: talks with a number, what is scheduled now, last states and until when they were watched."""
    number = e164(pl.Series([caller]), source.settings.country)[0]
    login = _owners(reader.table("login"), now)
    talk = archive.talks(reader, source.name, number, (now - REMEMBERED, now))
    named = _named(talk, login)
    agents = named["agent_id"].unique().to_list()
    calling = archive.calling(
        reader, source.name, named["login"].unique().to_list(), (now - LONGEST_CALL, now)
    )
    return Known(named, _scheduled(reader, agents, now), _states(reader, login, agents, now), calling)


def _owners(login: pl.DataFrame, now: datetime) -> pl.DataFrame:
    at = pl.lit(now, INSTANT)
    valid = login.filter(
        pl.col("from_at").is_null() | (pl.col("from_at") <= at),
        pl.col("to_at").is_null() | (pl.col("to_at") > at),
    )
    return valid.unique(["source", "login"], keep="last").select("source", "login", "agent_id")


def _named(rows: pl.DataFrame, login: pl.DataFrame) -> pl.DataFrame:
    """Add whose login it is; one with no row is its own agent_id."""
    named = rows.join(login, on=["source", "login"], how="left", maintain_order="left")
    return named.with_columns(agent_id=pl.coalesce("agent_id", "login"))


def _scheduled(reader: Reader, agents: list[str], now: datetime) -> pl.DataFrame:
    """Resolve what some have scheduled now, as the engine does publications and nested rows: agent_id category."""
    span = (now - AROUND, now + AROUND)
    plan = reader.table("schedule", span=span, among={"agent_id": agents})
    activity = with_defaults("activity", reader.table("activity"))
    none = pl.DataFrame(schema={"agent_id": pl.String, "category": pl.String})
    if plan.is_empty():
        return none
    scored = score(
        schedule=plan,
        agent_state=pl.DataFrame(
            schema={"source": pl.String, "login": pl.String, "at": INSTANT, "vendor_state": pl.String}
        ),
        agent=reader.table("agent"),
        activity=activity,
        state_map=with_defaults("state_map", reader.table("state_map")),
        rule=with_defaults("rule", reader.table("rule")),
        window=(now, now + timedelta(seconds=1)),
    )
    categories = activity.unique("activity", keep="last").select("activity", "category")
    here = scored.slices().filter(pl.col("start_at") <= now, pl.col("end_at") > now)
    return (
        here.select("agent_id", pl.col("activity").cast(pl.String))
        .join(categories, on="activity")
        .select("agent_id", "category")
    )


def _states(reader: Reader, login: pl.DataFrame, agents: list[str], now: datetime) -> pl.DataFrame:
    """Read the last state of every login of some agents, in our words, and until when its source was watched."""
    theirs = [*agents, *login.filter(pl.col("agent_id").is_in(agents))["login"]]
    last, seen = archive.last_heard(reader, theirs, (now - RENEWAL, now))
    words = {code: state for state, code in CODE.items()}
    codes = map_states(last, with_defaults("state_map", reader.table("state_map")))
    state = codes.cast(pl.Int64).replace_strict(words, return_dtype=pl.String)
    return _named(last.with_columns(state=state), login).join(seen, on="source", how="left")


# --- the answer -----------------------------------------------------------------------------------------
def answer(
    store: Store, source: Source, delivery: Delivery, now: datetime
) -> tuple[tuple[int, str, bytes], Decision]:
    """Answer the question of an IVR: to whom does this caller go? Whatever goes wrong, the caller gets the fallback.

    Args:
        store: where everything is.
        source: who asks; its vendor has `question`, `extension` and `interact`.
        delivery: the request.
        now: when.

    Returns:
        Status, content type and body for the vendor; and what was decided, and why. It is logged, without the number.
    """
    vendor: Any = source.vendor
    extension, decision = None, Decision(None, None, "no caller in the question")
    asked = vendor.question(delivery)
    if asked is not None and asked.caller:
        try:
            with Store(store.path, wait_s=WAIT_S).reading() as reader:
                decision = decide(known_of(reader, source, asked.caller, now), source.name, now)
                extension = _extension(reader, source, decision.login)
        except (DatabaseBusyError, NoDataError) as no:
            decision = Decision(None, None, f"the database does not say: {no}")
        except Exception as wrong:  # whatever it is, somebody waits on the telephone
            log.exception("%s: nobody can be found for a caller", source.name)
            decision, extension = Decision(None, None, f"it cannot be decided: {wrong}"), None
    if decision.login is not None and extension is None:
        decision = Decision(
            None, decision.agent_id, f"{decision.reason}, but no event tells the extension to dial"
        )
    log.info(
        "%s: a caller goes to %s: %s",
        source.name,
        decision.agent_id if extension else "the fallback",
        decision.reason,
    )
    return vendor.interact(delivery, extension, source.settings), decision


def _extension(reader: Reader, source: Source, login: str | None) -> str | None:
    """Find how a login's extension is dialled, by the last events that name it."""
    if login is None:
        return None
    told = archive.events_naming(reader, source.name, login)
    vendor: Any = source.vendor
    found = vendor.extension(login, told)
    return None if found is None else str(found)
