"""Finding the rows in Nextiva NCC's replies, however they are nested and their keys are spelt."""

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
    """Return the rows of a reply, and the values next to them (with folded keys).

    The list may be the whole document, or under the data set's own name, objects, data or rows, also nested; an object
    with a row's key is the only row.

    Raises:
        BadReplyError: there is no list of rows, an error instead of one, or an incomplete snapshot.
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
    # from a part of a snapshot everybody who is not in it would seem to be logged out
    if feed == "agent_state" and total is not None and total > len(document):
        raise BadReplyError(
            f"realTime: {len(document):,} agents of a total of {total:,}: not a whole snapshot"
        )
    return document, around


def _describe_missing_list(feed: str, around: Row) -> str:
    """Describe what came instead of rows: the vendor's own message, without any long text, which may be a token."""
    if "code" in around or "message" in around:
        code, message = (read_text(around.get(name)) or "" for name in ("code", "message"))
        text = re.sub(r"\S{25,}", "…", f"{code} {message}")
        return f"{feed}: an error instead of data: {text.strip()[:120]}"
    return f"{feed}: no list of rows under {sorted(around)[:20]}"


def pick_columns(rows: list[Row], *choices: tuple[str, ...]) -> list[list[Any]]:
    """Return a column for every choice of folded keys: per row the first that is filled."""
    # rows with the same keys, as nearly always: their keys are folded once, not for each of 10,000 agents
    if rows and all(row.keys() == rows[0].keys() for row in rows):
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
    """Describe the rows that could not be parsed, with the first reason; empty if there are none."""
    rows = "1 row" if len(reasons) == 1 else f"{len(reasons):,} rows"
    return f"{rows} left out: {reasons[0]}" if reasons else ""
