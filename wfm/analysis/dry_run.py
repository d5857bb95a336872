"""Try a change of mappings, rules, activities or options: score a window with and without it, and store nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from wfm import files
from wfm.analysis.load import WindowInputs
from wfm.analysis.time_args import TimeWindow
from wfm.core import glossary, schema
from wfm.core.errors import BadRowsError, NoDataError, UsageError
from wfm.core.time import INSTANT
from wfm.engine.adherence.rollup import parse_groupings
from wfm.engine.adherence.scoring import ScoreOptions
from wfm.engine.adherence.what_if_diff import compare_whatif_figures, sum_moves_by_cause
from wfm.engine.time.codes import fold_vendor_text
from wfm.storage.reader import DatabaseReader

DRY_RUN_TABLES: Final = ("state_map", "rule", "activity")
SECONDS_OF_UNIT: Final = {"": 1, "s": 1, "m": 60, "h": 3600}
MAX_DAYS: Final = 3660


@dataclass(frozen=True)
class ProposedChange:
    """A change to try.

    tables: table → rows that take precedence over the stored ones, as if they were imported.
    options: scoring option → its value.
    """

    tables: dict[str, pl.DataFrame]
    options: dict[str, Any]

    def __bool__(self) -> bool:
        return bool(self.tables or self.options)


@dataclass(frozen=True)
class DryRunResult:
    """The effect of a change on the scores of a window.

    window: the window that was scored.
    overall: one row for everything: adherence_before adherence_after change (of adherence, -1..1)
        adherence_adjusted_before adherence_adjusted_after (0..1) scheduled_before_s scheduled_after_s moved_s (seconds
        that change class or are no longer counted) crosses (up or down: the target lies between; else null).
    groups: the same for each group of ``by`` with moved seconds, the greatest change first.
    moves: the columns of ``by``, from_class to_class cause seconds agents: which seconds change class, and the changed
        row that causes it; the most seconds first.
    agents: as ``parse_groupings``, by agent_id.
    target: the adherence that ``crosses`` is about.
    notes: the new rows that nothing in the window matches.
    """

    window: TimeWindow
    overall: pl.DataFrame
    groups: pl.DataFrame
    moves: pl.DataFrame
    agents: pl.DataFrame
    target: float | None
    notes: tuple[str, ...]


def score_with_change(
    basis: WindowInputs, change: ProposedChange, *, by: Sequence[str], target: float | None
) -> DryRunResult:
    """Score a window with and without a change, and compare.

    Args:
        basis: the inputs of the scores of the window.
        change: the change to try.
        by: what to group by, as for `Score.adherence`.
        target: an adherence (0..1); None: none.

    Raises:
        UsageError: the change is empty, or ``by`` or the target is wrong.
        InputError: the new rows are impossible.
    """
    if not change:
        raise UsageError(
            "There is no change to try: give --state-map, --rule or --activity a file, or use --map, --in, --not-in or "
            "--option."
        )
    if target is not None and not 0 < target <= 1:
        raise UsageError(f"--target {target}: give an adherence above 0 and up to 1, like 0.9.")

    before = basis.compute_score()
    options = replace(basis.options, **change.options)
    after = replace(
        basis, frames=_append_new_rows(basis.frames, change.tables), options=options
    ).compute_score()
    keys = parse_groupings(by)
    moved = pl.col("moved_s") > 0
    # Agents are always needed, to count who crosses the target, whatever the groups.
    agents = compare_whatif_figures(before, after, ["agent_id"], target).filter(moved)
    return DryRunResult(
        basis.window,
        compare_whatif_figures(before, after, [], target),
        agents if keys == ["agent_id"] else compare_whatif_figures(before, after, keys, target).filter(moved),
        sum_moves_by_cause(before, after, keys),
        agents,
        target,
        tuple(_describe_unused_rows(basis.frames, change.tables)),
    )


def _append_new_rows(
    frames: dict[str, pl.DataFrame], tables: dict[str, pl.DataFrame]
) -> dict[str, pl.DataFrame]:
    """Append the new rows to the stored ones, where the later of two takes precedence."""
    return frames | {
        name: pl.concat([frames[name], new.select(frames[name].columns)]) for name, new in tables.items()
    }


def _describe_unused_rows(frames: dict[str, pl.DataFrame], tables: dict[str, pl.DataFrame]) -> list[str]:
    """Describe the new rows that nothing in the window matches."""
    notes = []
    if (new := tables.get("state_map")) is not None:
        reported = (
            frames["agent_state"].select("source", folded=fold_vendor_text(pl.col("vendor_state"))).unique()
        )
        of_any = pl.concat([reported, reported.with_columns(source=pl.lit("*"))])
        unused = new.with_columns(folded=fold_vendor_text(pl.col("vendor_state"))).join(
            of_any, on=["source", "folded"], how="anti"
        )
        pairs = unused.select("source", "vendor_state").unique(maintain_order=True)
        notes += [
            f"The window has no state {state!r} of {'any source' if source == '*' else f'source {source}'}."
            for source, state in pairs.iter_rows()
        ]
    if (new := tables.get("activity")) is not None:
        scheduled = frames["schedule"].select(folded=fold_vendor_text(pl.col("activity"))).unique()
        unused = new.with_columns(folded=fold_vendor_text(pl.col("activity"))).join(
            scheduled, on="folded", how="anti"
        )
        notes += [f"No agent is scheduled for {name!r} in the window." for name in unused["activity"]]
    return notes


# --- the change -------------------------------------------------------------------------------------------
def read_proposed_change(
    tables: Mapping[str, Path | str | pl.DataFrame],
    *,
    maps: Sequence[str] = (),
    fits: Sequence[str] = (),
    misfits: Sequence[str] = (),
    options: Mapping[str, str] = {},
) -> ProposedChange:
    """Read a change to try, with the checks of an import.

    Args:
        tables: state_map, rule or activity → a file, or a frame with the table's columns.
        maps: mappings like ``ncc:Coffee=break``; without a source, for every source; with a reason,
            ``ncc:Aux|lunch=meal``.
        fits: rules like ``break:training``: the state is in adherence with the category.
        misfits: rules likewise, but out of adherence.
        options: scoring option → its value: true or false; seconds, or a duration like 2m or 16h.

    Raises:
        UsageError: a table, mapping, rule or option is wrong.
        InputError, BadRowsError: a file, or a row of it, is wrong.
    """
    found: dict[str, list[pl.DataFrame]] = {}
    for name, given in tables.items():
        if name not in DRY_RUN_TABLES:
            raise UsageError(
                f"A dry run cannot change table {name!r}: choose from {', '.join(DRY_RUN_TABLES)}."
            )
        found.setdefault(name, []).append(_read_table_rows(name, given))
    if maps:
        found.setdefault("state_map", []).append(
            _build_table_frame("state_map", [_parse_mapping(text) for text in maps])
        )
    rules = [_parse_rule(text, "--in", True) for text in fits] + [
        _parse_rule(text, "--not-in", False) for text in misfits
    ]
    if rules:
        found.setdefault("rule", []).append(_build_table_frame("rule", rules))
    return ProposedChange(
        {name: pl.concat(parts) for name, parts in found.items()},
        {name: _parse_option(name, value) for name, value in options.items()},
    )


def _read_table_rows(table: str, given: Path | str | pl.DataFrame) -> pl.DataFrame:
    """Read the rows of a table from a file or a frame; columns that a frame lacks are null."""
    own = schema.get_table(table).own_columns
    if isinstance(given, pl.DataFrame):
        missing = {"source": pl.lit("*")} if table == "state_map" and "source" not in given.columns else {}
        rows = given.with_columns(**missing)
        return rows.select(
            *(pl.col(n).cast(t) if n in rows.columns else pl.lit(None, t).alias(n) for n, t in own.items())
        )
    reading = files.read_table(given, table, defaults={"source": "*"} if "source" in own else {})
    if reading.bad.height:
        raise BadRowsError(str(given), reading.bad, advice="Correct them; nothing was tried.")
    return reading.frame.select(list(own))


def _build_table_frame(table: str, rows: list[dict[str, object]]) -> pl.DataFrame:
    own = schema.get_table(table).own_columns
    return pl.DataFrame([{name: row.get(name) for name in own} for row in rows], schema=dict(own))


def _parse_mapping(text: str) -> dict[str, object]:
    # From the right: a vendor state can contain an equals sign, a state of ours cannot.
    vendor_side, equals, state = (part.strip() for part in text.rpartition("="))
    source, colon, word = (part.strip() for part in vendor_side.partition(":"))
    if not colon:
        source, word = "*", vendor_side
    word, _, reason = (part.strip() for part in word.partition("|"))
    if not (equals and source and word and state):
        raise UsageError(f"--map {text!r}: write SOURCE:VENDOR STATE=state, like 'ncc:Coffee=break'.")
    allowed = [one for one in glossary.STATES if one not in (glossary.UNKNOWN, glossary.UNMAPPED)]
    if state not in allowed:
        raise UsageError(f"--map {text!r}: there is no state {state!r}; choose from {', '.join(allowed)}.")
    return {"source": source, "vendor_state": word, "vendor_reason": reason or None, "state": state}


def _parse_rule(text: str, option: str, fits: bool) -> dict[str, object]:
    category, _, state = (part.strip() for part in text.partition(":"))
    for word, allowed in ((category, glossary.CATEGORIES), (state, glossary.STATES)):
        if word not in allowed:
            raise UsageError(
                f"{option} {text!r}: {word!r} is not one of {', '.join(allowed)}; "
                "write category:state, like break:away."
            )
    return {"category": category, "state": state, "in_adherence": fits}


def _parse_option(name: str, value: str) -> timedelta | bool:
    """Parse the value of a scoring option.

    Raises:
        UsageError: there is no such option, or the value is wrong.
    """
    defaults = {
        one.name: one.default for one in fields(ScoreOptions) if isinstance(one.default, bool | timedelta)
    }
    if name not in defaults:
        raise UsageError(f"--option {name}: there is no such option; choose from {', '.join(defaults)}.")
    if isinstance(defaults[name], bool):
        if value not in ("true", "false"):
            raise UsageError(f"--option {name}={value}: write true or false.")
        return value == "true"
    match = re.fullmatch(r"(\d{1,7})([smh]?)", value, re.ASCII)
    if match is None:
        raise UsageError(f"--option {name}={value}: give seconds, or a duration like 90s, 2m or 16h.")
    return timedelta(seconds=int(match[1]) * SECONDS_OF_UNIT[match[2]])


# --- the window -------------------------------------------------------------------------------------------
def find_last_days(reader: DatabaseReader, days: int, zone: str, now: datetime) -> TimeWindow:
    """Return the last ``days`` local days for which agent states are covered.

    Raises:
        UsageError: ``days`` is out of range.
        NoDataError: no agent states are stored.
    """
    if not 1 <= days <= MAX_DAYS:
        raise UsageError(f"--days {days}: give a number from 1 to {MAX_DAYS}.")
    # Coverage can reach into the future; and its end is exclusive, so midnight belongs to the day before.
    last = reader.read_table("coverage", columns=["end_at"]).select(
        pl.col("end_at").clip(upper_bound=pl.lit(now, INSTANT)).max() - pl.duration(microseconds=1)
    )
    if last.item() is None:
        raise NoDataError("No agent states are known, so there is nothing to score: import or collect some.")
    end: date = last.select(pl.col("end_at").dt.convert_time_zone(zone).dt.date()).item() + timedelta(days=1)
    return end - timedelta(days=days), end
