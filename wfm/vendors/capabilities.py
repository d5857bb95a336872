"""Capabilities that a vendor can have as well as the contract; wfm tests for them with ``isinstance``.

mypy checks a vendor against them in its own module, which assigns itself to the Protocols that it implements.
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
    """A vendor whose call legs are assembled from events (feed `CALL_EVENT`)."""

    def assemble_legs(self, events: pl.DataFrame, now: datetime, settings: Any) -> pl.DataFrame:
        """Assemble the legs of some calls.

        Args:
            events: all events of these calls, in order of ``at``: event_id call_id at kind said.
            now: the current time; a leg without events for too long may be given up.
            settings: of the account.

        Returns:
            The own columns of call_leg but source, perhaps with ``alarm`` (null: none), which goes into the ledger.
            A pure function; the order in which events arrived does not matter.
        """


@runtime_checkable
class DeliveryAcknowledger(Protocol):
    """A vendor that expects a certain answer to a delivery; the others get an empty 200."""

    def acknowledge_delivery(self, delivery: Delivery, settings: Any) -> WebhookAnswer:
        """Return the answer to a delivery that is stored."""


class CallQuestion(Protocol):
    """The question of an IVR where to route a call."""

    @property
    def caller(self) -> str:
        """The caller's number as received; empty: it is hidden."""


@runtime_checkable
class CallRouter(Protocol):
    """A vendor whose IVR asks where to route a call, while the caller waits."""

    def read_question(self, delivery: Delivery) -> CallQuestion | None:
        """Return the question in a delivery; None: it is something else."""

    def find_extension(self, login: str, events: pl.DataFrame) -> str | None:
        """Return the extension by which an agent is dialled; None: unknown.

        ``events``: those that name the login (columns at said).
        """

    def answer_question(self, delivery: Delivery, extension: str | None, settings: Any) -> WebhookAnswer:
        """Return the answer that routes the call to an extension; None: to the fallback."""


@runtime_checkable
class EvidenceFinder(Protocol):
    """A vendor that can find the part of a payload that a row was parsed from."""

    def find_element(self, table: str, payload: Payload, row: Mapping[str, Any], settings: Any) -> str | None:
        """Return that part of the payload, as text; None: the row was not parsed from this payload."""


@runtime_checkable
class CallStarter(Protocol):
    """A vendor that can start a call."""

    async def start_call(
        self, settings: Any, client: HttpClient, *, src: str, dst: str, caller_id: str | None = None
    ) -> Mapping[str, str]:
        """Call an extension (``src``) and, when it answers, a number (``dst``); return ids of the call.

        The request is sent at most once.
        """


@runtime_checkable
class RecordingResolver(Protocol):
    """A vendor that can resolve where a recording can be heard."""

    async def resolve_recording(self, settings: Any, client: HttpClient, recording: str) -> str:
        """Return the present address of a recording; nothing is stored."""


def list_feeds(vendor: Vendor, settings: SourceSettings) -> tuple[Feed, ...]:
    """Return the feeds of an account, which may depend on its settings."""
    return vendor.configure_feeds(settings) if isinstance(vendor, FeedConfigurer) else vendor.FEEDS
