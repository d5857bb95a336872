"""Names that options accept, spelt out so that help and completion need neither the engine nor the database.

`tests/cli/test_choices.py` compares every tuple with the module that it repeats.
"""

from __future__ import annotations

from typing import Final

IMPORTABLE_TABLES: Final = (
    "agent",
    "login",
    "queue",
    "activity",
    "state_map",
    "rule",
    "holiday",
    "schedule",
    "agent_state",
    "call_leg",
    "interval_volume",
    "exemption",
    "coverage",
    "clock",
)
TABLES: Final = (
    "migration",
    "collection",
    *IMPORTABLE_TABLES[:-1],
    "forecast",
    "report_row",
    "call_audit",
    "batch",
    "payload",
    "call_event",
    "clock",
)
FEEDS: Final = ("interval_volume", "agent_state", "call_leg", "agent", "queue", "report_row", "call_event")
DEFINITIONS: Final = (
    "genesys",
    "genesys_outside_shift",
    "genesys_threshold",
    "amazon",
    "calabrio_rta",
    "calabrio_ready_1",
    "calabrio_ready_2",
    "assembled_productive",
    "salesforce",
)
ALL_DEFINITIONS: Final = "all"
OWN_SCORES: Final = ("adherence", "adherence_adjusted")
SCORE_GROUPS: Final = (
    "agent_id",
    "name",
    "team",
    "site",
    "queue_id",
    "workday",
    "week",
    "month",
    "interval_start",
    "activity",
    "category",
    "shift_start_at",
)
GROUP_ALIASES: Final = ("agent", "queue", "interval")
RECONCILE_GROUPS: Final = ("source", "queue_id", "interval_start", "day", "week")
UTILISATIONS: Final = ("of_paid", "of_logged_in")
REPORT_ENDINGS: Final = (".html", ".xlsx", ".csv")
