"""Voicenter's CDRs → call legs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from wfm import schema
from wfm.errors import BadReplyError
from wfm.vendors._json import document
from wfm.vendors._voicenter_values import Row, dated, epoch, fold_rows, linked, seconds, text
from wfm.vendors._voicenter_words import direction_of, folded, outcome_of, type_of
from wfm.words import worded

LEG: Final = {name: kind for name, kind in schema.table("call_leg").own.items() if name != "source"}


# --- replies --------------------------------------------------------------------------------------------
def envelope(body: bytes) -> Row:
    """Read what every reply has: folded keys, errornumber among them.

    Raises:
        BadReplyError: it has not.
    """
    said = document(body)
    folded_rows = list(fold_rows([said]))
    if not folded_rows or not {"errornumber", "cdrlist"} & set(folded_rows[0]):
        raise BadReplyError(f"the reply is no CDR list: {str(said)[:80]!r}")
    return folded_rows[0]


def head(body: bytes) -> Row:
    """Read what a reply says of itself; without its rows, where that stands before them. See `envelope`."""
    before = body[: body.find(b"[")] if b"[" in body else b""
    said = {folded(key.decode()): int(value) for key, value in _HEAD.findall(before)}
    if len(said) == 3 and not said["errornumber"]:
        return said
    whole = envelope(body)
    listed = whole.get("cdrlist")
    return {"returnhits": len(listed) if isinstance(listed, list) else 0, **whole}


_HEAD: Final = re.compile(rb'"(ERROR[ _]NUMBER|TOTAL[ _]HITS|RETURN[ _]HITS)"\s*:\s*"?(\d{1,12})"?\s*,')


def count(said: Row, key: str) -> int:
    """Return a count of the head; an ERROR_NUMBER that is none is -1."""
    value = said.get(key)
    try:
        return max(0, int(value)) if not isinstance(value, bool) and value is not None else 0
    except (ValueError, TypeError, OverflowError):
        return -1 if key == "errornumber" else 0


def cdrs(body: bytes) -> list[Row]:
    """Read the rows of a reply, keys as the vendor spells them.

    Raises:
        BadReplyError: it is no reply, or has fewer rows than it says: one without its rows is no empty log.
    """
    said = envelope(body)
    listed = said.get("cdrlist")
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    promised = count(said, "returnhits")
    if listed is not None and not isinstance(listed, list):
        raise BadReplyError("the reply has no list of CDRs")
    if len(rows) < promised:
        raise BadReplyError(f"the reply says that it returns {promised:,} CDRs, and has {len(rows):,}")
    return rows


# --- CDRs -----------------------------------------------------------------------------------------------
TEXTS: Final = (
    "callid",
    "cdrtype",
    "type",
    "targetextension",
    "callerextension",
    "dialstatus",
    "direction",
    "did",
    "representativecode",
    "queuename",
    "callernumber",
    "targetnumber",
    "recordurl",
)
FIELDS: Final = (*TEXTS, "ringtime", "duration", "dateepoch", "date", "customdata")
"""The keys, folded, that a leg is made of."""


def legs(rows: Sequence[Row]) -> pl.DataFrame:
    """Turn CDRs into legs: the own columns of call_leg but source, payload and alarm; the later of two with one key.

    Raises:
        BadReplyError: there are CDRs, and none of them can be a leg.
    """
    said = _columns(rows)
    good = said.drop_nulls(["callid", "at"])
    lost = said.height - good.height
    if lost and good.is_empty():
        raise BadReplyError(f"none of {lost} CDRs has a CallID and a time: {sorted(map(str, rows[0]))[:12]}")
    made = _meant(good).unique("leg_id", keep="last", maintain_order=True)
    if lost:
        first = pl.int_range(pl.len()) == 0
        told = pl.when(first).then(pl.lit(f"{lost} CDRs without CallID or time were left out"))
        made = made.with_columns(alarm=pl.coalesce("alarm", told))
    return made.select(*LEG, "payload", "alarm")


def _columns(rows: Sequence[Row]) -> pl.DataFrame:
    """Put rows into columns: `TEXTS`, ring_s, talk_s, at (seconds since 1970), linked_call_id, payload."""
    spelt: dict[tuple[str, ...], list[str]] = {}
    picked: list[list[Any]] = []
    for row in rows:
        keys = tuple(row)
        names = spelt.get(keys)
        if names is None:
            found = {folded(key): key for key in keys}
            names = spelt[keys] = [found.get(name, name) for name in FIELDS]
        picked.append([row.get(name) for name in names])
    of = dict(zip(FIELDS, zip(*picked, strict=True), strict=True)) if rows else dict.fromkeys(FIELDS, ())
    at = [epoch(one) or dated(other) for one, other in zip(of["dateepoch"], of["date"], strict=True)]
    return pl.DataFrame(
        {
            **{name: _texts(of[name]) for name in TEXTS},
            "ring_s": pl.Series(map(seconds, of["ringtime"]), dtype=pl.Float64),
            "talk_s": pl.Series(map(seconds, of["duration"]), dtype=pl.Float64),
            "at": pl.Series(at, dtype=pl.Int64),
            "linked_call_id": pl.Series(map(linked, of["customdata"]), dtype=pl.String),
            "payload": pl.Series(map(text, rows), dtype=pl.String),
        }
    )


def _texts(values: Sequence[Any]) -> pl.Series:
    """Read a column of texts; if all are, at once."""
    if set(map(type, values)) <= {str, type(None)}:
        try:
            at_once = pl.Series(values, dtype=pl.String).str.strip_chars()
        except UnicodeEncodeError:  # half a surrogate pair
            pass
        else:
            return at_once.replace("", None)
    return pl.Series(map(text, values), dtype=pl.String)


def _meant(said: pl.DataFrame) -> pl.DataFrame:
    """Make legs of what CDRs say."""
    typed = said.with_columns(typed=pl.coalesce("cdrtype", "type"), has_did=pl.col("did").is_not_null())
    rows = _understood(typed)
    known = pl.when(pl.col("number") > 0).then(pl.col("number").cast(pl.String))
    number = pl.coalesce(known, "cdrtype", pl.lit("0"))  # "8", 8.0 and Queue are one type, and one leg
    own_side = pl.when(pl.col("way") == "out").then("callerextension").otherwise("targetextension")
    alarm = worded("CDR type {} is unknown; kept", pl.coalesce("cdrtype", pl.lit("none")).str.slice(0, 40))
    return rows.select(
        *timed(),
        "ring_s",
        "outcome",
        "linked_call_id",
        "payload",
        leg_id=pl.concat_str("callid", number, "at", pl.col("targetextension").fill_null(""), separator="|"),
        call_id="callid",
        login=pl.coalesce("representativecode", own_side),
        queue_id=pl.when("queue").then("queuename"),
        direction="way",
        wrap_s=pl.lit(None, pl.Float64),
        from_number="callernumber",
        to_number=pl.coalesce("targetnumber", "did"),
        recording_id="recordurl",
        from_e164=pl.lit(None, pl.String),
        to_e164=pl.lit(None, pl.String),
        alarm=pl.when(pl.col("number") == 0).then(alarm),
    )


SAID: Final = ("typed", "direction", "has_did", "dialstatus")


def _understood(rows: pl.DataFrame) -> pl.DataFrame:
    """Add what the words of `SAID` mean: number (of the type), queue, way, outcome, answered."""
    kinds = {
        "number": pl.Int64,
        "queue": pl.Boolean,
        "way": pl.String,
        "outcome": pl.String,
        "answered": pl.Boolean,
    }
    found = rows.select(SAID).unique()
    meaning = [_meaning(*words) for words in found.iter_rows()]
    return rows.join(
        found.hstack(pl.DataFrame(meaning, schema=kinds, orient="row")),
        on=SAID,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )


def _meaning(typed: str | None, direction: str | None, has_did: bool, status: str | None) -> tuple[Any, ...]:
    kind = type_of(typed)
    answered = (status or "").upper() == "ANSWER"
    return kind.number, kind.queue, direction_of(direction, kind, has_did), outcome_of(status), answered


def timed() -> list[pl.Expr]:
    """Derive a leg's instants: it rings from ``at`` on, then talks. [The vendor says neither instant.]

    From columns at (seconds since 1970), ring_s, talk_s and answered: started_at, answered_at, ended_at, talk_s.
    """
    start, answered = pl.col("at") * 1_000_000, pl.col("answered")
    answer = start + _micros("ring_s")
    end = pl.when(answered).then(answer + _micros("talk_s")).otherwise(answer)
    known = pl.col("talk_s").is_not_null() | ~answered
    instant = LEG["started_at"]
    return [
        start.cast(instant).alias("started_at"),
        pl.when(answered).then(answer).cast(instant).alias("answered_at"),
        pl.when(known).then(end).cast(instant).alias("ended_at"),
        pl.when(answered).then("talk_s").alias("talk_s"),
    ]


def _micros(name: str) -> pl.Expr:
    return (pl.col(name).fill_null(0.0) * 1_000_000).round().cast(pl.Int64)
