"""The latest agent states, calls and call events, as collectors and call routing need them.

All of these read the rows in force now, even if the reader is for an instant in the past.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from wfm.storage.reader import DatabaseReader, TimeSpan


def read_last_states(
    reader: DatabaseReader, source: str, before: datetime | None = None
) -> tuple[pl.DataFrame, datetime | None]:
    """Return the last state of every login of a source (login, vendor_state, at), and when its coverage ends."""
    until = before or datetime.max.replace(tzinfo=UTC)
    states = reader.run_query(
        'SELECT login, arg_max(vendor_state, {a: "at", c: collection_id, r: row_no}) AS vendor_state, '
        'max("at") AS "at" '
        'FROM agent_state WHERE source = ? AND "at" < ? AND replaced_at IS NULL GROUP BY login ORDER BY login',
        [source, until],
    )
    covered_until = reader.run_query(
        "SELECT max(end_at) AS seen FROM coverage WHERE source = ? AND end_at < ? AND replaced_at IS NULL",
        [source, until],
    )["seen"][0]
    return states, covered_until


def read_states_and_coverage(
    reader: DatabaseReader, logins: Sequence[str], span: TimeSpan
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the last state of some logins in a span, and until when the states of each source were covered.

    Returns:
        source login vendor_state vendor_reason at; and source seen_at (end of coverage that began in or before the
        span).
    """
    newest = '{a: "at", c: collection_id, r: row_no}'
    states = reader.run_query(
        f"SELECT source, login, arg_max(vendor_state, {newest}) AS vendor_state, "
        f'arg_max_null(vendor_reason, {newest}) AS vendor_reason, max("at") AS "at" FROM agent_state '
        'WHERE replaced_at IS NULL AND "at" > ? AND "at" <= ? AND list_contains(?::VARCHAR[], login) '
        "GROUP BY source, login",
        [*span, list(logins)],
    )
    covered = reader.run_query(
        "SELECT source, max(end_at) AS seen_at FROM coverage WHERE replaced_at IS NULL AND start_at <= ? "
        "GROUP BY source",
        [span[1]],
    )
    return states, covered


def find_recent_talks(
    reader: DatabaseReader, source: str, number: str | None, span: TimeSpan
) -> pl.DataFrame:
    """Return the last 20 answered calls with an outside number (E.164) that ended in a span, latest first.

    Columns: source login ended_at.
    """
    return reader.run_query(
        "SELECT source, login, ended_at FROM call_leg WHERE replaced_at IS NULL AND source = ? "
        "AND login IS NOT NULL AND answered_at IS NOT NULL AND ended_at > ? AND ended_at <= ? "
        "AND CASE direction WHEN 'in' THEN from_e164 WHEN 'out' THEN to_e164 END = ? ORDER BY ended_at DESC LIMIT 20",
        [source, *span, number],
    )


def find_logins_in_call(
    reader: DatabaseReader, source: str, logins: Sequence[str], span: TimeSpan
) -> list[str]:
    """Return which of some logins have a call that began in a span and that no event has ended."""
    found = reader.run_query(
        "SELECT DISTINCT login FROM call_leg WHERE replaced_at IS NULL AND source = ? "
        "AND list_contains(?::VARCHAR[], login) AND started_at > ? AND started_at <= ? "
        "AND ended_at IS NULL AND outcome IS NULL",
        [source, list(logins), *span],
    )
    return found["login"].to_list()


def find_events_with_value(reader: DatabaseReader, source: str, value: str, limit: int = 50) -> pl.DataFrame:
    """Return the last call events (at, said), latest first, that contain a text as a whole JSON value."""
    return reader.run_query(
        'SELECT "at", said FROM call_event WHERE replaced_at IS NULL AND source = ? AND contains(said, ?) '
        'ORDER BY "at" DESC LIMIT ?',
        [source, json.dumps(value, ensure_ascii=False), limit],
    )
