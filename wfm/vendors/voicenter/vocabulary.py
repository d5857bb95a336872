"""The types and statuses of Voicenter's CDRs; values that are not listed here are stored as received."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from wfm.vendors.values import fold_key

CallDirection = Literal["in", "out", "internal", "unknown"]


@dataclass(frozen=True)
class CdrType:
    """A type of CDR.

    queue: an incoming call in a queue, the only type from which volume is counted. by_did: the direction depends on
    whether a number of the account was called.
    """

    number: int
    name: str
    direction: CallDirection
    queue: bool = False
    by_did: bool = False


CDR_TYPES: Final = {
    one.number: one
    for one in (
        CdrType(1, "Incoming Call", "in"),
        CdrType(2, "CC", "out"),
        CdrType(4, "Extension Outgoing", "out"),
        CdrType(8, "Queue", "in", queue=True),
        # the one who clicks is called first: that leg is internal, and no contact with a customer
        CdrType(9, "Click2Call leg1", "internal"),
        CdrType(10, "Click2Call leg2", "out"),
        CdrType(11, "VoiceMail", "in"),
        CdrType(12, "Callference", "unknown", by_did=True),
        CdrType(13, "XferCDR", "unknown", by_did=True),
        CdrType(14, "ProductiveCall leg1", "internal"),
        CdrType(15, "ProductiveCall leg2", "out"),
        CdrType(16, "Scrubber", "out"),
        CdrType(17, "Click 2 IVR", "out"),
        # diallers: the customer was called, whatever the name says
        CdrType(18, "Click 2 IVR Incoming", "out"),
        CdrType(19, "Click 2 Queue Incoming", "out"),
        CdrType(20, "FaxCdr", "out"),
        CdrType(21, "Attended CDR leg1", "unknown", by_did=True),
        CdrType(22, "Attended CDR leg2", "unknown", by_did=True),
        CdrType(23, "Auto forward CDR", "unknown", by_did=True),
    )
}

OUTCOMES: Final = {
    "ANSWER": "answered",
    "ABANDONE": "abandoned",
    "CANCEL": "caller_cancelled",
    "NOANSWER": "no_answer",
    "BUSY": "busy",
    "TIMEOUT": "queue_overflow",
    "FULL": "queue_overflow",
    "JOINEMPTY": "queue_overflow",
    "EXIT": "queue_overflow",
    "VOEND": "ivr_only",
    "TE": "ivr_only",
    "VOICEMAIL": "voicemail",
    "NOTDIALED": "not_dialed",
    "NOTCALLED": "not_dialed",
    "CONGESTION": "failed",
    "CHANUNAVAIL": "failed",
    "INVALIDARGS": "failed",
    "SSWPREAUTH": "failed",
}
"""DialStatus → outcome."""

UNKNOWN_TYPE: Final = CdrType(0, "unknown", "unknown")

TYPES_BY_NAME: Final = {fold_key(one.name): one for one in CDR_TYPES.values()} | {
    "incoming": CDR_TYPES[1],
    "autoforward": CDR_TYPES[23],
}


def find_cdr_type(value: object) -> CdrType:
    """Return a type by number or by name; an unknown one has no direction."""
    text = str(value if value is not None else "").strip()
    text = text.removesuffix(".0")
    if text.isascii() and text.isdecimal():
        return CDR_TYPES.get(int(text[:6]), UNKNOWN_TYPE)
    return TYPES_BY_NAME.get(fold_key(text), UNKNOWN_TYPE)


def classify_direction(reported: str | None, kind: CdrType, has_did: bool) -> CallDirection:
    """Return the direction of a call: as reported, else that of its type."""
    reported = (reported or "").lower()
    if reported.startswith("internal"):
        return "internal"
    if reported.startswith(("in", "out")):
        return "in" if reported.startswith("in") else "out"
    if kind.by_did:
        return "in" if has_did else "unknown"
    return kind.direction


def classify_outcome(status: str | None) -> str | None:
    """Return the outcome for a status; an unknown status as received, in lower case."""
    if not status:
        return None
    return OUTCOMES.get(status.strip().upper(), status.strip().lower())
