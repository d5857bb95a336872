"""The server process: building, starting, running and stopping the service."""

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

from wfm.analysis import call_routing
from wfm.collect import health, spool
from wfm.collect.collector import Collector
from wfm.collect.run import delete_expired_data
from wfm.collect.sources import ConfiguredSource, split_valid_sources
from wfm.core.errors import NoDataError, SettingsError, StoreError, UsageError, WfmError
from wfm.service import LogFormat
from wfm.service.app import create_app
from wfm.service.header_limits import HeaderLimitProtocol
from wfm.service.health import HealthChecker
from wfm.service.log_drainer import LogDrainer
from wfm.service.logging_setup import configure_logging
from wfm.service.metrics import ServiceMetrics
from wfm.service.poller import SourcePoller
from wfm.service.scheduler import JobScheduler, compute_first_run, compute_jitter_s
from wfm.service.single_instance import hold_instance_lock
from wfm.service.webhooks import WebhookAnswer, WebhookReceiver, find_webhooks
from wfm.service.write_ahead_log import WriteAheadLog
from wfm.settings import VARIABLE_PREFIX, Settings
from wfm.storage.database import Database
from wfm.vendors import Delivery, LegAssembler

log = logging.getLogger("wfm.service")
DRAIN_EVERY_S: Final = 2.0
SPOOL_EVERY_S: Final = 10.0
SETTLE_EVERY_S: Final = 300.0
PRUNE_EVERY_S: Final = 86_400.0
STOP_TIMEOUT_S: Final = 20.0
"""How long running cycles may continue after a stop was requested."""
SHUTDOWN_TIMEOUT_S: Final = 5
MAX_DATABASE_WAIT_S: Final = 10.0
"""Most seconds to wait for the database: the service spools soon, and a stop cannot wait an hour for a thread."""
MAX_CONNECTIONS: Final = 2000
THREAD_SWITCH_S: Final = 0.001
"""For so long may a thread that parses delay the webhooks (Python's default is five times as long)."""


