"""Parsing Voicenter's CDRs into call legs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from wfm.core.errors import BadReplyError
from wfm.core.text import fill_sentence
from wfm.vendors.values import (
    Row,
    decode_json,
    encode_json,
    iterate_objects,
    list_own_columns,
    read_number,
    read_text,
)
from wfm.vendors.voicenter.values import (
    find_linked_call,
    fold_field,
    read_date_s,
    read_duration_s,
    read_epoch_s,
)
from wfm.vendors.voicenter.vocabulary import classify_direction, classify_outcome, find_cdr_type

LEG_COLUMNS: Final = list_own_columns("call_leg")
HEAD_COUNTS: Final = 3
"""How many counts a reply's head has: error number, total hits, returned hits."""
TEXT_FIELDS: Final = (
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
LEG_FIELDS: Final = (*TEXT_FIELDS, "ringtime", "duration", "dateepoch", "date", "customdata")
"""The folded keys of the values that a leg is built from."""
CLASSIFIED: Final = ("typed", "direction", "has_did", "dialstatus")
"""The columns that `_add_meanings` classifies."""
_HEAD: Final = re.compile(rb'"(ERROR[ _]NUMBER|TOTAL[ _]HITS|RETURN[ _]HITS)"\s*:\s*"?(\d{1,12})"?\s*,')


# --- replies --------------------------------------------------------------------------------------------
def read_envelope(body: bytes) -> Row:
    """Return a reply, which is one object, with folded keys.

    Raises:
        BadReplyError: it is not a list of CDRs.
    """
    document = decode_json(body)
    objects = list(iterate_objects([document]))
    if not objects or not {"errornumber", "cdrlist"} & set(objects[0]):
        raise BadReplyError(f"the reply is no CDR list: {str(document)[:80]!r}")
    return objects[0]


def read_head(body: bytes) -> Row:
    """Return the counts in a reply's head; where they come before the rows, these are not decoded.

    Raises:
        BadReplyError: see `read_envelope`.
    """
    before = body[: body.find(b"[")] if b"[" in body else b""
    head = {fold_field(key.decode()): int(value) for key, value in _HEAD.findall(before)}
    if len(head) == HEAD_COUNTS and not head["errornumber"]:
        return head
    whole = read_envelope(body)
    listed = whole.get("cdrlist")
    return {"returnhits": len(listed) if isinstance(listed, list) else 0, **whole}


def read_head_count(head: Row, key: str) -> int:
    """Return a count in the head; 0 if it is missing, but -1 for an unreadable ERROR_NUMBER, as 0 means success."""
    value = head.get(key)
    if value is None or isinstance(value, bool):
        return 0
    number = read_number(value)
    if number is None:
        return -1 if key == "errornumber" else 0
    return max(0, int(number))


def read_cdrs(body: bytes) -> list[Row]:
    """Return the rows of a reply, with keys as the vendor spells them.

    Raises:
        BadReplyError: it is not a list of CDRs, or has fewer rows than it reports: a truncated log is not an empty one.
    """
    reply = read_envelope(body)
    listed = reply.get("cdrlist")
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    promised = read_head_count(reply, "returnhits")
    if listed is not None and not isinstance(listed, list):
        raise BadReplyError("the reply has no list of CDRs")
    if len(rows) < promised:
        raise BadReplyError(f"the reply says that it returns {promised:,} CDRs, and has {len(rows):,}")
    return rows


# --- CDRs -----------------------------------------------------------------------------------------------
def parse_call_leg(rows: Sequence[Row]) -> pl.DataFrame:
    """Parse CDRs: the own columns of call_leg but source, payload and alarm; the later of two with one key counts.

    Raises:
        BadReplyError: there are CDRs, and none of them has a CallID and a time.
    """
    columns = _build_columns(rows)
    good = columns.drop_nulls(["callid", "at"])
    left_out = columns.height - good.height
    if left_out and good.is_empty():
        raise BadReplyError(
            f"none of {left_out} CDRs has a CallID and a time: {sorted(map(str, rows[0]))[:12]}"
        )
    legs = _build_legs(good).unique("leg_id", keep="last", maintain_order=True)
    if left_out:
        first = pl.int_range(pl.len()) == 0
        note = pl.when(first).then(pl.lit(f"{left_out} CDRs without CallID or time were left out"))
        legs = legs.with_columns(alarm=pl.coalesce("alarm", note))
    return legs.select(*LEG_COLUMNS, "payload", "alarm")


def _build_columns(rows: Sequence[Row]) -> pl.DataFrame:
    """Return rows as columns: `TEXT_FIELDS`, ring_s, talk_s, at (seconds since 1970), linked_call_id, payload."""
    spellings: dict[tuple[str, ...], list[str]] = {}
    picked: list[list[Any]] = []
    for row in rows:
        keys = tuple(row)
        names = spellings.get(keys)
        if names is None:  # the rows of a reply mostly have the same keys
            found = {fold_field(key): key for key in keys}
            names = spellings[keys] = [found.get(name, name) for name in LEG_FIELDS]
        picked.append([row.get(name) for name in names])
    of = (
        dict(zip(LEG_FIELDS, zip(*picked, strict=True), strict=True))
        if rows
        else dict.fromkeys(LEG_FIELDS, ())
    )
    dates = zip(of["dateepoch"], of["date"], strict=True)
    at = [read_epoch_s(epoch) or read_date_s(date) for epoch, date in dates]
    return pl.DataFrame(
        {
            **{name: _build_text_column(of[name]) for name in TEXT_FIELDS},
            "ring_s": pl.Series(map(read_duration_s, of["ringtime"]), dtype=pl.Float64),
            "talk_s": pl.Series(map(read_duration_s, of["duration"]), dtype=pl.Float64),
            "at": pl.Series(at, dtype=pl.Int64),
            "linked_call_id": pl.Series(map(find_linked_call, of["customdata"]), dtype=pl.String),
            "payload": pl.Series(map(encode_json, rows), dtype=pl.String),
        }
    )


def _build_text_column(values: Sequence[Any]) -> pl.Series:
    """Return `read_text` of a column; faster if all values are texts."""
    if set(map(type, values)) <= {str, type(None)}:
        try:
            texts = pl.Series(values, dtype=pl.String)
        except UnicodeEncodeError:  # half a surrogate pair
            pass
        else:
            return texts.str.replace_all("\x00", "", literal=True).str.strip_chars().replace("", None)
    return pl.Series(map(read_text, values), dtype=pl.String)


def _build_legs(cdrs: pl.DataFrame) -> pl.DataFrame:
    typed = cdrs.with_columns(typed=pl.coalesce("cdrtype", "type"), has_did=pl.col("did").is_not_null())
    rows = _add_meanings(typed)
    known_type = pl.when(pl.col("number") > 0).then(pl.col("number").cast(pl.String))
    number = pl.coalesce(
        known_type, "cdrtype", pl.lit("0")
    )  # "8", 8.0 and Queue are the same type, and so the same leg
    own_side = pl.when(pl.col("way") == "out").then("callerextension").otherwise("targetextension")
    alarm = fill_sentence(
        "CDR type {} is unknown; kept", pl.coalesce("cdrtype", pl.lit("none")).str.slice(0, 40)
    )
    return rows.select(
        *compute_times(),
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


def _add_meanings(rows: pl.DataFrame) -> pl.DataFrame:
    """Classify the columns `CLASSIFIED`: number (of the type), queue, way (direction), outcome, answered."""
    kinds = {
        "number": pl.Int64,
        "queue": pl.Boolean,
        "way": pl.String,
        "outcome": pl.String,
        "answered": pl.Boolean,
    }
    found = rows.select(CLASSIFIED).unique()  # few combinations in thousands of rows
    meanings = [_find_meaning(*words) for words in found.iter_rows()]
    return rows.join(
        found.hstack(pl.DataFrame(meanings, schema=kinds, orient="row")),
        on=CLASSIFIED,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )


def _find_meaning(
    typed: str | None, direction: str | None, has_did: bool, status: str | None
) -> tuple[Any, ...]:
    kind = find_cdr_type(typed)
    answered = (status or "").upper() == "ANSWER"
    way, outcome = classify_direction(direction, kind, has_did), classify_outcome(status)
    return kind.number, kind.queue, way, outcome, answered


def compute_times() -> list[pl.Expr]:
    """Return when a leg started, was answered and ended, computed because the vendor reports only its start.

    From the columns at (seconds since 1970), ring_s, talk_s and answered: started_at answered_at ended_at talk_s.
    """
    start, answered = pl.col("at") * 1_000_000, pl.col("answered")
    answer = start + _convert_to_us("ring_s")
    end = pl.when(answered).then(answer + _convert_to_us("talk_s")).otherwise(answer)
    has_end = pl.col("talk_s").is_not_null() | ~answered
    instant = LEG_COLUMNS["started_at"]
    return [
        start.cast(instant).alias("started_at"),
        pl.when(answered).then(answer).cast(instant).alias("answered_at"),
        pl.when(has_end).then(end).cast(instant).alias("ended_at"),
        pl.when(answered).then("talk_s").alias("talk_s"),
    ]


def _convert_to_us(name: str) -> pl.Expr:
    return (pl.col(name).fill_null(0.0) * 1_000_000).round().cast(pl.Int64)
