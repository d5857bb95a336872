"""Answer Telphin's webhooks: events with a word, and an IVR's question with the extension that a caller goes to."""

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
    """The question of an IVR while a caller waits; ``caller`` is the number as it was written."""

    call_id: str
    caller: str


def read_question(delivery: Delivery) -> TelphinQuestion | None:
    """Return the question of a "call interactive" rule: it is about a call, and no event; None: it is no question."""
    fields = read_delivery(delivery)
    if "eventtype" in fields or "callid" not in fields:
        return None
    caller = fields.get("remotenumber") or fields.get("calleridnum", "")
    return TelphinQuestion(fields["callid"].lower(), caller)


def acknowledge_delivery(delivery: Delivery, settings: Settings) -> WebhookAnswer:
    """Answer a delivery that is stored; a question that nobody decides gets the fallback."""
    if read_question(delivery) is not None:
        return answer_question(delivery, None, settings)
    return 200, "text/plain; charset=utf-8", b"OK"


def answer_question(delivery: Delivery, extension: str | None, settings: Settings) -> WebhookAnswer:  # noqa: ARG001
    """Answer the question of an IVR: the extension a caller goes to; None: the fallback, or what the IVR does anyway.

    Returns:
        Status, content type, and a document that sets the variable of the rule "transfer to number in variable".
    """
    goal = extension or settings.fallback_extension
    name = quoteattr(settings.transfer_variable)
    verb = f"<SetVar name={name}>{escape(goal)}</SetVar>" if goal else ""
    document = f'<?xml version="1.0" encoding="UTF-8"?>\n<Response>{verb}</Response>\n'
    return 200, "text/xml; charset=utf-8", document.encode()


def find_extension(login: str, events: pl.DataFrame) -> str | None:
    """Return how an agent's extension is dialled, by events (columns at said) that name it; the last counts."""
    for said in events.sort("at", nulls_last=False)["said"].reverse():
        fields = json.loads(said)
        for side in ("called", "caller"):
            number = fields.get(f"{side}extension", "").partition("@")[0].rpartition("*")[2]
            if fields.get(f"{side}extensionid") == login and number.isascii() and number.isdigit():
                return str(number)
    return None
