"""Matching the names in a file's header with the columns of a table."""

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
    """Which columns of a file fill which columns of a table.

    positions: column of the table → position in the file. utc_columns: columns whose header says that they are in UTC.
    ignored: headers that match no column, for a note to the user.
    """

    positions: dict[str, int]
    utc_columns: frozenset[str]
    ignored: tuple[str, ...]


def fold_name(name: str) -> str:
    """Normalise a header so that "Agent ID", agent-id and agent_id are equal; a trailing "(UTC)" is ignored."""
    # byte order marks and zero-width spaces come from spreadsheets and web pages, and nobody can see them
    return re.sub(r"[\s_\-\ufeff\u200b]+", "", _UTC_SUFFIX.sub("", name)).lower()


def fold_words(words: pl.Series) -> pl.Series:
    """Normalise values so that case, spaces, _ and - do not matter."""
    return words.str.to_lowercase().str.replace_all(r"[\s_\-]+", "_")


def match_columns(
    names: Iterable[str], table: Table, renames: Mapping[str, str], defaults: Iterable[str], path: str
) -> ColumnMatch:
    """Match a header's names with the table's columns.

    Args:
        names: the header.
        table: the table.
        renames: name in the file → column of the table.
        defaults: columns that need not be in the file.
        path: the file, for messages.

    Raises:
        InputError: a column is missing or there twice, or a rename does not apply.
    """
    names = tuple(names)
    renamed = _resolve_renames(names, table, renames, path)
    own = {fold_name(column): column for column in table.own_columns}
    positions: dict[str, int] = {}
    ignored = []
    for i, name in enumerate(names):
        column = renamed.get(i) or own.get(fold_name(name))
        if column is None:
            ignored.append(name)
        elif column in positions:
            raise InputError(
                f"{path}: two columns for {column}: {names[positions[column]]!r} and {name!r}. Remove or rename one."
            )
        else:
            positions[column] = i
    missing = table.required - set(positions) - set(defaults)
    if missing:
        raise InputError(
            _describe_missing(sorted(missing, key=list(table.own_columns).index), names, ignored, table, path)
        )
    return ColumnMatch(
        positions,
        frozenset(column for column, i in positions.items() if _UTC_SUFFIX.search(names[i])),
        _select_notable(ignored, table),
    )


def find_matching_columns(names: Iterable[str], table: Table, renames: Mapping[str, str]) -> set[str]:
    """Return the columns of the table that a row of a file, read as a header, would fill."""
    columns = {fold_name(column): column for column in table.own_columns}
    columns |= {fold_name(theirs): ours for theirs, ours in renames.items()}
    return {columns[fold_name(name)] for name in names if fold_name(name) in columns}


def _resolve_renames(
    names: tuple[str, ...], table: Table, renames: Mapping[str, str], path: str
) -> dict[int, str]:
    resolved: dict[int, str] = {}
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
        resolved[found[0]] = column
    return resolved


def _describe_missing(
    missing: list[str], names: tuple[str, ...], ignored: list[str], table: Table, path: str
) -> str:
    folded = {fold_name(name): name for name in ignored}
    near = difflib.get_close_matches(fold_name(missing[0]), folded, 1, 0.5)
    theirs = folded[near[0]] if near else "theirs"
    which = f"column{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
    hint = (
        f"Did you mean {theirs!r}? Then give --map" if near else "If one has another name there, give --map"
    )
    quoted = f'"{theirs}={missing[0]}"' if " " in theirs else f"{theirs}={missing[0]}"
    return f"{path}: {table.name} needs the {which}. {_list_names(names)} {hint} {quoted}."


def _list_names(names: tuple[str, ...]) -> str:
    shown = ", ".join(repr(name) for name in names[:40] if name)
    return (
        f"The file has: {shown}{' …' if len(names) > 40 else ''}."
        if shown
        else "The file has no column names."
    )


def _select_notable(ignored: list[str], table: Table) -> tuple[str, ...]:
    """Return the ignored names that a user should hear about: not those that wfm itself writes."""
    silent = {fold_name(name) for name in IGNORED_SILENTLY} | {""}
    if table.name == "call_leg":
        silent.add("agentid")
    return tuple(name for name in ignored if fold_name(name) not in silent)
