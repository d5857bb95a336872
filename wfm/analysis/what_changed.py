"""Compare scores as of two knowledge times, and find the stored rows that explain the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from wfm import defaults
from wfm.analysis import time_args
from wfm.analysis.change_causes import AGENT_WORKDAY, find_causes
from wfm.analysis.load import InputsReader, WindowInputs, append_to_defaults
from wfm.analysis.time_args import TimeArgument
from wfm.core import schema
from wfm.core.errors import NoDataError, UsageError
from wfm.engine.adherence.score_diff import (
    diff_figures,
    diff_slices,
    sum_changed_workdays,
    sum_class_moves,
)
from wfm.storage.database import Database


@dataclass(frozen=True)
class ScoreChanges:
    """How scores differ between two knowledge times, and why.

    then, now: the two knowledge times; ``now`` is None for everything known today.
    figures: the groups whose scores differ: the columns grouped by; of every sum of `Score.adherence`, such as
        ``in_before_s in_after_s in_change_s`` (seconds; 0 where nothing was scheduled); of every ratio, such as
        ``adherence_before adherence_after`` (0..1; null where nothing was scheduled).
    stretches: the time on which the scores differ: agent_id workday start_at end_at seconds, and before and after
        (``…_before …_after``) what each says of it; null where it says nothing.
    moves: agent_id workday class_before class_after seconds; a null class is time that was not counted. The most
        seconds first within an agent's workday.
    causes: the rows that were added or retired and touch what changed: agent_id workday table change (added, corrected
        or retired) start_at end_at says said_before (the row's text now and before) seconds (of the changed stretches
        it reaches into; several rows can reach into the same) by (who approved or revoked it) row_no known_at
        collection_id source file_name note.
    unexplained: agent_id workday seconds of the workdays that no such row touches.
    """

    then: datetime
    now: datetime | None
    figures: pl.DataFrame
    stretches: pl.DataFrame
    moves: pl.DataFrame
    causes: pl.DataFrame
    unexplained: pl.DataFrame

    def summarise_causes(self) -> pl.DataFrame:
        """Summarise the causes by the import, collection or decision that brought them.

        Returns:
            known_at table change rows agents workdays (counts) by source file_name note; in order of time.
        """
        origin = ["known_at", "table", "change", "by", "source", "file_name", "note"]
        # One row can touch several agents' days, so the rows are counted by their content.
        row = pl.struct("row_no", "start_at", "says", "said_before")
        return (
            self.causes.group_by(origin, maintain_order=True)
            .agg(
                rows=row.n_unique(),
                agents=pl.col("agent_id").n_unique(),
                workdays=pl.struct(AGENT_WORKDAY).n_unique(),
            )
            .sort("known_at", "table", "change", maintain_order=True)
            .select("known_at", "table", "change", "rows", "agents", "workdays", *origin[3:])
        )


def compare_scores_as_of(
    database: Database,
    read_inputs: InputsReader,
    window: tuple[TimeArgument, TimeArgument],
    instants: tuple[TimeArgument, TimeArgument | None],
    *,
    by: Sequence[str],
    agents: Sequence[str] | None,
    zone: str,
) -> ScoreChanges:
    """Compare the scores of a window as of two knowledge times.

    Args:
        database: the database.
        read_inputs: reads the inputs of the scores of a window as of a knowledge time.
        window: two days (workdays), or two instants with an offset; the second is not included.
        instants: the two knowledge times; the second None: everything known today.
        by: what to group the figures by, as for `Score.adherence`.
        agents: only these; None: all.
        zone: the time zone of days among the knowledge times.

    Raises:
        UsageError: the second knowledge time is not after the first, or the database did not exist at the first.
        NoDataError: nothing is known of the window today.
    """
    then, now = (
        time_args.parse_instant(instants[0], zone, "--then"),
        time_args.parse_instant(instants[1], zone, "--now"),
    )
    assert then is not None
    if then >= (now or datetime.now(UTC)):
        raise UsageError(f"--then {instants[0]} is not before {f'--now {instants[1]}' if now else 'now'}.")
    with database.open_reader(then) as reader:
        if not reader.is_replay:
            raise UsageError(
                f"--then {instants[0]}: this database did not exist yet, so nothing can be replayed; "
                "give a later instant (`wfm export collection` lists what was stored when)."
            )
    new = read_inputs(*window, agents=agents, as_of=now)
    old = _read_earlier_inputs(read_inputs, window, agents, then, new)
    before, after = old.compute_score(), new.compute_score()
    changed = diff_slices(before, after)
    if agents is not None:  # a shared login can bring in the states of other agents
        changed = changed.filter(pl.col("agent_id").is_in(list(agents)))
    with database.open_reader(now) as reader:
        found = find_causes(reader, then, changed, old, new)
        ledger = reader.read_table(
            "collection", columns=["collection_id", "source", "file_name", "note", "made_at"]
        )
    # A collection's rows are known from the instant at which it was stored, which its ledger row has too.
    causes = found.join(ledger, left_on="known_at", right_on="made_at", how="left", maintain_order="left")
    unexplained = sum_changed_workdays(changed).join(
        causes, on=AGENT_WORKDAY, how="anti", maintain_order="left"
    )
    return ScoreChanges(
        then,
        now,
        diff_figures(before, after, by),
        changed,
        sum_class_moves(changed),
        causes,
        unexplained.select(*AGENT_WORKDAY, "seconds"),
    )


def _read_earlier_inputs(
    read_inputs: InputsReader,
    window: tuple[TimeArgument, TimeArgument],
    agents: Sequence[str] | None,
    then: datetime,
    later: WindowInputs,
) -> WindowInputs:
    """Read the inputs as of the earlier knowledge time; where there were none, the tables that come with wfm."""
    try:
        return read_inputs(*window, agents=agents, as_of=then)
    except NoDataError:
        empty = {name: frame.clear() for name, frame in later.frames.items()}
        default_rows = {
            name: append_to_defaults(name, schema.create_empty_frame(name))
            for name in defaults.DEFAULT_TABLES
        }
        return WindowInputs(empty | default_rows, later.window, None, later.timezone, later.options)
