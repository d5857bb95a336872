"""Limits on the size and duration of a request's headers, which uvicorn lacks."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD: Final = 64 * 1024
HEAD_WITHIN_S: Final = 15.0


class BoundedHeads(HttpToolsProtocol):
    """uvicorn's HTTP protocol, closing connections whose headers are too long or take too long."""

    def connection_made(self, transport: Any) -> None:
        """Start the timer for the first headers."""
        super().connection_made(transport)
        self._head = 0
        self._late: asyncio.TimerHandle | None = None
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count bytes until the headers are complete."""
        super().data_received(data)
        if self._late is not None:
            self._head += len(data)
            if self._head > MOST_HEAD:
                self._close()

    def on_message_begin(self) -> None:
        """Start the timer for the rest of the headers."""
        super().on_message_begin()
        self._expect()

    def on_headers_complete(self) -> None:
        """Stop the timer: whoever reads the body limits that."""
        self._arrived()
        super().on_headers_complete()

    def _expect(self) -> None:
        self._head = 0
        if self._late is None:
            self._late = self.loop.call_later(HEAD_WITHIN_S, self._close)

    def _arrived(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close(self) -> None:
        self._arrived()
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()
