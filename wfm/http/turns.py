"""Turns: who may send next, so that all processes together keep to a source's requests per minute.

A turn is taken at the instant of sending, never booked ahead::

    now - gap          sent_at              now
        |-----------------|------------------|     too early: wait until sent_at + gap, and try again
        |-----------------------------------·|     sent_at is older: sent_at = now, go

So a process that is stopped for a minute has no heap of old turns to send at once, and one that is killed takes none
with it. The instants are of the monotonic clock, which the processes of a machine share and nobody sets; after a
reboot it begins anew, and an instant that is still to come is one from before.
"""

from __future__ import annotations

from wfm.http.patience import LONGEST_ASKED_S
from wfm.http.state_file import State


def gap_s(requests_per_minute: float | None) -> float:
    """Return the seconds from one turn to the next; 0: no limit."""
    return 60.0 / requests_per_minute if requests_per_minute and requests_per_minute > 0 else 0.0


def take(state: State, gap: float, now: float) -> float:
    """Take the turn, if it is there, and return 0; else return in how many seconds to try again."""
    if not gap:
        return 0.0
    sent_at = state.get("sent_at")
    if isinstance(sent_at, int | float) and sent_at <= now:
        wait = sent_at + gap - now
        if wait > 0:  # this very figure: rounded to 0 it would let through and note nothing
            return wait
    state["sent_at"] = now
    return 0.0


def rest(state: State, seconds: float, now: float) -> None:
    """Note that the source asked to be left alone for so long."""
    state["rests"] = [now, now + seconds]


def rests_s(state: State, now: float) -> float:
    """Return for how many seconds nothing is to be sent; 0: it may be."""
    noted = state.get("rests")
    if isinstance(noted, list) and len(noted) == 2 and all(isinstance(at, int | float) for at in noted):
        since, until = noted
        # anything else is from before a reboot, or damaged
        believed = since <= now < until <= since + LONGEST_ASKED_S
        return float(until - now) if believed else 0.0
    return 0.0
