"""Ordinary weeks of a contact centre, drawn by chance, and outages planted into them.

Agents come late, overrun breaks, leave early, are away for a while, stay at home, sit in team meetings that were
scheduled, and go to lunch with their team; days differ, and some teams are unruly. Nothing of it is an outage.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

MONDAY = date(2026, 3, 2)
INSTANT = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class Planted:
    """An outage: who of a team (None: of everybody) fell out, and when; hours since the first midnight."""

    start_h: float
    lasts_s: float
    team: str | None
    part: float = 1.0
    state: str = "Logged out"

    @property
    def span(self) -> tuple[datetime, datetime]:
        start = datetime.combine(MONDAY, datetime.min.time(), UTC) + timedelta(hours=self.start_h)
        return start, start + timedelta(seconds=self.lasts_s)


@dataclass
class Week:
    """Frames as `wfm.score` takes them."""

    schedule: list[tuple[str, float, float, str]] = field(default_factory=list)
    states: list[tuple[str, float, str]] = field(default_factory=list)
    agents: list[tuple[str, str]] = field(default_factory=list)

    def frames(self) -> dict[str, pl.DataFrame]:
        schedule = pl.DataFrame(
            self.schedule, schema=["agent_id", "start_at", "end_at", "activity"], orient="row"
        )
        states = pl.DataFrame(self.states, schema=["login", "at", "vendor_state"], orient="row")
        return {
            "schedule": schedule.with_columns(_instant("start_at"), _instant("end_at")),
            "agent_state": states.with_columns(_instant("at")).sort("login", "at", maintain_order=True),
            "agent": pl.DataFrame(self.agents, schema=["agent_id", "team"], orient="row"),
        }


def week(
    seed: int,
    *,
    days: int = 5,
    teams: dict[str, int] | None = None,
    planted: tuple[Planted, ...] = (),
    holiday: int | None = None,
) -> Week:
    """Draw a week; on day ``holiday`` nobody comes though everybody is scheduled."""
    rng = np.random.default_rng(seed)
    made = Week()
    for team, size in (teams or {"North": 12, "South": 20, "East": 3, "West": 8}).items():
        unruly = rng.uniform(0.5, 2.0)
        begins, meets = rng.choice([7.0, 8.0, 9.0]), rng.integers(0, days)
        for number in range(size):
            agent = f"{team}-{number:02d}"
            made.agents.append((agent, team))
            for day in range(days):
                hit = [
                    (24 * 3600 * 0 + one.start_h * 3600, one.lasts_s, one.state)
                    for one in planted
                    if one.team in (None, team) and rng.random() < one.part
                ]
                stays = rng.random() < 0.04 or day == holiday
                _day(made, rng, agent, (day * 24 + begins) * 3600, unruly, day == meets, stays, hit)
    return made


def _day(
    made: Week,
    rng: np.random.Generator,
    agent: str,
    begin: float,
    unruly: float,
    meets: bool,
    stays: bool,
    hit: list[tuple[float, float, str]],
) -> None:
    end = begin + 8 * 3600
    parts = [
        (begin + 2 * 3600, 900, "break"),
        (begin + 4 * 3600, 1800, "meal"),
        (begin + 6 * 3600, 900, "break"),
    ]
    if meets:
        parts.append((begin + 3 * 3600, 1800, "meeting"))
    made.schedule.append((agent, begin, end, "on_queue"))
    made.schedule += [(agent, at, at + lasts, what) for at, lasts, what in parts]
    if stays:
        return
    late = rng.exponential(240 * unruly) if rng.random() < 0.4 else -rng.uniform(0, 200)
    said = [(begin + late, "Available")]
    for at, lasts, what in sorted(parts):
        early = rng.uniform(0, 240) if rng.random() < 0.15 * unruly else 0.0
        long = rng.exponential(200 * unruly) if rng.random() < 0.3 else 0.0
        said += [(at - early + rng.uniform(0, 15), what), (at + lasts + long, "Available")]
    for _ in range(rng.poisson(1.2 * unruly)):
        at = rng.uniform(begin + 900, end - 900)
        if all(not (low - 1800 < at < low + lasts + 1800) for low, lasts, _ in parts):
            said += [(at, "Away"), (at + rng.uniform(60, 700), "Available")]
    early = rng.exponential(300 * unruly) if rng.random() < 0.1 else -rng.uniform(0, 120)
    said = [one for one in sorted(said) if one[0] < end - early]
    said.append((end - early, "Logged out"))
    for start, lasts, state in hit:
        said = _fall_out(rng, said, start, lasts, state)
    made.states += [(agent, at, what) for at, what in said]


def _fall_out(
    rng: np.random.Generator, said: list[tuple[float, str]], start: float, lasts: float, state: str
) -> list[tuple[float, str]]:
    low, high = start + rng.uniform(0, 20), start + lasts + rng.uniform(0, 60)
    before = [what for at, what in said if at <= low]
    after = [what for at, what in said if at <= high]
    if not before and not after:
        return said
    rest = [(at, what) for at, what in said if not low <= at <= high]
    if before and before[-1] == "Logged out":
        return said
    return sorted([*rest, (low, state), (high, after[-1])])


def _instant(name: str) -> pl.Expr:
    midnight = int(datetime.combine(MONDAY, datetime.min.time(), UTC).timestamp() * 1_000_000)
    return (midnight + (pl.col(name) * 1_000_000).cast(pl.Int64)).cast(INSTANT).alias(name)
