"""Whose login it was at an instant."""

from __future__ import annotations

import polars as pl


def with_agent(rows: pl.DataFrame, login: pl.DataFrame, at: pl.Expr, account: str = "source") -> pl.DataFrame:
    """Add ``agent_id``: who had the row's login at that instant; a login that no row is about is its own agent.

    Args:
        rows: login and the account it is of; a row without a login has no agent.
        login: source login agent_id from_at to_at.
        at: the instant, over columns of ``rows``.
        account: the column of ``rows`` that names the account.
    """
    placed = rows.with_row_index("place")
    since, until = pl.col("from_at"), pl.col("to_at")
    owners = (
        placed.select("place", "login", source=pl.col(account), at=at)
        .join(login, on=["source", "login"])
        .filter(since.is_null() | (since <= pl.col("at")), until.is_null() | (until > pl.col("at")))
        .unique("place", keep="last", maintain_order=True)
        .select("place", "agent_id")
    )
    return (
        placed.join(owners, on="place", how="left", maintain_order="left")
        .with_columns(agent_id=pl.coalesce("agent_id", "login"))
        .drop("place")
    )
