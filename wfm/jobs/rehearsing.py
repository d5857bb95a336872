"""Try a mapping, a rule, an activity or an option: score a window twice, as is and with it, and store nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from wfm import files, schema, terms
from wfm.core.time import INSTANT
from wfm.engine.codes import fold
from wfm.engine.rehearsal import compare, moves
from wfm.engine.rollup import groups
from wfm.engine.score import Options
from wfm.errors import BadRowsError, NoDataError, UsageError
from wfm.jobs.scoring import Basis
from wfm.jobs.when import Window
from wfm.storage.reader import Reader

TABLES: Final = ("state_map", "rule", "activity")
UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600}
MOST_DAYS: Final = 3660


@dataclass(frozen=True)
class Change:
    """Rows that are laid over the stored ones as an import would, and options that are set."""

    tables: dict[str, pl.DataFrame]
    options: dict[str, Any]

    def __bool__(self) -> bool:
        return bool(self.tables or self.options)


@dataclass(frozen=True)
class Rehearsal:
    """What a change would do.

    window: what was scored.
    whole: one row, as from `wfm.engine.rehearsal.compare`.
    groups: the same per group that was asked for; those that would move, the greatest change first.
    moves: which seconds change class and why, per group, as from `wfm.engine.rehearsal.moves`.
    agents: per agent who crosses the target, or would move: as ``groups``.
    notes: what of the change touches nothing.
    """

    window: Window
    whole: pl.DataFrame
    groups: pl.DataFrame
    moves: pl.DataFrame
    agents: pl.DataFrame
    target: float | None
    notes: tuple[str, ...]


def rehearse(basis: Basis, change: Change, *, by: Sequence[str], target: float | None) -> Rehearsal:
    """Score a window as is and with a change.

    Raises:
        UsageError: there is nothing to try, or ``by`` or the target is wrong.
        InputError: the change does not fit the data.
    """
    if not change:
        raise UsageError(
            "Nothing to try: give --state-map, --rule or --activity a file, or --map, --in, --not-in or --option."
        )
    if target is not None and not 0 < target <= 1:
        raise UsageError(f"--target {target}: give an adherence above 0 and up to 1, like 0.9.")

    before = basis.score()
    how = replace(basis.options, **change.options)
    after = replace(basis, frames=_laid(basis.frames, change.tables), options=how).score()
    keys = groups(by)
    moved = pl.col("moved_s") > 0
    agents = compare(before, after, ["agent_id"], target).filter(moved)
    return Rehearsal(
        basis.window,
        compare(before, after, [], target),
        agents if keys == ["agent_id"] else compare(before, after, keys, target).filter(moved),
        moves(before, after, keys),
        agents,
        target,
        tuple(_idle(basis.frames, change.tables)),
    )


def _laid(facts: dict[str, pl.DataFrame], tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Put the new rows behind the stored ones: the later wins."""
    return facts | {
        name: pl.concat([facts[name], new.select(facts[name].columns)]) for name, new in tables.items()
    }


def _idle(facts: dict[str, pl.DataFrame], tables: dict[str, pl.DataFrame]) -> list[str]:
    """Name the new rows that nothing of the window meets."""
    notes = []
    if (new := tables.get("state_map")) is not None:
        said = facts["agent_state"].select("source", word=fold(pl.col("vendor_state"))).unique()
        heard = pl.concat([said, said.with_columns(source=pl.lit("*"))])
        idle = new.with_columns(word=fold(pl.col("vendor_state"))).join(
            heard, on=["source", "word"], how="anti"
        )
        notes += [f"No state of the window is {state!r} of source {of}." for of, state in _pairs(idle)]
    if (new := tables.get("activity")) is not None:
        planned = facts["schedule"].select(word=fold(pl.col("activity"))).unique()
        idle = new.with_columns(word=fold(pl.col("activity"))).join(planned, on="word", how="anti")
        notes += [f"Nobody is scheduled for {name!r} in the window." for name in idle["activity"]]
    return notes


def _pairs(idle: pl.DataFrame) -> list[tuple[str, str]]:
    return list(idle.select("source", "vendor_state").unique(maintain_order=True).iter_rows())


