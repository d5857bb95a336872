"""Route a caller to the responsible agent, if that agent is scheduled on queue and available now.

The responsible agent is the one who last talked to the number, inbound or outbound, within `TALK_MEMORY`; if two calls
overlapped, the one who hung up later. No assignment table is needed: a single call reassigns a customer.

::

    caller's number ─► last talk ─► agent ─► on_queue now? ─► no call, state fresh, available? ─► extension known?
                        │ none                │ no             │ no                                │ no       │ yes
                        └─────────────────────┴── the fallback, with the reason ───────────────────┘          transfer
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from wfm.analysis.load import append_to_defaults
from wfm.collect.sources import ConfiguredSource
from wfm.core.errors import DatabaseBusyError, NoDataError
from wfm.core.time import INSTANT
from wfm.engine.adherence.scoring import score
from wfm.engine.inputs.frames import InputFrames
from wfm.engine.inputs.state_timeline import map_states
from wfm.engine.time.codes import STATE_CODES
from wfm.storage.database import Database
from wfm.storage.reader import DatabaseReader, TimeSpan
from wfm.storage.recent_activity import (
    find_events_with_value,
    find_logins_in_call,
    find_recent_talks,
    read_states_and_coverage,
)
from wfm.vendors import CallRouter, Delivery

log = logging.getLogger("wfm.responsible")
TALK_MEMORY: Final = timedelta(days=90)
"""How long a talk with a number makes an agent responsible for it."""
MAX_COVERAGE_AGE: Final = timedelta(minutes=2)
"""Maximum age of a source's coverage for its states to count as current."""
MAX_CALL_LENGTH: Final = timedelta(hours=4)
"""A call that started longer ago and has no reported end is taken to be over: its end was lost."""
SCHEDULE_MARGIN: Final = timedelta(hours=36)
"""How far either side of now the schedule is read: long enough for a shift that crosses midnight in any time zone."""
DATABASE_WAIT_S: Final = 1.0
"""Seconds to wait for a busy database before using the fallback: the caller is on the line."""


@dataclass(frozen=True)
class RoutingDecision:
    """The routing of one caller.

    login: the login to transfer to; None: use the fallback.
    agent_id: the responsible agent, even where the fallback is used; None: there is none.
    reason: why, for the log.
    """

    login: str | None
    agent_id: str | None
    reason: str


@dataclass(frozen=True)
class RoutingFacts:
    """The facts that decide where a caller goes.

    talks: earlier talks with the caller's number: source login agent_id ended_at.
    schedule: what is scheduled now: agent_id category.
    states: last state of each login: agent_id source login state (mapped) at seen_at (end of its source's
        coverage).
    logins_in_call: logins of the asking phone system that have a call in progress. Polled states lag behind call
        events, so an agent can still be reported available while already talking.
    """

    talks: pl.DataFrame
    schedule: pl.DataFrame
    states: pl.DataFrame
    logins_in_call: Collection[str] = ()


def decide_route(
    facts: RoutingFacts, source: str, now: datetime, max_age: timedelta = MAX_COVERAGE_AGE
) -> RoutingDecision:
    """Decide where a caller goes.

    Args:
        facts: the facts, from `read_routing_facts`.
        source: the phone system that asks; it can only transfer to its own logins.
        now: the current instant.
        max_age: maximum age of the coverage behind a state.
    """
    # A phone system can only transfer to its own logins, so talks at other systems do not count.
    own_talks = facts.talks.filter(pl.col("source") == source).sort("ended_at")
    if own_talks.is_empty():
        return RoutingDecision(None, None, "no agent has talked to this number")
    login, agent = own_talks.select("login", "agent_id").row(-1)
    scheduled = facts.schedule.filter(pl.col("agent_id") == agent)["category"].to_list()
    if "on_queue" not in scheduled:
        activity = scheduled[0] if scheduled else "nothing"
        return RoutingDecision(None, agent, f"{agent} is responsible, but has {activity} scheduled now")
    # Before the states, which are polled and can lag behind the call.
    if login in facts.logins_in_call:
        return RoutingDecision(
            None, agent, f"{agent} is responsible and scheduled, but has a call in progress"
        )
    obstacle = _explain_unavailability(facts.states.filter(pl.col("agent_id") == agent), now, max_age)
    if obstacle:
        return RoutingDecision(None, agent, f"{agent} is responsible and scheduled, but {obstacle}")
    return RoutingDecision(login, agent, f"{agent} is responsible, scheduled and available")


