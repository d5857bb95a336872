"""A made-up centre of any size as import files: schedules with breaks, states that follow them loosely, calls."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

FIRST_DAY = datetime(2026, 3, 1, tzinfo=UTC)
SHIFT_S = 8 * 3600
PLAN = ((0, SHIFT_S, "on_queue"), (7200, 8100, "break"), (14_400, 16_200, "meal"), (21_600, 22_500, "break"))
WORDS = pl.Series(["Available", "Busy", "Wrapup", "Break", "Logged out"])
STATES, LEGS = 60, 20
"""Per agent and day."""


def frames(agents: int, days: int) -> dict[str, pl.DataFrame]:
    """Make agent, schedule, agent_state and call_leg; the same every time."""
    chance = np.random.default_rng(1)
    names = pl.Series([f"agent-{i:05d}" for i in range(agents)])
    who = np.repeat(np.arange(agents), days)
    start = int(FIRST_DAY.timestamp()) + np.tile(np.arange(days), agents) * 86_400 + 8 * 3600

    def at(seconds: np.ndarray) -> pl.Series:
        return pl.Series(seconds.ravel() * 1_000_000).cast(pl.Datetime("us", "UTC"))

    schedule = pl.concat(
        pl.DataFrame(
            {"agent_id": names.gather(who), "start_at": at(start + a), "end_at": at(start + b)}
        ).with_columns(activity=pl.lit(what))
        for a, b, what in PLAN
    )
    offsets = np.sort(chance.integers(0, SHIFT_S + 600, size=(len(who), STATES)), axis=1)
    words = chance.choice(4, size=(len(who), STATES), p=[0.4, 0.3, 0.25, 0.05])
    words[:, -1] = 4
    begins = np.sort(chance.integers(0, SHIFT_S, size=(len(who), LEGS)), axis=1)
    lasts = chance.integers(10, 600, size=(len(who), LEGS))
    return {
        "agent": pl.DataFrame(
            {"agent_id": names, "team": pl.Series([f"team-{i % 20:02d}" for i in range(agents)])}
        ),
        "schedule": schedule,
        "agent_state": pl.DataFrame(
            {
                "login": names.gather(np.repeat(who, STATES)),
                "at": at(start[:, None] + offsets),
                "vendor_state": WORDS.gather(words.ravel()),
            }
        ),
        "call_leg": pl.DataFrame(
            {
                "leg_id": pl.Series(np.arange(len(who) * LEGS)).cast(pl.String),
                "login": names.gather(np.repeat(who, LEGS)),
                "queue_id": pl.Series([f"queue-{i:02d}" for i in range(50)]).gather(
                    chance.integers(0, 50, len(who) * LEGS)
                ),
                "direction": pl.Series(["in"]).new_from_index(0, len(who) * LEGS),
                "started_at": at(start[:, None] + begins - 10),
                "answered_at": at(start[:, None] + begins),
                "ended_at": at(start[:, None] + begins + lasts),
                "talk_s": lasts.ravel().astype(float),
                "outcome": pl.Series(["answered"]).new_from_index(0, len(who) * LEGS),
            }
        ),
    }


def write(made: dict[str, pl.DataFrame], directory: Path) -> dict[str, Path]:
    """Write every frame as csv."""
    paths = {}
    for table, frame in made.items():
        paths[table] = directory / f"{table}.csv"
        frame.write_csv(paths[table], datetime_format="%Y-%m-%dT%H:%M:%SZ")
    return paths
