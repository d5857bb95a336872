"""Labels and meanings of every class, reason and figure of the report, in a supervisor's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wfm.core import glossary

CLASS_ORDER: Final = ("in", "approved", "call_driven", "system", "unknown", "controllable")
"""The classes in the order in which the report shows them."""


@dataclass(frozen=True)
class ClassLabel:
    """The label of a class: the letter that goes with its colour, its word, and what it means."""

    letter: str
    word: str
    meaning: str


CLASS_LABELS: Final[dict[str, ClassLabel]] = {
    "in": ClassLabel("I", "In adherence", "in a state that fits the scheduled activity"),
    "approved": ClassLabel("A", "Approved", "out of adherence, but within an approved exemption"),
    "call_driven": ClassLabel(
        "C",
        "Call-driven",
        "out of adherence because a call ran into a break or delayed it; shown by the call log",
    ),
    "system": ClassLabel("S", "System", "out of adherence, but during a declared outage"),
    "unknown": ClassLabel(
        "U",
        "Unknown",
        "not covered, or in a phone-system state without a mapping; counted neither in nor out",
    ),
    "controllable": ClassLabel(
        "X", "Controllable", "out of adherence, and none of the above explains it: up to the agent"
    ),
}

NO_CLASS_LABEL: Final = ClassLabel(
    "+", "Outside the shift", "work outside the shift; listed, but part of no percentage"
)

REASON_LABELS: Final[dict[str, str]] = {
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
REASON_MEANINGS: Final = glossary.REASON_MEANING

IMPACT_LABELS: Final = {
    "positive": "more on queue",
    "negative": "less on queue",
    "neutral": "no effect",
}

GOLDEN_RULE: Final = (
    "Every scheduled second is in exactly one class: "
    "in + approved + call-driven + system + unknown + controllable = scheduled. "
    "This holds for every agent, team and day, and for the whole. "
    "Roll-ups add seconds first and divide afterwards; percentages are never averaged."
)

DAY_STRIP_LEGEND: Final = (
    "Three lanes per day: Plan is the schedule, State is what the agent did, Class is how it counts. "
    "Letters: Q on queue, B break, M meal, T training or meeting, W other work, L logged out, – anything else; "
    "I in adherence, A approved, C call-driven, S system, U unknown, X controllable."
)


@dataclass(frozen=True)
class FigureDefinition:
    """The definition of a figure: what it is called, how it is computed, what that means."""

    word: str
    formula: str
    meaning: str


FIGURE_DEFINITIONS: Final = (
    FigureDefinition(
        "Scheduled",
        "seconds of counted activities in the shifts",
        "breaks, meals, training and meetings are counted; time off and unavailable time are not",
    ),
    FigureDefinition("D (covered)", "scheduled − unknown", "the scheduled time of which the state is known"),
    FigureDefinition(
        "Adherence (raw)",
        "in ÷ D",
        "the share of the covered time in which the agent did what was scheduled",
    ),
    FigureDefinition(
        "Adherence (adjusted)",
        "(D − controllable) ÷ D",
        "the same, but call-driven, approved and system time do not count against the agent",
    ),
    FigureDefinition(
        "Explained", "adjusted − raw", "percentage points that calls, approvals and outages account for"
    ),
    FigureDefinition(
        "Coverage", "D ÷ scheduled", "the share of the scheduled time of which the state is known"
    ),
    FigureDefinition(
        "Range",
        "in ÷ scheduled … (in + unknown) ÷ scheduled",
        "adherence lies between these two, whatever happened in the unknown time",
    ),
    FigureDefinition(
        "Conformance",
        "worked ÷ scheduled work",
        "time in a queue state during the shift, divided by the time scheduled on queue: the right amount of work, "
        "possibly at the wrong time; may exceed 100 %",
    ),
    FigureDefinition("Entered", "calls that came into the queue", "handled and abandoned calls together"),
    FigureDefinition(
        "Abandoned",
        "calls whose caller hung up before an agent answered",
        "in percent: abandoned ÷ entered",
    ),
    FigureDefinition(
        "AHT",
        "Σ handle seconds ÷ Σ handled calls",
        "average handle time; weighted by calls, never a mean of means",
    ),
    FigureDefinition(
        "Typical",
        "median of the same weekday in up to six weeks before",
        "what a day of this kind usually brings",
    ),
    FigureDefinition(
        "p10–p90",
        "one time in ten fewer than p10, one time in ten more than p90",
        "prediction interval per quarter-hour. The band of a day is the sum of its quarter-hours' bands: right if a "
        "whole day runs high or low together, otherwise wider than needed; not shown for queues with few calls",
    ),
    FigureDefinition(
        "Error (WAPE)",
        "Σ |forecast − actual| ÷ Σ actual",
        "measured in a backtest: past weeks are forecast from only what was known then",
    ),
    FigureDefinition(
        "Noise floor",
        "Σ √(2·v ÷ π) ÷ Σ v",
        "the error that chance alone leaves even to a perfect forecast of v random calls",
    ),
)

DEFINITION_FORMULAS: Final[dict[str, str]] = {
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

ADHERENCE_FIGURES: Final = "Adherence, coverage, conformance"
CALL_DRIVEN_FIGURE: Final = "Call-driven time"
EXEMPTED_FIGURES: Final = "Approved and system time"
VOLUME_FIGURES: Final = "Entered, handled, abandoned, AHT"
SERVICE_LEVEL_FIGURE: Final = "Service level"
FORECAST_FIGURE: Final = "Forecast"
FIGURE_SOURCES: Final = (
    (
        ADHERENCE_FIGURES,
        "agent states as the phone systems reported them, schedules in force, state mapping, rules",
    ),
    (CALL_DRIVEN_FIGURE, "call log: when each leg was answered and ended; the leg ids are the evidence"),
    (EXEMPTED_FIGURES, "exemptions known as of the report's as-of time"),
    (VOLUME_FIGURES, "15-minute interval volume, counted by the phone system or from its call log"),
    (SERVICE_LEVEL_FIGURE, "call log"),
    (FORECAST_FIGURE, "15-minute interval volume up to the origin, holidays"),
    ("Error, noise floor", "rolling backtest over past weeks"),
)
"""Figure → where it comes from in general; the centre's own sources are added to it."""
TABLE_LABELS: Final = {
    "agent_state": "agent states",
    "schedule": "schedules",
    "call_leg": "call legs",
    "exemption": "exemptions",
}
"""Table → what its rows are called."""