def _explain_unavailability(states: pl.DataFrame, now: datetime, max_age: timedelta) -> str | None:
    """Return why an agent cannot take a call now; None: they can, as every covered login is available."""
    if states.is_empty():
        return "there is no recent state"
    current = states.filter(pl.col("seen_at") >= now - max_age)
    if current.is_empty():
        return "no source of its states is covered now"
    # Logged out of one phone system while working in another is normal, so logged_out alone is not an obstacle.
    logged_in = current.filter(pl.col("state") != "logged_out")["state"].unique().sort().to_list()
    if logged_in != ["available"]:
        return f"the state is {', '.join(logged_in) if logged_in else 'logged_out'}"
    return None


# --- facts ------------------------------------------------------------------------------------------------
def read_routing_facts(
    reader: DatabaseReader, source: ConfiguredSource, caller: str, now: datetime, renewal: timedelta
) -> RoutingFacts:
    """Read the facts that decide where a caller goes.

    Args:
        reader: the database.
        source: the phone system that asks.
        caller: the caller's number as that phone system writes it.
        now: the current instant.
        renewal: how long a state is valid without being renewed (``WFM_STATE_RENEWAL_S``).
    """
    from wfm.core.phone_numbers import convert_to_e164  # phonenumbers is slow to load, and only calls need it

    # Talks are stored with E.164 numbers, however the phone system writes them.
    number = convert_to_e164(pl.Series([caller]), source.settings.country)[0]
    login = _select_current_logins(reader.read_table("login"), now)
    talks = find_recent_talks(reader, source.name, number, (now - TALK_MEMORY, now))
    named_talks = _add_agent_id(talks, login)
    agents = named_talks["agent_id"].unique().to_list()
    logins_in_call = find_logins_in_call(
        reader, source.name, named_talks["login"].unique().to_list(), (now - MAX_CALL_LENGTH, now)
    )
    states = _read_last_states(reader, login, agents, (now - renewal, now))
    scheduled = _read_scheduled_categories(reader, agents, now)
    return RoutingFacts(named_talks, scheduled, states, logins_in_call)


