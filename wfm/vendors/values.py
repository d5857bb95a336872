"""Parsing the values of replies, the same for all vendors: JSON, text, numbers, instants, keys, tables and notes.

Only `decode_json` and `add_notes` raise. A value is parsed the same, whichever vendor sent it:

==================  =======================================================================================
text                stripped; 14.0 is ``14``, as an id may be written either way; True is ``true``, as JSON
                    writes it; null, blank text, lists and objects are nothing
number              also as text; True, NaN, infinity and what a float cannot hold exactly are none
instant             of a number, in the unit that its size shows (or a given one); of a text, ISO 8601
key                 AgentId, agent-id, agent_id and ``AGENT ID`` are one
==================  =======================================================================================
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Final, Literal

import polars as pl

from wfm.core import schema
from wfm.core.errors import BadReplyError

Row = dict[str, Any]
"""One object of a reply."""
EpochUnit = Literal["auto", "s", "ms", "us"]

EXACT_LIMIT: Final = 2**53
"""Beyond this a float cannot represent all whole numbers."""
FIRST_EPOCH_S, LAST_EPOCH_S = 10**8, 10**11
"""Instants from 1973 to 5138 are plausible: in s, ms and µs these are numbers of different sizes."""
MICROS_PER_UNIT: Final[Mapping[str, int]] = {"s": 1_000_000, "ms": 1000, "us": 1}
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MAX_NOTES: Final = 3
_NUMBER: Final = re.compile(r"[+-]?\d{1,20}(\.\d{1,20})?", re.ASCII)
_EPOCH_TEXT: Final = re.compile(r"(\d{9,17})(\.\d{1,9})?", re.ASCII)
_SEPARATORS: Final = re.compile(r"[-_\s]")


# --- JSON -----------------------------------------------------------------------------------------------
def decode_json(body: bytes) -> Any:
    """Decode JSON; NaN and Infinity become None.

    Raises:
        BadReplyError: it is not JSON; the message quotes nothing, because that may be a secret.
    """
    try:
        return json.loads(body, parse_constant=lambda _: None)
    except json.JSONDecodeError as wrong:
        why = f"{wrong.msg} at character {wrong.pos:,} of {len(wrong.doc):,}"
    except RecursionError:
        why = "it is nested too deeply"
    except ValueError as wrong:  # UnicodeDecodeError, or a number of too many digits
        why = (
            "its characters are not UTF-8"
            if isinstance(wrong, UnicodeError)
            else "a number in it is too long"
        )
    raise BadReplyError(f"the reply is not JSON: {why}")


_encode_compact = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str
).encode
_encode_spaced = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=str).encode


def encode_json(value: Any, *, spaced: bool = False) -> str | None:
    """Encode a value as JSON that a database can store; None: it cannot be encoded.

    ``spaced``: with blanks after the separators. Audit hashes are computed from this text, so a vendor must not change
    its style.
    """
    try:
        text = (_encode_spaced if spaced else _encode_compact)(value)
    except (ValueError, RecursionError):
        return None
    return text if text.isascii() else _make_storable(text)


# --- text -----------------------------------------------------------------------------------------------
def read_text(value: Any) -> str | None:
    """Return a value as text that a database can store; None: there is none. Numbers become text, as ids may be."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        value = int(value) if value.is_integer() else value
    if not isinstance(value, str | int | float):
        return None
    return _make_storable(str(value)).strip() or None


def read_texts(values: Sequence[Any]) -> list[str | None]:
    """Return `read_text` of a column; faster than one by one if all values are plain texts, as is usual."""
    if set(map(type, values)) == {str}:
        joined = "".join(values)
        if joined.isascii() and "\x00" not in joined:
            return [text.strip() or None for text in values]
    return [read_text(value) for value in values]


