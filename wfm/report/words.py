"""What every class, reason and figure of the report is called and means, in words a supervisor reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wfm import terms

SPLIT: Final = ("in", "approved", "call_driven", "system", "unknown", "controllable")
"""The classes in the order in which a reader meets them."""


@dataclass(frozen=True)
class Class:
    """One class: the letter that goes with its colour, its words, and what it means."""

    letter: str
    word: str
    meaning: str


CLASS: Final[dict[str, Class]] = {
    "in": Class("I", "In adherence", "the state belongs to what was scheduled"),
    "approved": Class("A", "Approved", "out, but inside an exemption somebody approved"),
    "call_driven": Class(
        "C", "Call-driven", "out, because a call ran into a break or pushed it back; proved by the call log"
    ),
    "system": Class("S", "System", "out, but inside a declared outage"),
    "unknown": Class(
        "U",
        "Unknown",
        "nobody watched, or the phone system's word has no mapping; counted neither in nor out",
    ),
    "controllable": Class("X", "Controllable", "out, and nothing of the above explains it: the agent's own"),
}

NO_CLASS: Final = Class("+", "Outside the shift", "work outside the shift; listed, in no percentage")

REASON: Final[dict[str, str]] = {
    "absent": "Absent",
    "late_start": "Late start",
    "early_leave": "Left early",
    "early_break": "Early break",
    "long_break": "Long break",
    "missed_break": "Worked through a break",
    "no_answer": "Did not answer",
    "wrong_state": "Wrong state",
    "unscheduled_work": "Unscheduled work",
    "call_overrun": "Call overran",
    "shifted_break": "Break pushed back by a call",
}
MEANING: Final = terms.REASON_MEANING

IMPACT: Final = {
    "positive": "more on queue",
    "negative": "less on queue",
    "neutral": "no effect",
}

GOLDEN_RULE: Final = (
    "Every scheduled second is in exactly one class: in + approved + call-driven + system + unknown + "
    "controllable = "
    "scheduled. Always, for every agent, team, day and for the whole. Roll-ups add seconds first and "
    "divide then; "
    "never is a percentage averaged."
)


@dataclass(frozen=True)
class Figure:
    """One figure: what it is called, how it is computed, what that means."""

    word: str
    formula: str
    meaning: str


FIGURES: Final = (
    Figure(
        "Scheduled",
        "seconds of counted activities in the shifts",
        "time off and unavailable are not counted; break, meal, training and meeting are",
    ),
    Figure("D (observed)", "scheduled − unknown", "the scheduled seconds somebody watched"),
    Figure(
        "Adherence (raw)",
        "in ÷ D",
        "the share of the observed time in which the agent did what was scheduled",
    ),
    Figure(
        "Adherence (adjusted)",
        "(D − controllable) ÷ D",
        "the same, with call-driven, approved and system time not held against anybody",
    ),
    Figure("Explained", "adjusted − raw", "percentage points that calls, approvals and outages account for"),
    Figure("Coverage", "D ÷ scheduled", "how much of the scheduled time was seen at all"),
    Figure(
        "Range",
        "in ÷ scheduled … (in + unknown) ÷ scheduled",
        "between these adherence must lie, whatever happened while nobody watched",
    ),
    Figure(
        "Conformance",
        "worked ÷ scheduled work",
        "seconds of the shift in a queue state over seconds scheduled on queue; the right amount, "
        "maybe at the "
        "wrong time; may exceed 100 %",
    ),
    Figure("Entered", "calls that came into the queue", "handled and abandoned ones together"),
    Figure("Abandoned", "calls that gave up before an agent answered", "in percent: abandoned ÷ entered"),
    Figure(
        "AHT",
        "Σ handle seconds ÷ Σ handled calls",
        "average handle time; weighted by calls, never a mean of means",
    ),
    Figure(
        "Typical",
        "median of the same weekday in up to six weeks before",
        "what a day of this kind usually brings",
    ),
    Figure(
        "p10–p90",
        "one time in ten fewer than p10, one time in ten more than p90",
        "made per quarter-hour; a day's band is the sum of its quarter-hours' bands: exact only if a "
        "whole day "
        "runs high or low together, else wider than needed; not shown for queues with few calls",
    ),
    Figure(
        "Error (WAPE)",
        "Σ |forecast − actual| ÷ Σ actual",
        "measured by forecasting past weeks from only what was known then",
    ),
    Figure(
        "Noise floor",
        "Σ √(2·v ÷ π) ÷ Σ v",
        "the error chance alone leaves to a perfect forecast of v random calls",
    ),
)

DEFINITION: Final[dict[str, str]] = {
    "genesys": "max(0, 1 − exception ÷ scheduled)",
    "genesys_outside_shift": "work outside the shift is added to exceptions and to the denominator",
    "genesys_threshold": "exceptions shorter than the threshold are not counted",
    "amazon": "productive (queue states) against the rest; logged out in a break is out",
    "calabrio_rta": "in ÷ (scheduled − neutral); a queue state in a break is neutral",
    "calabrio_ready_1": "(R − Σ max(0, Rᵢ − rᵢ)) ÷ R per 15-minute interval; R scheduled on queue, r ready",
    "calabrio_ready_2": "(S − Σ |Rᵢ − rᵢ|) ÷ S, with ready time up to 2 h outside the shift",
    "assembled_productive": "in ÷ scheduled over on-queue time alone",
    "salesforce": "present (not logged out) ÷ scheduled; breaks are presence",
}

ADHERENCE: Final = "Adherence, coverage, conformance"
CALL_DRIVEN: Final = "Call-driven time"
EXCUSED: Final = "Approved and system time"
VOLUME: Final = "Entered, handled, abandoned, AHT"
SERVICE_LEVEL: Final = "Service level"
FORECAST: Final = "Forecast"
SOURCES: Final = (
    (ADHERENCE, "agent states as the phone systems said them, schedules in force, state mapping, rules"),
    (CALL_DRIVEN, "call log: answered and ended instants of each leg; the leg ids stand as evidence"),
    (EXCUSED, "exemptions in force as of the report's as-of time"),
    (VOLUME, "15-minute interval volume, counted by the phone system or from its call log"),
    (SERVICE_LEVEL, "call log"),
    (FORECAST, "15-minute interval volume up to the origin, holidays"),
    ("Error, noise floor", "rolling backtest over past weeks"),
)
TABLES: Final = {
    "agent_state": "agent states",
    "schedule": "schedules",
    "call_leg": "call legs",
    "exemption": "exemptions",
}
