"""The server process, from start to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import uvicorn
import uvloop
from fastapi import FastAPI

from wfm.errors import NoDataError, SettingsError, StoreError, UsageError, WfmError
from wfm.jobs import health, responsible, spool
from wfm.jobs.collect import Collector
from wfm.jobs.collecting import forget
from wfm.jobs.sources import Source, readable
from wfm.service import LogFormat
from wfm.service.app import web
from wfm.service.condition import Conditions
from wfm.service.drainer import Drainer
from wfm.service.heads import BoundedHeads
from wfm.service.instance import alone
from wfm.service.journal import Journal
from wfm.service.logs import begin
from wfm.service.metrics import Metrics
from wfm.service.poller import Poller
from wfm.service.receiver import Answer, Receiver, hooks
from wfm.service.timetable import Timetable, first, jitter_s
from wfm.settings import PREFIX, Settings
from wfm.storage.database import Store
from wfm.vendors import Delivery

log = logging.getLogger("wfm.service")
DRAIN_S: Final = 2.0
SPOOL_S: Final = 10.0
SETTLE_S: Final = 300.0
DAY_S: Final = 86_400.0
STOP_WITHIN_S: Final = 20.0
"""How long running cycles may continue after a stop was requested."""
ANSWER_WITHIN_S: Final = 5
LONGEST_WAIT_S: Final = 10.0
"""For the database: the service spools early, and a stop cannot wait an hour for a thread."""
MOST_CONNECTIONS: Final = 2000
SWITCH_S: Final = 0.001
"""How long a thread that parses may delay the webhooks."""


class Service:
    """The parts of the service, connected.

    Args:
        settings: of the installation.
        sources: those that run.
        refused: those with wrong settings, and why.
        clock: the current time (UTC).
    """

    def __init__(
        self,
        settings: Settings,
        sources: Mapping[str, Source],
        refused: Mapping[str, str],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings, self._sources, self._clock = settings, sources, clock
        store = Store(settings.database, wait_s=min(settings.database_wait_s, LONGEST_WAIT_S))
        self.collector = Collector(store, clock)
        self.journal = Journal(settings.database.with_name(settings.database.name + ".journal"))
        self.metrics = Metrics(self.journal, self.collector.folder, clock)
        self.drainer = Drainer(self.journal, self.collector, sources, self.metrics.cycle)
        self.timetable = Timetable(clock)
        self._conditions = Conditions(self.collector, sources, refused, self.journal)
        self._stack = AsyncExitStack()
        self._pollers: list[Poller] = []

    def app(self) -> FastAPI:
        """Build the web application."""
        proxies = self._settings.trusted_proxies
        taken = hooks(self._sources)
        return web(
            self._conditions,
            self.metrics,
            Receiver(taken, self.journal, self.metrics.delivery, proxies, self._clock, self._decided),
        )

    def _decided(self, source: Source, delivery: Delivery) -> Answer:
        """Answer an IVR that asks where to route a call."""
        answer, _ = responsible.answer(
            self.collector.store, source, delivery, self._clock(), self._settings.state_renewal
        )
        return answer

    async def start(self) -> None:
        """Schedule every job by the collection ledger, and start."""
        last = await asyncio.to_thread(self._last_successes)
        self.metrics.last_success.update(last)
        for source in self._sources.values():
            poller = await self._stack.enter_async_context(Poller(source, self.collector, self.metrics.cycle))
            self._pollers.append(poller)
            self._plan(poller, last)
        self.timetable.add("journal", self._drained, DRAIN_S)
        self.timetable.add("spool", self._unspooled, SPOOL_S)
        self.timetable.add("forget", self._forgotten, DAY_S)
        self.timetable.start()

    def _plan(self, poller: Poller, last: Mapping[tuple[str, str], datetime]) -> None:
        source = poller.source
        for feed in source.feeds.values():
            if feed.kind == "push":
                continue
            start = first(feed, last.get((source.name, feed.name)), self._clock())
            name = f"{source.name} {feed.name}"
            self.timetable.add(name, partial(poller.poll, feed), feed.every_s, start, jitter_s(feed))
        if hasattr(source.vendor, "legs"):
            self.timetable.add(f"{source.name} settle", partial(self._settled, source), SETTLE_S)

    def _last_successes(self) -> dict[tuple[str, str], datetime]:
        try:
            known = health.feeds(self.collector.store, self._sources, self.collector.folder, self._clock())
        except StoreError as error:  # everything is collected again then; nothing is lost
            log.warning("the collection ledger cannot be read: %s", error)
            return {}
        rows = known.select("source", "feed", "last_success_at").drop_nulls().iter_rows()
        return {(source, feed): at for source, feed, at in rows if source in self._sources}

    async def stop(self) -> None:
        """Finish running work or leave it for the next start, and store what is in the write-ahead log."""
        for poller in self._pollers:
            poller.stop()
        await self.timetable.stop(STOP_WITHIN_S)
        try:
            await asyncio.wait_for(self.drainer.drain(), STOP_WITHIN_S)
        except TimeoutError:
            log.warning("the write-ahead log could not be stored in time; the next start does it")
        await self.journal.close()
        await self._stack.aclose()

    # --- jobs besides the feeds -------------------------------------------------------------------------
    async def _drained(self) -> bool:
        await self.drainer.drain()
        return True

    async def _unspooled(self) -> bool:
        if spool.waiting(self.collector.folder):
            await asyncio.to_thread(self.collector.drain, dict(self._sources))
        return True

    async def _settled(self, source: Source) -> bool:
        with suppress(NoDataError, StoreError):  # the next time will do
            await asyncio.to_thread(self.collector.settle, source)
        return True

    async def _forgotten(self) -> bool:
        dropped = await asyncio.to_thread(forget, self.collector, self._settings.payload_days)
        if dropped:
            log.info("%d raw payloads past their days were dropped", dropped)
        return True


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: signals stop the service as a whole."""

    @contextmanager
    def capture_signals(self) -> Any:
        """Install no signal handlers."""
        yield


