"""Parse ``realTime``, a snapshot of agent states."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

import polars as pl

from wfm.core.errors import BadReplyError
from wfm.core.text import fill_sentence
from wfm.vendors.contract import Payload
from wfm.vendors.nextiva_ncc.rows import describe_left_out, find_rows, pick_columns
from wfm.vendors.nextiva_ncc.settings import Settings
from wfm.vendors.values import (
    EpochUnit,
    add_notes,
    complete_table,
    decode_json,
    read_epochs_us,
    read_instant_us,
    read_texts,
)

NO_STATUS: Final = "(no status)"
"""The vendor_state of an agent that a snapshot lists without a status: logged in, but in an unknown state."""
AGENT_KEYS: Final = ("agentid", "userid", "username", "id")
STATUS_KEYS: Final = ("agentstatus", "status", "state")
SINCE_KEYS: Final = ("statussince", "since", "statustime", "agentstatustime", "timestamp", "time")


def parse_agent_state(payload: Payload, settings: Settings) -> pl.DataFrame:
    """Parse a snapshot: login, at (when the state began; if unknown, when it was received), vendor_state.

    Raises:
        BadReplyError: it is not a snapshot, or no row has an agent and a status.
    """
    rows, around = find_rows(decode_json(payload.body), "agent_state")
    ids, statuses, sinces = pick_columns(rows, AGENT_KEYS, STATUS_KEYS, SINCE_KEYS)
    logins, states = read_texts(ids), read_texts(statuses)
    if rows and not (any(logins) and any(states)):
        raise BadReplyError(f"realTime: no agent-id or no agent-status in {sorted(map(str, rows[0]))[:20]}")
    now = int(payload.received_at.timestamp() * 1e6)
    taken_at = next(
        (at for name in SINCE_KEYS if (at := read_instant_us(around.get(name), settings.time_unit, UTC))), now
    )
    frame = pl.DataFrame(
        {"login": logins, "vendor_state": states},
        schema_overrides={"login": pl.String(), "vendor_state": pl.String()},
    ).with_columns(at=pl.lit(min(taken_at, now)), alarm=pl.lit(None, pl.String))
    if sinces.count(None) < len(sinces):
        since = _read_sinces(sinces, settings.time_unit)
        # a state cannot have begun after it was reported: the vendor's clock is ahead then
        frame = frame.with_columns(at=since.fill_null(taken_at).clip(upper_bound=now))
    if None in states:
        has_no_status = pl.col("vendor_state").is_null()
        alarm = pl.when(has_no_status).then(fill_sentence("{} has no status", "login"))
        frame = frame.with_columns(pl.col("vendor_state").fill_null(NO_STATUS), alarm=alarm)
    nameless = logins.count(None)
    frame = frame.drop_nulls("login") if nameless else frame
    if frame["login"].n_unique() < frame.height:
        frame = frame.unique("login", keep="last", maintain_order=True)
    return add_notes(complete_table("agent_state", frame), [describe_left_out(["no agent-id"] * nameless)])


def _read_sinces(values: list[Any], unit: EpochUnit) -> pl.Series:
    if any(isinstance(value, str) for value in values):  # ISO 8601, perhaps
        return pl.Series([read_instant_us(value, unit, UTC) for value in values], dtype=pl.Int64)
    return read_epochs_us(values, unit)


def find_element(table: str, payload: Payload, row: Mapping[str, Any], settings: Settings) -> str | None:  # noqa: ARG001
    """Return the object in a snapshot that a state was parsed from; see `wfm.vendors.EvidenceFinder`."""
    if table != "agent_state":
        return None
    rows, _ = find_rows(decode_json(payload.body), table)
    logins = read_texts(pick_columns(rows, AGENT_KEYS)[0])
    matches = [one for login, one in zip(logins, rows, strict=True) if login == row["login"]]
    return json.dumps(matches[-1], ensure_ascii=False) if matches else None