def _make_storable(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can contain, and drop NUL: a database can store neither."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


# --- numbers --------------------------------------------------------------------------------------------
def read_number(value: Any) -> float | None:
    """Return a finite number, also from a text; None: it is not one."""
    if isinstance(value, str):
        text = value.strip()
        value = float(text) if _NUMBER.fullmatch(text) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -EXACT_LIMIT <= value <= EXACT_LIMIT else None


def read_amount(value: Any) -> float | None:
    """Return a number that measures something: not negative."""
    number = read_number(value)
    return number if number is not None and number >= 0 else None


def read_count(value: Any) -> int | None:
    """Return a number that counts something: whole and not negative; 14.0 is 14."""
    number = read_amount(value)
    return int(number) if number is not None and number.is_integer() else None


# --- instants -------------------------------------------------------------------------------------------
def read_epoch_us(value: Any, unit: EpochUnit = "auto") -> int | None:
    """Return microseconds since 1970 for a number, or digits, that counts from there; None: it is not an instant.

    ``unit``: of the number; auto: the only one with which the instant is between 1973 and 5138.
    """
    fraction = 0.0
    if isinstance(value, str):
        digits = _EPOCH_TEXT.fullmatch(value.strip())
        if digits is None:
            return None
        value, fraction = int(digits[1]), float(digits[2] or 0)
    elif isinstance(value, float) and math.isfinite(value):
        fraction, value = value % 1, math.floor(value)
    elif type(value) is not int:
        return None
    for micros in _candidate_scales(unit):
        per_second = 1_000_000 // micros
        if FIRST_EPOCH_S * per_second <= value < LAST_EPOCH_S * per_second:
            # whole and fraction apart: microseconds are near what a float can hold
            return int(value) * micros + round(fraction * micros)
    return None


def read_epochs_us(values: Sequence[Any], unit: EpochUnit = "auto") -> pl.Series:
    """Return `read_epoch_us` of a column (Int64); faster than one by one if all are whole numbers, as is usual."""
    if set(map(type, values)) != {int} or not 0 <= min(values) <= max(values) < 2**62:
        return pl.Series([read_epoch_us(value, unit) for value in values], dtype=pl.Int64)
    number = pl.Series(values, dtype=pl.Int64)
    scaled = [
        pl.when(
            number.is_between(
                FIRST_EPOCH_S * (1_000_000 // micros), LAST_EPOCH_S * (1_000_000 // micros), closed="left"
            )
        ).then(number * micros)
        for micros in _candidate_scales(unit)
    ]
    return pl.select(pl.coalesce(scaled)).to_series()


def parse_epoch_us(digits: str) -> pl.Expr:
    """Return `read_epoch_us` of a column of texts as an expression, with the unit auto."""
    value = pl.col(digits).cast(pl.Float64, strict=False)
    value = pl.when(value >= FIRST_EPOCH_S, value < LAST_EPOCH_S * 1_000_000).then(value)
    micros = (
        pl.when(value < LAST_EPOCH_S).then(1e6).when(value < LAST_EPOCH_S * 1000).then(1e3).otherwise(1.0)
    )
    return (value * micros).round().cast(pl.Int64)


def read_instant_us(value: Any, unit: EpochUnit = "auto", naive: tzinfo | None = None) -> int | None:
    """Return microseconds since 1970 for an instant: a number (see `read_epoch_us`) or ISO 8601.

    ``naive``: the time zone of a text without an offset; None: such a text is not an instant.
    """
    at_us = read_epoch_us(value, unit)
    if at_us is not None or not isinstance(value, str) or value.strip().isdecimal():
        return at_us
    try:
        at = datetime.fromisoformat(value.strip())
        zone = at.tzinfo or naive
        at_us = None if zone is None else (at.replace(tzinfo=zone) - EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return None
    plausible = at_us is not None and FIRST_EPOCH_S <= at_us // 1_000_000 < LAST_EPOCH_S
    return at_us if plausible else None


def read_instant(value: Any, unit: EpochUnit = "auto", naive: tzinfo | None = None) -> datetime | None:
    """Return an instant in UTC; see `read_instant_us`."""
    at_us = read_instant_us(value, unit, naive)
    return None if at_us is None else EPOCH + timedelta(microseconds=at_us)


def _candidate_scales(unit: EpochUnit) -> tuple[int, ...]:
    return tuple(MICROS_PER_UNIT.values()) if unit == "auto" else (MICROS_PER_UNIT[unit],)


# --- keys -----------------------------------------------------------------------------------------------
@lru_cache(maxsize=4096)
def fold_key(key: str) -> str:
    """Return the form of a key in which its spellings are equal: lower case, without spaces, ``-`` and ``_``."""
    return _SEPARATORS.sub("", key).lower()


def fold_keys(row: Mapping[str, Any]) -> Row:
    """Return an object with folded keys; of two equal keys the later counts."""
    return {fold_key(key): value for key, value in row.items()}


def iterate_objects(rows: Iterable[Any], fold: Callable[[str], str] = fold_key) -> Iterator[Row]:
    """Yield the objects of a list with folded keys; anything else in it is left out."""
    folded: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if isinstance(row, dict):
            keys = tuple(row)
            if keys not in folded:  # the rows of a reply mostly have the same keys
                folded[keys] = [fold(key) for key in keys]
            yield dict(zip(folded[keys], row.values(), strict=True))


# --- tables ---------------------------------------------------------------------------------------------
def list_own_columns(table: str) -> dict[str, pl.DataType]:
    """Return the columns of a table that a vendor fills, with their types: the table's own but ``source``."""
    return {name: dtype for name, dtype in schema.get_table(table).own_columns.items() if name != "source"}


def build_table(table: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pl.DataFrame:
    """Build a table of rows whose values are in the order of ``names``; see `complete_table`."""
    kinds: dict[str, Any] = {**list_own_columns(table), "alarm": pl.String(), "payload": pl.String()}
    made = pl.DataFrame(rows, schema={name: kinds[name] for name in names}, orient="row")
    return complete_table(table, made)


def complete_table(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table's own columns, null where the frame has none; then ``alarm``, and ``payload`` if there is one."""
    kinds = {**list_own_columns(table), "alarm": pl.String()}
    nulls = [pl.lit(None, dtype).alias(name) for name, dtype in kinds.items() if name not in frame.columns]
    audit = ["payload"] if "payload" in frame.columns else []
    own = [pl.col(name).cast(dtype) for name, dtype in kinds.items()]
    return frame.with_columns(nulls).select(*own, *audit)


def add_notes(frame: pl.DataFrame, notes: Iterable[str]) -> pl.DataFrame:
    """Add notes on a reply as a whole to the ``alarm`` of its first row; empty notes are left out.

    Raises:
        BadReplyError: there are notes and no row; the message is the notes.
    """
    filled = [note for note in notes if note]
    if not filled:
        return frame
    text = "; ".join(filled[:MAX_NOTES])
    text += f"; and {len(filled) - MAX_NOTES} more" if len(filled) > MAX_NOTES else ""
    if frame.is_empty():
        raise BadReplyError(text)
    first = "; ".join([*filter(None, frame["alarm"].head(1)), text])
    return frame.with_columns(
        alarm=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(first)).otherwise("alarm")
    )
