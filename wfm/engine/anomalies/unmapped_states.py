"""Find vendor states without a mapping: for how long, of which agents, and which state they probably mean."""

from __future__ import annotations

import polars as pl

from wfm.engine.time.codes import fold_vendor_text
from wfm.engine.time.units import us_to_seconds

MIN_ON_CALL_SHARE = 0.8
"""A vendor state that is on calls for at least this share of its time is taken for busy."""
MAJORITY_SHARE = 0.6
"""The least share of its time, or of its occurrences, for the other suggestions."""
NAME_PATTERNS = (
    ("wrapup", r"wrap|aftercall|acw|clerical"),
    ("meal", r"lunch|meal|dinner|breakfast|supper"),
    ("training", r"train|coach|learn|course"),
    ("meeting", r"meet|huddle|briefing|standup"),
    ("hold", r"hold"),
    ("ringing", r"ring|alert"),
    ("no_answer", r"noanswer|missed|rona|redirect"),
    ("logged_out", r"loggedout|logout|signedout|offline"),
    ("break", r"break|coffee|tea|smok|pause|restroom|toilet|comfort"),
    ("busy", r"oncall|incall|talk|busy|inuse|connected"),
    ("available", r"^available|^ready|idle|waiting"),
    ("working", r"backoffice|admin|email|working|ticket|paperwork"),
    ("away", r"away|afk|personal"),
)
"""States by a pattern in the folded vendor name; the first match is taken."""
STATE_BY_CATEGORY = {
    "break": "break",
    "meal": "meal",
    "training": "training",
    "meeting": "meeting",
    "off_queue_work": "working",
}
"""The state that is suggested where this category is scheduled meanwhile."""


def find_unmapped_states(
    slices: pl.DataFrame, transactions: pl.DataFrame, activity: pl.DataFrame
) -> pl.DataFrame:
    """Find the vendor states without a mapping, and suggest the most probable state of each.

    Tested in this order: calls in the call log for most of the time (`MIN_ON_CALL_SHARE`: busy); a pattern in the name;
    the category scheduled meanwhile (`MAJORITY_SHARE` of the seconds); a call just before (wrap-up).

    Args:
        slices: as from `Score.slices`.
        transactions: source agent_id vendor_state of the transactions without a mapping.
        activity: activity, category.

    Returns:
        source vendor_state start_at end_at (first and last instant of it) agents seconds times scheduled_s on_call
        after_call planned (the category most of its scheduled seconds are in) planned_share (shares: 0..1) state
        ground (which test suggested it); both are null without a suggestion. In order of seconds, most first.
    """
    kinds = activity.select(
        key=fold_vendor_text(pl.col("activity")), category=pl.col("category").cast(pl.String)
    )
    state = pl.col("state").cast(pl.String)
    rows = (
        slices.with_columns(
            key=fold_vendor_text(pl.col("activity")),
            length=(pl.col("end_at") - pl.col("start_at")).dt.total_microseconds(),
            before=pl.when(pl.col("agent_id") == pl.col("agent_id").shift(1)).then(state.shift(1)),
        )
        .filter(state == "unmapped")
        .join(kinds.unique("key", keep="last"), on="key", how="left", maintain_order="left")
    )
    # slices have no source: an agent's vendor state is looked up in the transactions
    where = transactions.unique(["agent_id", "vendor_state"], keep="first", maintain_order=True)
    rows = rows.join(where, on=["agent_id", "vendor_state"], how="left", maintain_order="left").with_columns(
        word=fold_vendor_text(pl.col("vendor_state"))
    )
    # an occurrence may be several slices: count only where it begins
    begins = pl.col("before").ne_missing("unmapped")
    group = ["source", "word"]
    found = rows.group_by(group).agg(
        pl.col("vendor_state").mode().sort().first(),
        pl.col("start_at").min(),
        pl.col("end_at").max(),
        agents=pl.col("agent_id").n_unique().cast(pl.Int64),
        seconds=us_to_seconds(pl.col("length").sum()),
        times=begins.sum().cast(pl.Int64),
        scheduled_s=us_to_seconds(pl.col("length").filter(pl.col("class").is_not_null()).sum()),
        on_call=pl.col("length").filter(pl.col("leg_id").is_not_null()).sum() / pl.col("length").sum(),
        after_call=pl.col("before").is_in(["busy", "hold"]).sum() / begins.sum(),
    )
    found = found.join(_find_planned_categories(rows, group), on=group, how="left")
    return (
        _suggest_states(found).sort("seconds", "source", "word", descending=[True, False, False]).drop("word")
    )


def _find_planned_categories(rows: pl.DataFrame, group: list[str]) -> pl.DataFrame:
    """Find the category in which a vendor state occurs most: source, word, planned, planned_share."""
    spent = (
        rows.filter(pl.col("category").is_not_null())
        .group_by(*group, "category")
        .agg(pl.col("length").sum())
        .with_columns(planned_share=pl.col("length") / pl.col("length").sum().over(group))
        .sort("length", "category", descending=[True, False])
    )
    return spent.unique(group, keep="first", maintain_order=True).select(
        *group, planned="category", planned_share="planned_share"
    )


def _suggest_states(found: pl.DataFrame) -> pl.DataFrame:
    """Add the suggested state and the test that suggested it (ground)."""
    by_name = pl.coalesce(
        [pl.when(pl.col("word").str.contains(words)).then(pl.lit(state)) for state, words in NAME_PATTERNS]
    )
    meanwhile = pl.col("planned").replace_strict(STATE_BY_CATEGORY, default=None, return_dtype=pl.String)
    by_schedule = pl.when(pl.col("planned_share") >= MAJORITY_SHARE).then(meanwhile)
    # in order of trust: what the call log shows beats a name, and a name beats coincidence
    guesses = (
        ("call log", pl.when(pl.col("on_call") >= MIN_ON_CALL_SHARE).then(pl.lit("busy"))),
        ("word", by_name),
        ("schedule", by_schedule),
        ("neighbours", pl.when(pl.col("after_call") >= MAJORITY_SHARE).then(pl.lit("wrapup"))),
    )
    return found.with_columns(
        state=pl.coalesce([guess for _, guess in guesses]),
        ground=pl.coalesce([pl.when(guess.is_not_null()).then(pl.lit(name)) for name, guess in guesses]),
    )