def _select_current_logins(login: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return the agent who holds each login now: source login agent_id."""
    at = pl.lit(now, INSTANT)
    valid = login.filter(
        pl.col("from_at").is_null() | (pl.col("from_at") <= at),
        pl.col("to_at").is_null() | (pl.col("to_at") > at),
    )
    return valid.unique(["source", "login"], keep="last").select("source", "login", "agent_id")


def _add_agent_id(rows: pl.DataFrame, login: pl.DataFrame) -> pl.DataFrame:
    """Add ``agent_id``; a login without a row in table login is its own agent_id."""
    named = rows.join(login, on=["source", "login"], how="left", maintain_order="left")
    return named.with_columns(agent_id=pl.coalesce("agent_id", "login"))


def _read_scheduled_categories(reader: DatabaseReader, agents: list[str], now: datetime) -> pl.DataFrame:
    """Return the category of what each agent has scheduled now: agent_id category."""
    span = (now - SCHEDULE_MARGIN, now + SCHEDULE_MARGIN)
    schedule = reader.read_table("schedule", span=span, among={"agent_id": agents})
    activity = append_to_defaults("activity", reader.read_table("activity"))
    if schedule.is_empty():
        return pl.DataFrame(schema={"agent_id": pl.String, "category": pl.String})
    # Scored rather than filtered by time: only the engine resolves publications and segments nested in a shift.
    frames = InputFrames(
        schedule=schedule,
        agent_state=pl.DataFrame(
            schema={"source": pl.String, "login": pl.String, "at": INSTANT, "vendor_state": pl.String}
        ),
        agent=reader.read_table("agent"),
        activity=activity,
        state_map=append_to_defaults("state_map", reader.read_table("state_map")),
        rule=append_to_defaults("rule", reader.read_table("rule")),
    )
    scored = score(frames, window=(now, now + timedelta(seconds=1)))
    categories = activity.unique("activity", keep="last").select("activity", "category")
    current = scored.slices().filter(pl.col("start_at") <= now, pl.col("end_at") > now)
    return (
        current.select("agent_id", pl.col("activity").cast(pl.String))
        .join(categories, on="activity")
        .select("agent_id", "category")
    )


def _read_last_states(
    reader: DatabaseReader, login: pl.DataFrame, agents: list[str], span: TimeSpan
) -> pl.DataFrame:
    """Return the last state within a span of every login of some agents; columns as in `RoutingFacts.states`."""
    logins = [*agents, *login.filter(pl.col("agent_id").is_in(agents))["login"]]
    last, seen = read_states_and_coverage(reader, logins, span)
    state_of_code = {code: state for state, code in STATE_CODES.items()}
    codes = map_states(last, append_to_defaults("state_map", reader.read_table("state_map")))
    state = codes.cast(pl.Int64).replace_strict(state_of_code, return_dtype=pl.String)
    return _add_agent_id(last.with_columns(state=state), login).join(seen, on="source", how="left")


# --- the answer -----------------------------------------------------------------------------------------
def answer_routing_request(
    database: Database, source: ConfiguredSource, delivery: Delivery, now: datetime, renewal: timedelta
) -> tuple[tuple[int, str, bytes], RoutingDecision]:
    """Answer an IVR's request for where to send a caller; on any failure the caller goes to the fallback.

    Args:
        database: the database.
        source: the phone system that asks; its vendor must be able to answer such requests.
        delivery: the request.
        now: the current instant.
        renewal: how long a state is valid without being renewed (``WFM_STATE_RENEWAL_S``).

    Returns:
        Status, content type and body for the vendor; and the decision, which is logged without the caller's number.
    """
    vendor = source.vendor
    if not isinstance(vendor, CallRouter):
        raise TypeError(f"{vendor.NAME} cannot ask where to route a call")
    extension, decision = None, RoutingDecision(None, None, "the request names no caller")
    question = vendor.read_question(delivery)
    if question is not None and question.caller:
        try:
            with Database(database.path, wait_s=DATABASE_WAIT_S).open_reader() as reader:
                facts = read_routing_facts(reader, source, question.caller, now, renewal)
                decision = decide_route(facts, source.name, now)
                extension = _find_extension(reader, source, decision.login)
        except (DatabaseBusyError, NoDataError) as error:
            decision = RoutingDecision(None, None, f"the database cannot be read: {error}")
        except Exception as error:  # even a bug must not leave the caller on the line without an answer
            log.exception("%s: cannot decide where a caller goes", source.name)
            decision, extension = RoutingDecision(None, None, f"the routing failed: {error}"), None
    if decision.login is not None and extension is None:
        decision = RoutingDecision(
            None, decision.agent_id, f"{decision.reason}, but no event names the extension to dial"
        )
    log.info(
        "%s: caller routed to %s: %s",
        source.name,
        decision.agent_id if extension else "the fallback",
        decision.reason,
    )
    return vendor.answer_question(delivery, extension, source.settings), decision


def _find_extension(reader: DatabaseReader, source: ConfiguredSource, login: str | None) -> str | None:
    """Return the extension to dial for a login, from the last events that name both; None: none does."""
    if login is None:
        return None
    events = find_events_with_value(reader, source.name, login)
    return source.vendor.find_extension(login, events) if isinstance(source.vendor, CallRouter) else None
