"""Match the names in a file's header with the columns of a table."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from wfm.core.errors import InputError
from wfm.core.schema import PROVENANCE_COLUMNS, Table

IGNORED_SILENTLY = frozenset((*PROVENANCE_COLUMNS, "problem"))
"""Columns that `wfm export` and `--skip-bad` add and that an import ignores."""

_UTC_SUFFIX = re.compile(r"\s*\(\s*utc\s*\)\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class ColumnMatch:
    """Which column of a file (by position) fills which column of the table."""

    positions: dict[str, int]
    utc_columns: frozenset[str]
    ignored: tuple[str, ...]


def fold_name(name: str) -> str:
    """Normalise a header so that "Agent ID", agent-id and agent_id are equal; a trailing "(UTC)" is ignored."""
    return re.sub(r"[\s_\-\ufeff\u200b]+", "", _UTC_SUFFIX.sub("", name)).lower()


def fold_words(words: pl.Series) -> pl.Series:
    """Normalise values so that case, spaces, _ and - do not matter."""
    return words.str.to_lowercase().str.replace_all(r"[\s_\-]+", "_")


def match_columns(
    names: Iterable[str], table: Table, renames: Mapping[str, str], defaults: Iterable[str], path: str
) -> ColumnMatch:
    """Match a header's names with the table's columns.

    Raises:
        InputError: a column is missing, doubled or wrongly renamed.
    """
    names = tuple(names)
    target = _resolve_renames(names, table, renames, path)
    own = {fold_name(column): column for column in table.own_columns}
    at: dict[str, int] = {}
    ignored = []
    for i, name in enumerate(names):
        column = target.get(i) or own.get(fold_name(name))
        if column is None:
            ignored.append(name)
        elif column in at:
            raise InputError(
                f"{path}: two columns for {column}: {names[at[column]]!r} and {name!r}. Remove or rename one."
            )
        else:
            at[column] = i
    lacking = table.required - set(at) - set(defaults)
    if lacking:
        raise InputError(
            _describe_missing(sorted(lacking, key=list(table.own_columns).index), names, ignored, table, path)
        )
    return ColumnMatch(
        at,
        frozenset(c for c, i in at.items() if _UTC_SUFFIX.search(names[i])),
        _select_notable(ignored, table),
    )


def find_matching_columns(names: Iterable[str], table: Table, renames: Mapping[str, str]) -> set[str]:
    """Return the columns of the table that a row of a file, read as a header, would fill."""
    known = {fold_name(column): column for column in table.own_columns}
    known |= {fold_name(theirs): ours for theirs, ours in renames.items()}
    return {known[fold_name(name)] for name in names if fold_name(name) in known}


def _resolve_renames(
    names: tuple[str, ...], table: Table, renames: Mapping[str, str], path: str
) -> dict[int, str]:
    out: dict[int, str] = {}
    own = {fold_name(column): column for column in table.own_columns}
    for theirs, ours in renames.items():
        column = own.get(fold_name(ours))
        if column is None:
            raise InputError(
                f"{path}: {table.name} has no column {ours!r}. It has: {', '.join(table.own_columns)}."
            )
        found = [i for i, name in enumerate(names) if name == theirs] or [
            i for i, name in enumerate(names) if fold_name(name) == fold_name(theirs)
        ]
        if not found:
            raise InputError(
                f"{path}: there is no column {theirs!r} to take as {column}. {_list_names(names)}"
            )
        if len(found) > 1:
            raise InputError(
                f"{path}: {theirs!r} names {len(found)} columns. Rename one of them in the file."
            )
        out[found[0]] = column
    return out


def _describe_missing(
    lacking: list[str], names: tuple[str, ...], ignored: list[str], table: Table, path: str
) -> str:
    folded = {fold_name(name): name for name in ignored}
    near = difflib.get_close_matches(fold_name(lacking[0]), folded, 1, 0.5)
    theirs = folded[near[0]] if near else "theirs"
    which = f"column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}"
    hint = (
        f"Did you mean {theirs!r}? Then give --map" if near else "If one has another name there, give --map"
    )
    quoted = f'"{theirs}={lacking[0]}"' if " " in theirs else f"{theirs}={lacking[0]}"
    return f"{path}: {table.name} needs the {which}. {_list_names(names)} {hint} {quoted}."


def _list_names(names: tuple[str, ...]) -> str:
    shown = ", ".join(repr(name) for name in names[:40] if name)
    return (
        f"The file has: {shown}{' …' if len(names) > 40 else ''}."
        if shown
        else "The file has no column names."
    )


def _select_notable(ignored: list[str], table: Table) -> tuple[str, ...]:
    silent = {fold_name(name) for name in IGNORED_SILENTLY} | {""}
    if table.name == "call_leg":
        silent.add("agentid")
    return tuple(name for name in ignored if fold_name(name) not in silent)
