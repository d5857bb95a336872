"""Find the rows in Nextiva NCC's replies, whatever wraps them and however their keys are spelt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from wfm.core.errors import BadReplyError
from wfm.vendors.values import Row, fold_key, fold_keys, read_count, read_text

OWN_LIST_KEYS: Final = {"interval_volume": "historical", "agent_state": "realtime"}
LIST_KEYS: Final = ("objects", "data", "rows")
ROW_KEYS: Final = {
    "interval_volume": "enteredcount",
    "agent_state": "agentid",
    "queue": "queueid",
    "agent": "userid",
}
"""The key by which an object with no list in it is a row itself."""


def find_rows(document: Any, feed: str) -> tuple[list[Row], Row]:
    """Return the rows of a reply, and the values around them (folded keys).

    The list may stand alone, under the data set's own name, under objects, data or rows, and these again in one
    another; an object that has a row's key is the only row.

    Raises:
        BadReplyError: there is no list of rows, an error instead of one, or a snapshot that is not whole.
    """
    around: Row = {}
    while isinstance(document, dict):
        here = fold_keys(document)
        around |= {name: value for name, value in here.items() if not isinstance(value, (list, dict))}
        names = [
            name
            for name in (OWN_LIST_KEYS.get(feed, ""), *LIST_KEYS)
            if isinstance(here.get(name), (list, dict))
        ]
        if names:
            document = here[names[0]]
        elif ROW_KEYS[feed] in here:
            document = [document]
        else:
            raise BadReplyError(_describe_missing_list(feed, here))
    if not isinstance(document, list):
        raise BadReplyError(f"{feed}: a list was expected, not {type(document).__name__}")
    if not all(isinstance(row, dict) for row in document):
        raise BadReplyError(f"{feed}: a list of objects was expected")
    if not document and around.get("code") is not None and read_text(around["code"]) not in ("0", "200"):
        raise BadReplyError(_describe_missing_list(feed, around))
    total = read_count(around.get("total"))
    # a part of a snapshot would log everybody out who is not on it
    if feed == "agent_state" and total is not None and total > len(document):
        raise BadReplyError(
            f"realTime: {len(document):,} agents of a total of {total:,}: not a whole snapshot"
        )
    return document, around


def _describe_missing_list(feed: str, around: Row) -> str:
    """Describe what came instead of rows: the vendor's own message, without what may be a token in it."""
    if "code" in around or "message" in around:
        code, message = (read_text(around.get(name)) or "" for name in ("code", "message"))
        said = re.sub(r"\S{25,}", "…", f"{code} {message}")
        return f"{feed}: an error instead of data: {said.strip()[:120]}"
    return f"{feed}: no list of rows under {sorted(around)[:20]}"


def pick_columns(rows: list[Row], *choices: tuple[str, ...]) -> list[list[Any]]:
    """Return a column for every choice of folded keys: per row the first that is filled."""
    if rows and all(row.keys() == rows[0].keys() for row in rows):  # 10,000 agents: no folding row by row
        spellings = {fold_key(key): key for key in rows[0]}
        return [_pick_column(rows, [spellings[key] for key in keys if key in spellings]) for keys in choices]
    folded = [fold_keys(row) for row in rows]
    return [_pick_column(folded, keys) for keys in choices]


def _pick_column(rows: list[Row], keys: Sequence[str]) -> list[Any]:
    if not keys:
        return [None] * len(rows)
    if len(keys) == 1:
        return [row.get(keys[0]) for row in rows]
    return [next((row[key] for key in keys if row.get(key) not in (None, "")), None) for row in rows]


def describe_left_out(reasons: Sequence[str]) -> str:
    """Describe the rows that could not be parsed, by the first reason; empty: there are none."""
    rows = "1 row" if len(reasons) == 1 else f"{len(reasons):,} rows"
    return f"{rows} left out: {reasons[0]}" if reasons else ""
