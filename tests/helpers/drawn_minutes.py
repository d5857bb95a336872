"""Instants of a drawn day, by their minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


def minutes(n: float) -> datetime:
    return START + timedelta(minutes=n)
