"""What a vendor may do besides: abilities that wfm asks for with ``isinstance(vendor, LegAssembler)``.

mypy checks a vendor against them where it is defined: it assigns itself to the Protocols that it means to keep.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from wfm.vendors.contract import Delivery, Feed, HttpClient, Payload, SourceSettings, Vendor, WebhookAnswer

if TYPE_CHECKING:  # as in `wfm.vendors.contract`
    import polars as pl


@runtime_checkable
class FeedConfigurer(Protocol):
    """A vendor whose feeds depend on the settings."""

    def configure_feeds(self, settings: Any) -> tuple[Feed, ...]:
        """Return the feeds of an account."""


@runtime_checkable
class LegAssembler(Protocol):
    """A vendor that reports calls event by event (feed `CALL_EVENT`)."""

    def assemble_legs(self, events: pl.DataFrame, now: datetime, settings: Any) -> pl.DataFrame:
        """Assemble the legs of some calls.

        Args:
            events: all events of these calls, in order of ``at``: event_id call_id at kind said.
            now: legs without news for too long may be given up.

        Returns:
            The own columns of call_leg but source, perhaps with ``alarm`` (null: none), which goes into the ledger.
            A pure function; the order in which events arrived does not matter.
        """


@runtime_checkable
class DeliveryAcknowledger(Protocol):
    """A vendor that expects a certain answer to a delivery; without it the answer is 200 and empty."""

    def acknowledge_delivery(self, delivery: Delivery, settings: Any) -> WebhookAnswer:
        """Return the answer to a delivery that is stored."""


class CallQuestion(Protocol):
    """A question from an IVR: to whom does this call go?"""

    @property
    def caller(self) -> str:
        """The caller's number as it was written; empty: it is hidden."""


@runtime_checkable
class CallRouter(Protocol):
    """A vendor whose IVR asks to whom a caller goes, while the caller waits."""

    def read_question(self, delivery: Delivery) -> CallQuestion | None:
        """Return the question that a delivery asks; None: it is no question."""

    def find_extension(self, login: str, events: pl.DataFrame) -> str | None:
        """Return how an agent is dialled, by events (columns at said) that name the login; None: they do not say."""

    def answer_question(self, delivery: Delivery, extension: str | None, settings: Any) -> WebhookAnswer:
        """Return the answer that sends the caller to an extension; None: to the fallback."""


@runtime_checkable
class EvidenceFinder(Protocol):
    """A vendor that can point at the part of a payload that a row was parsed from."""

    def find_element(self, table: str, payload: Payload, row: Mapping[str, Any], settings: Any) -> str | None:
        """Return that part of the payload, as text; None: nothing in it is about the row."""


@runtime_checkable
class CallStarter(Protocol):
    """A vendor that can start a call."""

    async def start_call(
        self, settings: Any, client: HttpClient, *, src: str, dst: str, caller_id: str | None = None
    ) -> Mapping[str, str]:
        """Call an extension and, when it answers, a number; sent once at most. Return what identifies the call."""


@runtime_checkable
class RecordingResolver(Protocol):
    """A vendor that can say where a recording can be heard."""

    async def resolve_recording(self, settings: Any, client: HttpClient, recording: str) -> str:
        """Return the present address of a recording; nothing is stored."""


def list_feeds(vendor: Vendor, settings: SourceSettings) -> tuple[Feed, ...]:
    """Return the feeds of an account, as its settings make them."""
    return vendor.configure_feeds(settings) if isinstance(vendor, FeedConfigurer) else vendor.FEEDS
