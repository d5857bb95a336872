"""Voicenter's words: types and statuses of CDRs. Both lists are open: what is not in them is kept as it was said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Direction = Literal["in", "out", "internal", "unknown"]


@dataclass(frozen=True)
class CdrType:
    """A type of CDR: its number, its name, and which way such a call goes.

    queue: an incoming call in a queue, the only type that volume is counted from. by_did: which way depends on whether
    a number of the account was called.
    """

    number: int
    name: str
    direction: Direction
    queue: bool = False
    by_did: bool = False


TYPES: Final = {
    one.number: one
    for one in (
        CdrType(1, "Incoming Call", "in"),
        CdrType(2, "CC", "out"),
        CdrType(4, "Extension Outgoing", "out"),
        CdrType(8, "Queue", "in", queue=True),
        # who clicks is called first: a leg of the account's own side is no contact
        CdrType(9, "Click2Call leg1", "internal"),
        CdrType(10, "Click2Call leg2", "out"),
        CdrType(11, "VoiceMail", "in"),
        CdrType(12, "Callference", "unknown", by_did=True),
        CdrType(13, "XferCDR", "unknown", by_did=True),
        CdrType(14, "ProductiveCall leg1", "internal"),
        CdrType(15, "ProductiveCall leg2", "out"),
        CdrType(16, "Scrubber", "out"),
        CdrType(17, "Click 2 IVR", "out"),
        # dialers: the customer was called, whatever the name says
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

UNKNOWN: Final = CdrType(0, "unknown", "unknown")


def folded(key: str) -> str:
    """Fold a key: the same one is spelt ERROR_NUMBER, ERROR NUMBER, TargetExtension, targetextension."""
    return "".join(character for character in key.lower() if character.isalnum()).replace(
        "originali", "originall"
    )


BY_NAME: Final = {folded(one.name): one for one in TYPES.values()} | {
    "incoming": TYPES[1],
    "autoforward": TYPES[23],
}


def type_of(said: object) -> CdrType:
    """Find a type by number or by name; one that nobody knows has no direction."""
    text = str(said if said is not None else "").strip()
    text = text.removesuffix(".0")
    if text.isascii() and text.isdecimal():
        return TYPES.get(int(text[:6]), UNKNOWN)
    return BY_NAME.get(folded(text), UNKNOWN)


def direction_of(said: str | None, kind: CdrType, has_did: bool) -> Direction:
    """Return which way a call went: as it was said, else as such calls go."""
    said = (said or "").lower()
    if said.startswith(("internal", "in", "out")):
        return "internal" if said.startswith("internal") else "in" if said.startswith("in") else "out"
    if kind.by_did:
        return "in" if has_did else "unknown"
    return kind.direction


def outcome_of(status: str | None) -> str | None:
    """Return what a status means; one that nobody knows as it was said, in small letters."""
    if not status:
        return None
    return OUTCOMES.get(status.strip().upper(), status.strip().lower())
