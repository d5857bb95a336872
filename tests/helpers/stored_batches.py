"""Batches to database, and the frames in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from wfm.storage.batches import store_batch
from wfm.storage.database import Database

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


INSTANT = pl.Datetime("us", "UTC")


def said(*pairs: tuple[str, str], at: datetime = START) -> pl.DataFrame:
    rows = [(leg, at, payload) for leg, payload in pairs]
    return pl.DataFrame(
        rows, schema={"leg_id": pl.String, "seen_at": INSTANT, "payload": pl.String}, orient="row"
    )


def keep(database: Database, name: str, **more: object) -> object:
    given: dict[str, object] = {
        "source": "xsi",
        "feed": "call_leg",
        "window": (START, START + timedelta(hours=1)),
        "result": "complete",
        "note": "",
        "payloads": [],
        "tables": {},
    }
    return store_batch(database, name=name, **{**given, **more})  # type: ignore[arg-type]
