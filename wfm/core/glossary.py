"""The glossary: states, activity categories, classes and reasons, by the names that all modules use.

All instants are UTC. Sums are computed in whole microseconds and reported in seconds (``_s``); ratios are 0..1.
"""

from typing import Final

# --- states ---------------------------------------------------------------------------------------------
QUEUE_STATES: Final = ("busy", "hold", "ringing", "wrapup", "available", "working")
"""States in which an agent serves a queue; they take precedence when an agent has several logins."""

HANDLING_STATES: Final = ("busy", "hold", "wrapup")
"""States in which an agent handles a call or its wrap-up."""

WAITING_STATES: Final = ("available", "ringing")
"""States in which the queue can give an agent the next call."""

REST_STATES: Final = ("meal", "break", "away", "logged_out")
"""States in which an agent rests, or is not at work."""

UNMAPPED: Final = "unmapped"
"""The state of a vendor state without a mapping: counted and shown, but neither in nor out of adherence."""

UNKNOWN: Final = "unknown"
"""The state of time without coverage; never out of adherence."""

STATES: Final = (
    *QUEUE_STATES,
    "training",
    "meeting",
    "no_answer",
    "logged_in",
    UNMAPPED,
    "meal",
    "break",
    "away",
    UNKNOWN,
    "logged_out",
)
"""Every state, in order of precedence between the logins of an agent."""

# --- activities -----------------------------------------------------------------------------------------
CATEGORIES: Final = (
    "on_queue",
    "off_queue_work",
    "break",
    "meal",
    "training",
    "meeting",
    "time_off",
    "unavailable",
)
COUNTED_CATEGORIES: Final = ("on_queue", "off_queue_work", "break", "meal", "training", "meeting")
"""Categories whose seconds are in the denominator, unless an activity says otherwise."""

PAID_CATEGORIES: Final = ("on_queue", "off_queue_work", "break", "training", "meeting", "time_off")
"""Categories whose time is paid, unless an activity says otherwise."""
PLANNED_SHRINKAGE_CATEGORIES: Final = ("off_queue_work", "break", "meal", "training", "meeting", "time_off")
"""Categories that are planned shrinkage, unless an activity says otherwise."""
SHRINKAGE_KINDS: Final = ("planned", "unplanned", "none")

STATES_IN_ADHERENCE: Final[dict[str, tuple[str, ...]]] = {
    "on_queue": ("available", "ringing", "busy", "hold", "wrapup", "working"),
    "off_queue_work": ("working", "wrapup", "training", "meeting", "away"),
    "break": ("break", "meal", "away", "logged_out"),
    "meal": ("meal", "break", "away", "logged_out"),
    "training": ("training", "meeting", "working", "away"),
    "meeting": ("meeting", "training", "working", "away"),
}
"""Category → the states that are in adherence with it; `data/rule.csv` has the same table for users to edit."""

# --- classes and reasons --------------------------------------------------------------------------------
CLASSES: Final = ("unknown", "in", "system", "approved", "call_driven", "controllable")
"""The classes of a counted second, in the order in which they are tested."""

REASONS: Final = (
    "absent",
    "late_start",
    "early_leave",
    "early_break",
    "long_break",
    "missed_break",
    "no_answer",
    "wrong_state",
    "unscheduled_work",
    "call_overrun",
    "shifted_break",
)

REASON_MEANING: Final[dict[str, str]] = {
    "absent": "no queue state in the whole shift",
    "late_start": "not at work yet when the shift began",
    "early_leave": "not at work any more when the shift ended",
    "early_break": "rested already before a scheduled break or meal",
    "long_break": "still rested after a scheduled break or meal",
    "missed_break": "worked during a scheduled break or meal",
    "no_answer": "a call rang out and the agent was put off the queue",
    "wrong_state": "in a state that does not belong to the scheduled activity",
    "unscheduled_work": "worked outside the shift; listed, never in the denominator",
    "call_overrun": "a call that began before kept the agent from the scheduled activity",
    "shifted_break": "a break pushed back by a call ended later by as much",
}

IMPACTS: Final = ("positive", "negative", "neutral")
"""positive: on queue though scheduled off it; negative: off queue though scheduled on it; neutral: neither."""

EXEMPTION_KINDS: Final = ("approved", "system")

INTERVAL_S: Final = 900
"""Seconds of an interval; "interval" always means this 15-minute bucket."""

SHIFT_GAP_S: Final = 3 * 3600
"""Two segments with a gap of at most this belong to one shift."""
