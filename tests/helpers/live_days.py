"""Live days to follow, and the score at once that they must come to."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from wfm import defaults
from wfm.core import schema
from wfm.engine.adherence import scoring as scoring
from wfm.engine.adherence.scoring import Score
from wfm.engine.inputs.frames import InputFrames
from wfm.engine.realtime.live_score import Live

NEWS = ("schedule", "agent_state", "call_leg", "exemption", "coverage")


KEYS = {name: schema.get_table(name).key for name in NEWS}


SOURCE = {"agent_state": "-", "call_leg": "-", "coverage": "-"}


def fixed(tables: dict[str, pl.DataFrame]) -> dict[str, Any]:
    """Give what does not change: the tables that wfm brings along, with the day's own rows behind."""
    made: dict[str, Any] = {name: tables[name] for name in ("agent", "login") if name in tables}
    for table, own in (("state_map", "state_map"), ("activity", "activity"), ("rule", "rules")):
        rows = tables.get(own)
        if table == "state_map" and rows is not None:
            source = pl.col("source").fill_null("*") if "source" in rows.columns else pl.lit("*")
            rows = rows.with_columns(source.alias("source"))
        given_rows = [defaults.read_default_table(table)] + ([] if rows is None else [rows])
        made[table] = pl.concat(given_rows, how="diagonal_relaxed")
    return made


def completed(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    return (
        frame if "source" in frame.columns or name not in SOURCE else frame.with_columns(source=pl.lit("-"))
    )


FRAMES = {field.name for field in fields(InputFrames)}


def split(given: dict[str, Any]) -> tuple[InputFrames, dict[str, Any]]:
    """Split arguments into frames and the rest."""
    frames = {name: value for name, value in given.items() if name in FRAMES}
    return InputFrames(**frames), {name: value for name, value in given.items() if name not in FRAMES}


def score(**given: Any) -> Score:
    frames, about = split(given)
    return scoring.score(frames, **about)


def start_live(**given: Any) -> Live:
    frames, about = split(given)
    return Live(frames, **about)


class Facts:
    """All facts so far, as a store keeps them: one row per key, what was said again stays where it was."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
        self.schemas: dict[str, Any] = {}

    def take(self, news: dict[str, pl.DataFrame]) -> None:
        for name, frame in news.items():
            held = self.rows.setdefault(name, {})
            self.schemas[name] = frame.schema
            for row in frame.iter_rows(named=True):
                key = tuple(row.get(column) for column in KEYS[name])
                if held.get(key) != row:
                    held.pop(key, None)
                    held[key] = row

    def drop(self, name: str, keys: list[tuple[Any, ...]]) -> None:
        for key in keys:
            self.rows[name].pop(key, None)

    def frames(self) -> dict[str, pl.DataFrame]:
        made = {n: pl.DataFrame(list(rows.values()), schema=self.schemas[n]) for n, rows in self.rows.items()}
        for name in ("schedule", "agent_state"):
            made.setdefault(name, schema.create_empty_frame(name))
        return made


# --- worked out by hand ---------------------------------------------------------------------------------
STEP = timedelta(minutes=1)


START = datetime(2026, 3, 2, 8, tzinfo=UTC)


DATES = (START.date(), START.date() + timedelta(days=1))


def watched(end: datetime, start: datetime | None = None, source: str = "-") -> pl.DataFrame:
    rows = {"source": [source], "start_at": [start or START - timedelta(days=3)], "end_at": [end]}
    return pl.DataFrame(rows, schema=schema.get_table("coverage").own_columns)