# --- the change -------------------------------------------------------------------------------------------
def change(
    tables: Mapping[str, Path | str | pl.DataFrame],
    *,
    maps: Sequence[str] = (),
    fits: Sequence[str] = (),
    misfits: Sequence[str] = (),
    options: Mapping[str, str] = {},
) -> Change:
    """Read a change, with the checks of an import.

    Args:
        tables: a table of `TABLES` → a file, or a frame with its columns.
        maps: mappings like ``ncc:Coffee=break``; without a source for every one, ``ncc:Aux|lunch=meal`` with a reason.
        fits, misfits: rules like ``break:training``: in adherence, out of it.
        options: a field of `wfm.engine.score.Options` → its value; lengths in seconds, or like 2m or 16h.

    Raises:
        UsageError, InputError, BadRowsError: and says which row or word is wrong.
    """
    found: dict[str, list[pl.DataFrame]] = {}
    for name, given in tables.items():
        if name not in TABLES:
            raise UsageError(f"Table {name!r} cannot be tried: choose from {', '.join(TABLES)}.")
        found.setdefault(name, []).append(_taken(name, given))
    if maps:
        found.setdefault("state_map", []).append(_frame("state_map", [_mapping(text) for text in maps]))
    rules = [_rule(text, "--in", True) for text in fits] + [
        _rule(text, "--not-in", False) for text in misfits
    ]
    if rules:
        found.setdefault("rule", []).append(_frame("rule", rules))
    return Change(
        {name: pl.concat(parts) for name, parts in found.items()},
        {name: _option(name, value) for name, value in options.items()},
    )


def _taken(table: str, given: Path | str | pl.DataFrame) -> pl.DataFrame:
    own = schema.table(table).own
    if isinstance(given, pl.DataFrame):
        missing = {"source": pl.lit("*")} if table == "state_map" and "source" not in given.columns else {}
        full = given.with_columns(**missing)
        return full.select(
            *(pl.col(n).cast(t) if n in full.columns else pl.lit(None, t).alias(n) for n, t in own.items())
        )
    reading = files.read(given, table, defaults={"source": "*"} if "source" in own else {})
    if reading.bad.height:
        raise BadRowsError(str(given), reading.bad, advice="Correct them; nothing was tried.")
    return reading.frame.select(list(own))


def _frame(table: str, rows: list[dict[str, object]]) -> pl.DataFrame:
    own = schema.table(table).own
    return pl.DataFrame([{name: row.get(name) for name in own} for row in rows], schema=dict(own))


def _mapping(text: str) -> dict[str, object]:
    said, equals, state = (part.strip() for part in text.rpartition("="))
    source, colon, word = (part.strip() for part in said.partition(":"))
    if not colon:
        source, word = "*", said
    word, _, reason = (part.strip() for part in word.partition("|"))
    if not (equals and source and word and state):
        raise UsageError(f"--map {text!r}: write SOURCE:VENDOR STATE=state, like 'ncc:Coffee=break'.")
    sayable = [one for one in terms.STATES if one not in (terms.UNKNOWN, terms.UNMAPPED)]
    if state not in sayable:
        raise UsageError(f"--map {text!r}: there is no state {state!r}; choose from {', '.join(sayable)}.")
    return {"source": source, "vendor_state": word, "vendor_reason": reason or None, "state": state}


def _rule(text: str, option: str, fits: bool) -> dict[str, object]:
    category, _, state = (part.strip() for part in text.partition(":"))
    for word, known in ((category, terms.CATEGORIES), (state, terms.STATES)):
        if word not in known:
            raise UsageError(
                f"{option} {text!r}: {word!r} is not one of {', '.join(known)}; write category:state, like break:away."
            )
    return {"category": category, "state": state, "in_adherence": fits}


def _option(name: str, value: str) -> timedelta | bool:
    known = {one.name: one.default for one in fields(Options) if isinstance(one.default, bool | timedelta)}
    if name not in known:
        raise UsageError(f"--option {name}: there is no such option; choose from {', '.join(known)}.")
    if isinstance(known[name], bool):
        if value not in ("true", "false"):
            raise UsageError(f"--option {name}={value}: write true or false.")
        return value == "true"
    match = re.fullmatch(r"(\d{1,7})([smh]?)", value, re.ASCII)
    if match is None:
        raise UsageError(f"--option {name}={value}: give seconds, or a length like 90s, 2m or 16h.")
    return timedelta(seconds=int(match[1]) * UNITS[match[2]])


# --- the window -------------------------------------------------------------------------------------------
def last_days(known: Reader, days: int, zone: str, now: datetime) -> Window:
    """Give the last ``days`` local days of which states are known.

    Raises:
        UsageError: ``days`` is not a number of days.
        NoDataError: no states are known.
    """
    if not 1 <= days <= MOST_DAYS:
        raise UsageError(f"--days {days}: give a number from 1 to {MOST_DAYS}.")
    last = known.table("coverage", columns=["end_at"]).select(
        pl.col("end_at").clip(upper_bound=pl.lit(now, INSTANT)).max() - pl.duration(microseconds=1)
    )
    if last.item() is None:
        raise NoDataError("No agent states are known, so there is nothing to score: import or collect some.")
    end: date = last.select(pl.col("end_at").dt.convert_time_zone(zone).dt.date()).item() + timedelta(days=1)
    return end - timedelta(days=days), end