class Service:
    """The parts of the service, connected.

    Args:
        settings: of the installation.
        sources: the sources to run.
        refused: the names of sources with wrong settings, and what is wrong.
        clock: the current time (UTC).
    """

    def __init__(
        self,
        settings: Settings,
        sources: Mapping[str, ConfiguredSource],
        refused: Mapping[str, str],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings, self._sources, self._clock = settings, sources, clock
        database = Database(settings.database, wait_s=min(settings.database_wait_s, MAX_DATABASE_WAIT_S))
        self.collector = Collector(database, clock)
        self.write_ahead_log = WriteAheadLog(settings.database.with_name(settings.database.name + ".journal"))
        self.metrics = ServiceMetrics(self.write_ahead_log, self.collector.spool_folder, clock)
        self.log_drainer = LogDrainer(
            self.write_ahead_log, self.collector, sources, self.metrics.record_cycle
        )
        self.scheduler = JobScheduler(clock)
        self._health_checker = HealthChecker(self.collector, sources, refused, self.write_ahead_log)
        self._stack = AsyncExitStack()
        self._pollers: list[SourcePoller] = []

    def build_app(self) -> FastAPI:
        """Build the web application."""
        return create_app(
            self._health_checker,
            self.metrics,
            WebhookReceiver(
                find_webhooks(self._sources),
                self.write_ahead_log,
                self.metrics.record_delivery,
                self._settings.trusted_proxies,
                self._clock,
                self._answer_routing_question,
            ),
        )

    def _answer_routing_question(self, source: ConfiguredSource, delivery: Delivery) -> WebhookAnswer:
        """Answer an IVR that asks where to route a call, while the caller waits."""
        answer, _ = call_routing.answer_routing_request(
            self.collector.database, source, delivery, self._clock(), self._settings.state_renewal
        )
        return answer

    async def start(self) -> None:
        """Schedule every job by the collection ledger, and start."""
        last_successes = await asyncio.to_thread(self._read_last_successes)
        self.metrics.last_success.update(last_successes)
        for source in self._sources.values():
            poller = await self._stack.enter_async_context(
                SourcePoller(source, self.collector, self.metrics.record_cycle)
            )
            self._pollers.append(poller)
            self._schedule_feeds(poller, last_successes)
        self.scheduler.add_job("write-ahead log", self._drain_log, DRAIN_EVERY_S)
        self.scheduler.add_job("spool", self._drain_spool, SPOOL_EVERY_S)
        self.scheduler.add_job("old payloads", self._prune_payloads, PRUNE_EVERY_S)
        self.scheduler.start()

    def _schedule_feeds(
        self, poller: SourcePoller, last_successes: Mapping[tuple[str, str], datetime]
    ) -> None:
        source = poller.source
        for feed in source.feeds.values():
            if feed.kind == "push":
                continue
            start = compute_first_run(feed, last_successes.get((source.name, feed.name)), self._clock())
            name = f"{source.name} {feed.name}"
            self.scheduler.add_job(
                name, partial(poller.poll_feed, feed), feed.every_s, start, compute_jitter_s(feed)
            )
        if isinstance(source.vendor, LegAssembler):
            self.scheduler.add_job(
                f"{source.name} settle", partial(self._settle_calls, source), SETTLE_EVERY_S
            )

    def _read_last_successes(self) -> dict[tuple[str, str], datetime]:
        try:
            feeds = health.build_feed_table(
                self.collector.database, self._sources, self.collector.spool_folder, self._clock()
            )
        except StoreError as error:  # then every feed runs at once; nothing is lost
            log.warning("the collection ledger cannot be read: %s", error)
            return {}
        rows = feeds.select("source", "feed", "last_success_at").drop_nulls().iter_rows()
        return {(source, feed): at for source, feed, at in rows if source in self._sources}

    async def stop(self) -> None:
        """Finish running jobs or leave them for the next start, and store what is in the write-ahead log."""
        for poller in self._pollers:
            poller.stop()
        await self.scheduler.stop(STOP_TIMEOUT_S)
        try:
            await asyncio.wait_for(self.log_drainer.drain(), STOP_TIMEOUT_S)
        except TimeoutError:
            log.warning("the write-ahead log could not be stored in time; the next start does it")
        await self.write_ahead_log.close()
        await self._stack.aclose()

    # --- other jobs -------------------------------------------------------------------------------------
    async def _drain_log(self) -> bool:
        await self.log_drainer.drain()
        return True

    async def _drain_spool(self) -> bool:
        if spool.list_waiting_batches(self.collector.spool_folder):
            await asyncio.to_thread(self.collector.drain_spool, dict(self._sources))
        return True

    async def _settle_calls(self, source: ConfiguredSource) -> bool:
        with suppress(NoDataError, StoreError):  # the next run does it
            await asyncio.to_thread(self.collector.reassemble_open_calls, source)
        return True

    async def _prune_payloads(self) -> bool:
        deleted = await asyncio.to_thread(delete_expired_data, self.collector, self._settings.payload_days)
        if deleted:
            log.info("%d raw payloads older than %d days were deleted", deleted, self._settings.payload_days)
        return True


class _SignalFreeServer(uvicorn.Server):
    """A uvicorn server without signal handlers: signals stop the service as a whole."""

    @contextmanager
    def capture_signals(self) -> Any:
        """Install no signal handlers."""
        yield


def run_service(settings: Settings, host: str, port: int, log_format: LogFormat) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        SettingsError: no source has valid settings.
        UsageError: no source is configured, another service has the database, or the port cannot be used.
    """
    sources, refused = check_sources(settings)
    secrets = {secret for source in sources.values() for secret in source.secrets}
    configure_logging(log_format, secrets, numbers=settings.log_numbers)
    with hold_instance_lock(settings.database):
        listener = open_listener(host, port)
        for name, reason in refused.items():
            log.error("%s is not collected: %s", name, reason)
        switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(THREAD_SWITCH_S)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_run_server(Service(settings, sources, refused), listener))
        finally:
            sys.setswitchinterval(switch_interval)
            listener.close()


def check_sources(settings: Settings) -> tuple[dict[str, ConfiguredSource], dict[str, str]]:
    """Check the sources one by one: return the valid ones, and what is wrong with each of the others.

    Raises:
        SettingsError: none is valid.
        UsageError: none is configured.
    """
    sources, refused = split_valid_sources(settings.sources, settings.country)
    if not sources and refused:
        raise SettingsError("\n".join(refused.values()))
    if not sources:
        raise UsageError(
            f"No source is configured: add lines like {VARIABLE_PREFIX}SOURCES__NCC__VENDOR=nextiva_ncc "
            "(see settings.example.env)."
        )
    return sources, refused


def open_listener(host: str, port: int) -> socket.socket:
    """Open a port for listening.

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


async def _run_server(service: Service, listener: socket.socket) -> None:
    loop, stop_requested = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop_requested.set)
    config = uvicorn.Config(
        service.build_app(),
        http=HeaderLimitProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
        backlog=1024,
    )
    server = _SignalFreeServer(config)
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
