"""Why an answer is another now: scores as of two instants of knowledge, and the rows that came or went between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from wfm import defaults, schema
from wfm.engine.changes import figures, moves, stretches, workdays
from wfm.errors import NoDataError, UsageError
from wfm.jobs import when
from wfm.jobs.causes import WHO, because
from wfm.jobs.scoring import Basis, with_defaults
from wfm.jobs.when import When

if TYPE_CHECKING:
    from wfm.jobs.centre.place import Place


@dataclass(frozen=True)
class Changes:
    """What changed between two instants of knowledge, and why.

    then, now: the two instants; ``now`` is None for all that is known.
    figures: as from `wfm.engine.changes.figures`.
    stretches: as from `wfm.engine.changes.stretches`.
    moves: as from `wfm.engine.changes.moves`.
    causes: the rows that came or went and touch what changed: agent_id workday table change (added, corrected or
        retired) start_at end_at says said_before seconds (of the changed stretches it reaches into; several rows can
        reach into the same) by (who approved or revoked it) row_no known_at collection_id source file_name note.
    unexplained: agent_id workday seconds of the workdays that no such row touches.
    """

    then: datetime
    now: datetime | None
    figures: pl.DataFrame
    stretches: pl.DataFrame
    moves: pl.DataFrame
    causes: pl.DataFrame
    unexplained: pl.DataFrame

    def sources(self) -> pl.DataFrame:
        """Sum the causes up: what was imported, collected or decided, when, and what it touches.

        Returns:
            known_at table change rows agents workdays by source file_name note; in order of time.
        """
        brought = ["known_at", "table", "change", "by", "source", "file_name", "note"]
        row = pl.struct("row_no", "start_at", "says", "said_before")
        return (
            self.causes.group_by(brought, maintain_order=True)
            .agg(
                rows=row.n_unique(),
                agents=pl.col("agent_id").n_unique(),
                workdays=pl.struct(WHO).n_unique(),
            )
            .sort("known_at", "table", "change", maintain_order=True)
            .select("known_at", "table", "change", "rows", "agents", "workdays", *brought[3:])
        )


def what_changed(
    centre: Place,
    window: tuple[When, When],
    instants: tuple[When, When | None],
    by: Sequence[str],
    agents: Sequence[str] | None,
) -> Changes:
    """Compare what is said of a window as of two instants; see `wfm.jobs.Centre.what_changed`."""
    zone = centre.settings.timezone
    then, now = when.instant(instants[0], zone, "--then"), when.instant(instants[1], zone, "--now")
    assert then is not None
    if then >= (now or datetime.now(UTC)):
        raise UsageError(f"--then {instants[0]} is not before {f'--now {instants[1]}' if now else 'now'}.")
    with centre.store.reading(then) as known:
        if not known.replays:
            raise UsageError(
                f"--then {instants[0]}: this database had not begun then, so nothing can be replayed; "
                "take a later instant (`wfm export collection` lists what came when)."
            )
    new = centre.basis(*window, agents=agents, as_of=now)
    old = _known_then(centre, window, agents, then, new)
    before, after = old.score(), new.score()
    changed = stretches(before, after)
    if agents is not None:  # a login they share may bring the states of another
        changed = changed.filter(pl.col("agent_id").is_in(list(agents)))
    with centre.store.reading(now) as known:
        found = because(known, then, changed, old, new)
        ledger = known.table(
            "collection", columns=["collection_id", "source", "file_name", "note", "made_at"]
        )
    causes = found.join(ledger, left_on="known_at", right_on="made_at", how="left", maintain_order="left")
    left = workdays(changed).join(causes, on=WHO, how="anti", maintain_order="left")
    return Changes(
        then,
        now,
        figures(before, after, by),
        changed,
        moves(changed),
        causes,
        left.select(*WHO, "seconds"),
    )


def _known_then(
    centre: Place, window: tuple[When, When], agents: Sequence[str] | None, then: datetime, later: Basis
) -> Basis:
    """Read what was known then; if that was nothing, what wfm brings along."""
    try:
        return centre.basis(*window, agents=agents, as_of=then)
    except NoDataError:
        nothing = {name: frame.clear() for name, frame in later.frames.items()}
        own = {name: with_defaults(name, schema.empty(name)) for name in defaults.TABLES}
        return Basis(nothing | own, later.window, None, later.timezone, later.options)