def serve(settings: Settings, host: str, port: int, log_format: LogFormat) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        SettingsError: no source has valid settings.
        UsageError: no source is configured, another service has the database, or the port cannot be used.
    """
    sources, refused = checked(settings)
    secrets = {secret for source in sources.values() for secret in source.secrets}
    begin(log_format, secrets, numbers=settings.log_numbers)
    with alone(settings.database):
        listener = listening(host, port)
        for name, why in refused.items():
            log.error("%s is not collected: %s", name, why)
        before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(Service(settings, sources, refused), listener))
        finally:
            sys.setswitchinterval(before)
            listener.close()


def checked(settings: Settings) -> tuple[dict[str, Source], dict[str, str]]:
    """Check the sources one by one: return those that can run, and what is wrong with the others.

    Raises:
        SettingsError: none can run.
        UsageError: none is configured.
    """
    sources, refused = readable(settings.sources, settings.country)
    if not sources and refused:
        raise SettingsError("\n".join(refused.values()))
    if not sources:
        raise UsageError(
            f"No source is configured: add lines like {PREFIX}SOURCES__NCC__VENDOR=nextiva_ncc "
            "(see settings.example.env)."
        )
    return sources, refused


def listening(host: str, port: int) -> socket.socket:
    """Open the port.

    Raises:
        UsageError: it is in use, or may not be used.
    """
    try:
        family, kind, protocol, _, socket_address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(socket_address)
        listener.listen(1024)
    except OSError as error:
        raise UsageError(
            f"{host}:{port} cannot be used: {error.strerror}. Choose another with --host and --port."
        ) from None
    listener.setblocking(False)
    return listener


async def _serve(service: Service, listener: socket.socket) -> None:
    loop, stop_requested = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop_requested.set)
    config = uvicorn.Config(
        service.app(),
        http=BoundedHeads,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=ANSWER_WITHIN_S,
        backlog=1024,
    )
    server = _Server(config)
    await service.start()
    answering = asyncio.create_task(server.serve(sockets=[listener]))
    host, port = listener.getsockname()[:2]
    log.info("listening on http://%s:%d", host, port, extra={"port": port})
    stopping = asyncio.create_task(stop_requested.wait())
    await asyncio.wait({answering, stopping}, return_when=asyncio.FIRST_COMPLETED)
    # a second signal ends the process at once: what was acknowledged is on disk
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
    stopping.cancel()
    log.info("stopping")
    server.should_exit = True
    try:
        await answering
    finally:
        await service.stop()
    log.info("stopped")
    if not stop_requested.is_set():
        raise WfmError("The web server ended by itself; the log says why.")
