"""Answering Telphin's webhooks: events with OK, and an IVR's question with the extension to route a call to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

import polars as pl

from wfm.vendors.contract import Delivery, WebhookAnswer
from wfm.vendors.telphin.events import read_delivery
from wfm.vendors.telphin.settings import Settings


@dataclass(frozen=True)
class TelphinQuestion:
    """The question of an IVR while a caller waits; ``caller`` is the number as received."""

    call_id: str
    caller: str


def read_question(delivery: Delivery) -> TelphinQuestion | None:
    """Return the question of a "call interactive" rule, which is about a call and has no event; None: no question."""
    fields = read_delivery(delivery)
    if "eventtype" in fields or "callid" not in fields:
        return None
    caller = fields.get("remotenumber") or fields.get("calleridnum", "")
    return TelphinQuestion(fields["callid"].lower(), caller)


def acknowledge_delivery(delivery: Delivery, settings: Settings) -> WebhookAnswer:
    """Answer a stored delivery; to a question that is not decided the answer is the fallback."""
    if read_question(delivery) is not None:
        return answer_question(delivery, None, settings)
    return 200, "text/plain; charset=utf-8", b"OK"


def answer_question(delivery: Delivery, extension: str | None, settings: Settings) -> WebhookAnswer:  # noqa: ARG001
    """Answer an IVR's question with the extension to route the call to; None: the fallback.

    Returns:
        Status, content type, and a document that sets the variable of the rule "transfer to number in variable";
        without any extension it sets nothing, and the IVR goes on.
    """
    target = extension or settings.fallback_extension
    name = quoteattr(settings.transfer_variable)
    instruction = f"<SetVar name={name}>{escape(target)}</SetVar>" if target else ""
    document = f'<?xml version="1.0" encoding="UTF-8"?>\n<Response>{instruction}</Response>\n'
    return 200, "text/xml; charset=utf-8", document.encode()


def find_extension(login: str, events: pl.DataFrame) -> str | None:
    """Return the number by which an agent is dialled, from the last event (columns at said) that has it."""
    for said in events.sort("at", nulls_last=False)["said"].reverse():
        fields = json.loads(said)
        for side in ("called", "caller"):
            number = fields.get(f"{side}extension", "").partition("@")[0].rpartition("*")[2]
            if fields.get(f"{side}extensionid") == login and number.isascii() and number.isdigit():
                return str(number)
    return None
