"""Whose login it was at an instant, by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from wfm.engine.inputs.logins import add_agent_id

INSTANT = pl.Datetime("us", "UTC")
LOGINS = pl.DataFrame(
    [
        ("s", "7", "ann", None, datetime(2026, 3, 2, tzinfo=UTC)),
        ("s", "7", "bob", datetime(2026, 3, 2, tzinfo=UTC), None),
        ("t", "7", "cleo", None, None),
        ("s", "8", "dan", None, None),
        ("s", "8", "eve", datetime(2026, 3, 2, tzinfo=UTC), None),
    ],
    schema={
        "source": pl.String,
        "login": pl.String,
        "agent_id": pl.String,
        "from_at": INSTANT,
        "to_at": INSTANT,
    },
    orient="row",
)


def test_login_belongs_to_its_holder_at_the_time() -> None:
    """From ``from_at`` on, until ``to_at`` and not at it; nobody's login is its own agent; rows stay where they are."""
    asked = [
        ("s", "8", 2, "eve"),
        ("s", "7", 1, "ann"),
        ("s", "7", 2, "bob"),
        ("t", "7", 2, "cleo"),
        ("s", "8", 1, "dan"),
        ("s", "9", 2, "9"),
        ("s", None, 2, None),
        (None, "7", 2, "7"),
    ]
    rows = pl.DataFrame(
        [(source, login, datetime(2026, 3, day, tzinfo=UTC)) for source, login, day, _ in asked],
        schema={"account": pl.String, "login": pl.String, "then": INSTANT},
        orient="row",
    )
    found = add_agent_id(rows, LOGINS, pl.col("then"), "account")
    assert found.columns == ["account", "login", "then", "agent_id"]
    assert found["agent_id"].to_list() == [agent for *_, agent in asked]
    assert found.drop("agent_id").equals(rows)
