"""Exemptions of minutes of the golden day."""

from __future__ import annotations

import wfm
from helpers.golden_day import DAY

LATE = (f"{DAY}T08:00Z", f"{DAY}T08:30Z")
"""The golden day's agent comes three minutes late: 180 s controllable."""


ADD = (
    "exempt",
    "add",
    "--from",
    LATE[0],
    "--to",
    LATE[1],
    "--agent",
    "ann",
    "--by",
    "Dana",
    "--reason",
    "bus strike",
)


def excuse(centre: wfm.Centre, **more: object):
    return centre.exempt(*LATE, **{"agents": "ann", "by": "Dana", "reason": "bus strike"} | more)
