"""A phone system that tells of its calls by webhooks alone; of queries, or of bodies in JSON."""

# ruff: noqa: ARG001 - the contract says what is handed over
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qsl

import polars as pl

from wfm.core import schema
from wfm.vendors import CALL_EVENT, Delivery, Feed, Limits, Payload, PushSettings, unpack_deliveries

NAME, TITLE = "bell", "Bell"
FEEDS = (Feed(CALL_EVENT, "push", 2),)
LIMITS = Limits(requests_per_minute=0)
STATES: dict[str, str] = {}
EPOCH = datetime(2026, 3, 2, tzinfo=UTC)


class Settings(PushSettings):
    """Nothing beside the webhook."""

    vendor: Literal["bell"]


def session(settings: Settings, client: object) -> None:
    """Begin nothing: there is nothing to ask."""


def parse(feed: str, payload: Payload, settings: Settings) -> pl.DataFrame:
    """Read what can be read."""
    own = {name: dtype for name, dtype in schema.get_table(feed).own_columns.items() if name != "source"}
    return pl.DataFrame([row for one in unpack_deliveries(payload) if (row := _row(one))], schema=own)


def _row(delivery: Delivery) -> dict[str, Any] | None:
    try:
        said = json.loads(delivery.body) if delivery.body else dict(parse_qsl(delivery.query))
        return {
            "event_id": said["id"],
            "call_id": said["call"],
            "kind": said["kind"],
            "said": json.dumps(said),
            "at": EPOCH + timedelta(seconds=int(said["at"])),
        }
    except (ValueError, LookupError, TypeError, OverflowError):
        return None


def assemble_legs(events: pl.DataFrame, now: datetime, settings: Settings) -> pl.DataFrame:
    """Make one leg a call, from dial to hangup."""
    at = {kind: pl.col("at").filter(pl.col("kind") == kind).min() for kind in ("dial", "hangup")}
    made = events.group_by("call_id").agg(
        started_at=at["dial"], ended_at=at["hangup"], leg_id="leg-" + pl.col("call_id").first()
    )
    own = {
        name: dtype for name, dtype in schema.get_table("call_leg").own_columns.items() if name != "source"
    }
    return made.with_columns(pl.lit(None, t).alias(n) for n, t in own.items() if n not in made.columns)


def acknowledge_delivery(delivery: Delivery, settings: Settings) -> tuple[int, str, bytes]:
    """Answer as this vendor wants it."""
    return 200, "application/json", b'{"ok":true}'
