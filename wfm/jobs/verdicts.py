"""One instant of an agent's day, in words: what every test found there, and what it would have needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from wfm.engine.moment import ON_CALL, Moment, Overrun, Shifted
from wfm.jobs.rulings import Row, Words, in_seconds


@dataclass(frozen=True)
class Verdict:
    """What one test found at an instant: its class, whether it holds, and why or what it would have needed."""

    name: str
    holds: bool
    decides: bool
    text: str


def verdicts(words: Words, row: Row, moment: Moment) -> tuple[Verdict, ...]:
    """Say of every test, in the order in which they are made, what it found and what it would have needed."""
    if not moment.counted:
        return (Verdict("not counted", True, True, words.rule(row)),)
    first = next(name for name, holds in moment.found.items() if holds)
    return tuple(
        Verdict(
            name, holds, name == first, words.rule(row) if name == first else _other(words, row, moment, name)
        )
        for name, holds in moment.found.items()
    )


def _other(words: Words, row: Row, moment: Moment, name: str) -> str:
    """Say of a test that did not decide what it lacked, or that it came too late."""
    if name == "unknown":
        return f"the state is known: {moment.state}"
    if name == "in":
        return _lacks_fit(words, row, moment)
    if name == "controllable":
        return "what is out and nothing else explains; another test came first"
    if not moment.known or moment.state in moment.fits:
        return "excuses only what is out"
    if name == "call_driven":
        return _lacks_call(words, moment)
    return _lacks_excuse(words, name, moment.at)


def _lacks_fit(words: Words, row: Row, moment: Moment) -> str:
    if not moment.known:
        return f"nobody can say whether {moment.state} is in adherence with {moment.category}"
    allowed = ", ".join(moment.fits) or "no state at all"
    return f"{words.matched(row)}; in adherence with {moment.category}: {allowed}"


def _covering(words: Words, kind: str, at: datetime) -> list[tuple[int, dict[str, Any]]]:
    """Return the exemptions of a kind that reach over an instant and are for the agent, in force or not."""
    team = words.frames["agent"].filter(pl.col("agent_id") == words.agent_id)["team"].to_list()
    rows = enumerate(words.frames["exemption"].iter_rows(named=True))
    return [
        (number, row)
        for number, row in rows
        if row["kind"] == kind
        and row["start_at"] <= at < row["end_at"]
        and (row["agent_id"] == words.agent_id or (row["agent_id"] is None and row["team"] in (None, *team)))
    ]


def _lacks_excuse(words: Words, kind: str, at: datetime) -> str:
    what = {"system": "an outage", "approved": "an exemption"}[kind]
    there = [_standing(words, number, row) for number, row in _covering(words, kind, at)]
    told = f"; {'; '.join(there)}" if there else ""
    return f"needs {what} for {words.agent_id}, their team or everybody that reaches over {words.clock(at)}{told}"


def _standing(words: Words, number: int, row: Mapping[str, Any]) -> str:
    """Say whether an exemption holds, is revoked, or was not made yet as of the score's instant."""
    as_of, name = words.as_of, words.exemption(number)
    if row["revoked_at"] is not None and (as_of is None or row["revoked_at"] <= as_of):
        return f"{name} was revoked {words.stamp(row['revoked_at'])}"
    if as_of is not None and row["made_at"] is not None and row["made_at"] > as_of:
        return f"{name} was made later, {words.stamp(row['made_at'])}"
    return f"there is {name}, but another test came first"


def _lacks_call(words: Words, moment: Moment) -> str:
    assert moment.overrun is not None
    assert moment.shifted is not None
    if moment.found["call_driven"]:
        return "a rule on calls holds, but another test came first"
    return f"{_lacks_overrun(words, moment.overrun)}; {_lacks_shift(words, moment.shifted)}"


def _lacks_overrun(words: Words, over: Overrun) -> str:
    begun = words.clock(over.begun_at)
    if not over.off_queue:
        return "call overrun: needs a counted activity off the queue"
    if over.until_at is not None:
        return f"call overrun: the call that ran over {begun} excuses until {words.clock(over.until_at)} only"
    lacks = []
    if over.state_then not in ON_CALL:
        lacks.append(f"{', '.join(ON_CALL[:-1])} or {ON_CALL[-1]} at {begun} (it was {over.state_then})")
    if not over.leg_ids:
        states = " or, without a call log, busy or hold across it" if not over.talked_across else ""
        lacks.append(f"a call leg answered before and ended after {begun} (there is none){states}")
    return f"call overrun: needs {' and '.join(lacks)}"


def _lacks_shift(words: Words, shifted: Shifted) -> str:
    begun = words.clock(shifted.begun_at)
    if not shifted.is_break:
        earlier = shifted.earlier or "nothing"
        return f"shifted break: needs a break or meal right before {begun} in the shift (there is {earlier})"
    if not shifted.credit_s:
        return (
            f"shifted break: needs a call that overran into the {shifted.earlier} before {begun} (none did)"
        )
    if not (shifted.rested_before and shifted.rested_then):
        return f"shifted break: needs a rest that goes on across {begun} (there is none)"
    if shifted.used_s >= shifted.credit_s:
        return f"shifted break: the {in_seconds(shifted.credit_s)} that a call took of the break are used up"
    return f"shifted break: the rest across {begun} ended at {words.clock(shifted.rested_until_at)}"
