"""Map each login to the agent who held it at a given time."""

from __future__ import annotations

import polars as pl


def add_agent_id(
    rows: pl.DataFrame, login: pl.DataFrame, at: pl.Expr, account: str = "source"
) -> pl.DataFrame:
    """Add ``agent_id``, the agent who held each row's login at a given time.

    A login without a row in ``login`` is its own agent_id.

    Args:
        rows: login, and the source it belongs to; a row without a login has no agent.
        login: source login agent_id from_at to_at.
        at: the instant, over columns of ``rows``.
        account: the column of ``rows`` that names the source.
    """
    # numbered, because a login may have been held by several agents: rows must not multiply
    numbered = rows.with_row_index("row_index")
    since, until = pl.col("from_at"), pl.col("to_at")
    holders = (  # of several rows that apply the last one counts
        numbered.select("row_index", "login", source=pl.col(account), at=at)
        .join(login, on=["source", "login"])
        .filter(since.is_null() | (since <= pl.col("at")), until.is_null() | (until > pl.col("at")))
        .unique("row_index", keep="last", maintain_order=True)
        .select("row_index", "agent_id")
    )
    return (
        numbered.join(holders, on="row_index", how="left", maintain_order="left")
        .with_columns(agent_id=pl.coalesce("agent_id", "login"))
        .drop("row_index")
    )
