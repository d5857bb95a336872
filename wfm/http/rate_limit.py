"""The rate limit: all processes together stay within a source's requests per minute.

A slot is taken at the instant of sending, never reserved in advance::

    now - gap          sent_at              now
        |-----------------|------------------|     too early: wait until sent_at + gap, try again
        |-----------------------------------·|     sent_at is older: sent_at = now, go

So a process that was suspended for a minute has no backlog of slots to use at once, and a killed one leaves none
unused. Times are of the monotonic clock, which all processes of a machine share and nobody can set; a reboot restarts
it, so a time in the future is from before the reboot.
"""

from __future__ import annotations

from wfm.http.retry import MAX_RETRY_AFTER_S
from wfm.http.shared_state import SharedState


def compute_gap_s(requests_per_minute: float | None) -> float:
    """Compute the seconds between two requests; 0: no limit."""
    return 60.0 / requests_per_minute if requests_per_minute and requests_per_minute > 0 else 0.0


def take_slot(state: SharedState, gap_s: float, now: float) -> float:
    """Take the slot if it is free, and return 0; else return the seconds until the next try."""
    if not gap_s:
        return 0.0
    sent_at = state.get("sent_at")
    if isinstance(sent_at, int | float) and sent_at <= now:
        wait_s = sent_at + gap_s - now
        if wait_s > 0:  # not rounded: a wait of 0 would let the request pass unrecorded
            return wait_s
    state["sent_at"] = now
    return 0.0


def record_pause(state: SharedState, seconds: float, now: float) -> None:
    """Record that the source asked for a pause of so many seconds."""
    state["pause"] = [now, now + seconds]


def get_pause_left_s(state: SharedState, now: float) -> float:
    """Return for how many seconds nothing may be sent; 0: requests may be sent."""
    stored = state.get("pause")
    if isinstance(stored, list) and len(stored) == 2 and all(isinstance(at, int | float) for at in stored):
        since, until = stored
        # anything else is from before a reboot, or damaged
        is_valid = since <= now < until <= since + MAX_RETRY_AFTER_S
        return float(until - now) if is_valid else 0.0
    return 0.0
