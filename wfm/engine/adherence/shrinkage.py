"""Compute shrinkage, occupancy and utilisation: how paid time was spent, and how busy agents were.

Every paid scheduled second is in exactly one part::

    scheduled    on queue          |break    |on queue                  |training |on queue
    state        available|busy        |break    |available|logged out  |training |not covered
    part         productive            |planned  |product. |unplanned   |planned  |unknown

    paid = productive + planned + unplanned + unknown

Shrinkage is the share of paid time in which agents are not available to handle the workload: breaks, training,
meetings, vacations and time lost to poor adherence (Society of Workforce Planning Professionals, glossary
"shrinkage"). Time off that is paid is in the denominator, though adherence does not count it; unpaid meals are not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from wfm.core import glossary
from wfm.core.errors import UsageError
from wfm.engine.time.codes import is_logged_in, is_queue_state, is_state_among
from wfm.engine.time.units import us_to_seconds

SHRINKAGE_PARTS: Final = ("productive", "planned", "unplanned", "unknown")
SHRINKAGE_PART_ENUM: Final = pl.Enum(SHRINKAGE_PARTS)
SHRINKAGE_SUMS: Final = (
    "paid_s",
    *(f"{part}_s" for part in SHRINKAGE_PARTS),
    "scheduled_shrinkage_s",
    "logged_in_s",
    "staffed_s",
    "handling_s",
    "handling_paid_s",
)

SHRINKAGE_FORMULAS: Final = {
    "paid": "scheduled time of paid activities (table activity) = productive + planned + unplanned + unknown",
    "planned": "scheduled off the workload (breaks, training, time off ...) and not served a queue instead, or the "
    "rest of a break that a call pushed back",
    "unplanned": "scheduled for the workload and out of adherence (absent, late, outage, approved absence ...), or an "
    "activity flagged unplanned",
    "shrinkage": "(planned + unplanned) / paid; high: (planned + unplanned + unknown) / paid",
    "shrinkage scheduled": "paid time scheduled in planned shrinkage / paid",
    "occupancy": "handling (busy, hold, wrapup) / staffed (handling + available + ringing)",
}
"""Formulas of the figures as shown to users."""


def _divide(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)


def compute_utilisation_of_paid() -> pl.Expr:
    """Return handling within paid scheduled time / paid, as in the Genesys glossary."""
    return _divide(pl.col("handling_paid_s"), pl.col("paid_s"))


def compute_utilisation_of_logged_in() -> pl.Expr:
    """Return handling / logged in, which leaves out paid time away from the phone, such as training."""
    return _divide(pl.col("handling_s"), pl.col("logged_in_s"))


UTILISATION_FORMULAS: Final[dict[str, Callable[[], pl.Expr]]] = {
    "of_paid": compute_utilisation_of_paid,
    "of_logged_in": compute_utilisation_of_logged_in,
}
"""The variants of utilisation by name. (handling + available) / paid, which some call utilisation, is productive / paid
here."""


def check_utilisation(name: str) -> str:
    """Return the name of a variant of utilisation if there is one of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in UTILISATION_FORMULAS:
        raise UsageError(f"No utilisation {name!r}; choose from: {', '.join(UTILISATION_FORMULAS)}.")
    return name


def flag_paid_time(slices: pl.DataFrame, labelled: pl.DataFrame) -> pl.DataFrame:
    """Return paid or logged-in time with ``paid``, the activity's ``shrinkage`` and, of paid time, ``part``.

    A paid second is the first of these that applies:

    1. productive: scheduled for something else, but in a queue state: the agent served a queue instead.
    2. planned or unplanned: the activity is flagged so.
    3. unknown: its class is unknown.
    4. productive: in adherence, or in an activity that adherence does not count.
    5. planned: the rest of a break that a call pushed back (shifted break): the break itself had less.
    6. unplanned: everything else that is out, including approved absence and outages.

    Args:
        slices: label_row (row of ``labelled``), category, state, class, rule.
        labelled: activity, paid and shrinkage; null where nothing is scheduled.
    """
    flags = labelled.select(
        pl.col("paid").fill_null(False),
        pl.col("shrinkage").cast(pl.Enum(glossary.SHRINKAGE_KINDS)),
        "activity",
    )
    # unpaid logged-in time stays: it counts for occupancy, though not for shrinkage
    marked = slices.with_columns(flags[name].gather(slices["label_row"]) for name in flags.columns).filter(
        pl.col("paid") | is_logged_in()
    )
    kind, flag = pl.col("class"), pl.col("shrinkage")
    inside = (kind == "in").fill_null(False)
    part = (
        pl.when(~pl.col("paid"))
        .then(None)
        .when(is_queue_state() & ~inside & (pl.col("category") != "on_queue"))
        .then(pl.lit("productive"))
        .when(flag == "planned")
        .then(pl.lit("planned"))
        .when(flag == "unplanned")
        .then(pl.lit("unplanned"))
        .when(kind == "unknown")
        .then(pl.lit("unknown"))
        .when(inside | kind.is_null())
        .then(pl.lit("productive"))
        .when((pl.col("rule") == "shifted_break").fill_null(False))
        .then(pl.lit("planned"))
        .otherwise(pl.lit("unplanned"))
    )
    return marked.with_columns(part=part.cast(SHRINKAGE_PART_ENUM))


def sum_shrinkage(slices: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Sum slices from `flag_paid_time` per group into `SHRINKAGE_SUMS`, in microseconds.

    logged_in_s, staffed_s and handling_s count all time, scheduled or not; handling_paid_s paid time alone.
    """
    length = pl.col("key_end") - pl.col("key")
    handling = is_state_among(glossary.HANDLING_STATES)
    return slices.group_by(by).agg(
        length.filter("paid").sum().alias("paid_s"),
        *(length.filter(pl.col("part") == part).sum().alias(f"{part}_s") for part in SHRINKAGE_PARTS),
        length.filter(pl.col("paid"), pl.col("shrinkage") == "planned").sum().alias("scheduled_shrinkage_s"),
        length.filter(is_logged_in()).sum().alias("logged_in_s"),
        length.filter(handling | is_state_among(glossary.WAITING_STATES)).sum().alias("staffed_s"),
        length.filter(handling).sum().alias("handling_s"),
        length.filter(handling, pl.col("paid")).sum().alias("handling_paid_s"),
    )


def compute_shrinkage_ratios(summed: pl.DataFrame, utilisation: str) -> pl.DataFrame:
    """Return sums of microseconds as seconds, with the ratios; 0/0 is null.

    Returns:
        `SHRINKAGE_SUMS` in seconds, then, 0..1: shrinkage_scheduled = scheduled_shrinkage / paid; shrinkage_planned =
        planned / paid; shrinkage_unplanned = unplanned / paid; shrinkage = (planned + unplanned) / paid, as if no
        unknown time was lost; shrinkage_high = (planned + unplanned + unknown) / paid, as if all was; occupancy =
        handling / staffed; utilisation, and utilisation_variant, which names its formula.
    """
    paid, lost = pl.col("paid_s"), pl.col("planned_s") + pl.col("unplanned_s")
    return summed.with_columns(
        shrinkage_scheduled=_divide(pl.col("scheduled_shrinkage_s"), paid),
        shrinkage_planned=_divide(pl.col("planned_s"), paid),
        shrinkage_unplanned=_divide(pl.col("unplanned_s"), paid),
        shrinkage=_divide(lost, paid),
        shrinkage_high=_divide(lost + pl.col("unknown_s"), paid),
        occupancy=_divide(pl.col("handling_s"), pl.col("staffed_s")),
        utilisation=UTILISATION_FORMULAS[utilisation](),
        utilisation_variant=pl.lit(utilisation),
    ).with_columns(us_to_seconds(pl.col(SHRINKAGE_SUMS)))


def sum_shrinkage_causes(slices: pl.DataFrame, by: list[str], *, exemption: pl.DataFrame) -> pl.DataFrame:
    """Sum slices from `flag_paid_time` per group, part and cause, in microseconds.

    The cause is the activity, if it is flagged planned or unplanned; for an approved absence or an outage the code of
    the exemption; otherwise the reason.

    Args:
        slices: as from `flag_paid_time`, with reason, approved, system.
        by: columns of ``slices``.
        exemption: number, label.

    Returns:
        ``by``, part, cause, us; cause is null for time that is no shrinkage.
    """
    exemption_number = pl.coalesce(
        pl.when(pl.col("class") == kind).then(kind) for kind in ("system", "approved")
    )
    is_unflagged = pl.col("shrinkage") == "none"
    return (
        slices.filter("paid")
        .with_columns(
            number=pl.when(is_unflagged).then(exemption_number),
            reason_or_activity=pl.when(is_unflagged)
            .then(pl.col("reason").cast(pl.String))
            .otherwise("activity"),
        )
        .group_by([*by, "part", "number", "reason_or_activity"])
        .agg(us=(pl.col("key_end") - pl.col("key")).sum())
        .join(exemption, on="number", how="left")
        .select(*by, "part", "us", cause=pl.coalesce("label", "reason_or_activity"))
    )


def compute_cause_shares(caused: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Return the sums of `sum_shrinkage_causes` with their share of each group's paid time.

    Returns:
        ``by``, part, cause, seconds, paid_s, shrinkage (0..1).
    """
    # paid time is that of the whole group, so it is summed before the parts that are no shrinkage are left out
    groups = [pl.col(name) for name in by] or [pl.lit(0)]
    rows = (
        caused.with_columns(paid_us=pl.col("us").sum().over(*groups))
        .filter(pl.col("part").is_in(["planned", "unplanned"]))
        .group_by([*by, "part", "cause"])
        .agg(pl.col("us").sum(), pl.col("paid_us").first())
    )
    order = [*by, "part", "us", "cause"]
    return (
        rows.sort(order, descending=[name == "us" for name in order], nulls_last=True)
        .with_columns(pl.col("part").cast(pl.String), shrinkage=_divide(pl.col("us"), pl.col("paid_us")))
        .select(
            *by,
            "part",
            "cause",
            seconds=us_to_seconds(pl.col("us")),
            paid_s=us_to_seconds(pl.col("paid_us")),
            shrinkage="shrinkage",
        )
    )
