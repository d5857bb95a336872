"""Serve the sandbox on loopback: for a test, or until somebody stops it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import date, datetime
from zoneinfo import ZoneInfo

import httpx
import uvicorn
from starlette.types import ASGIApp

from wfm.core.errors import WfmError
from wfm.sandbox.app import app
from wfm.sandbox.centre import simulate
from wfm.sandbox.clock import Clock
from wfm.sandbox.faults import Faults
from wfm.sandbox.manners import (
    HISTORICAL_PATH,
    NCC_BASE,
    REALTIME_PATH,
    TELPHIN_BASE,
    TOKEN_PATH,
    VOICENTER_BASE,
    XIMA_BASE,
    XSI_BASE,
    Manners,
)
from wfm.sandbox.pushing import Pushed, Pusher
from wfm.sandbox.telphin_events import Calls, delivered
from wfm.sandbox.truth import Truth
from wfm.sandbox.voicenter import Cdrs
from wfm.sandbox.xima_sheets import settings_reports

HOST = "127.0.0.1"
PATIENCE_S = 10.0
PUSH_EVERY_S = 0.2
FORM = "application/x-www-form-urlencoded"


@contextmanager
def running(
    truth: Truth,
    clock: Clock | None = None,
    faults: Faults | None = None,
    manners: Manners | None = None,
    port: int = 0,
) -> Iterator[str]:
    """Serve a truth in a thread and give its base URL; without a clock everything has happened already."""
    with listening(app(truth, clock or Clock(truth.ends), faults, manners), port) as url:
        yield url


@contextmanager
def listening(served: ASGIApp, port: int = 0) -> Iterator[str]:
    """Serve an ASGI app in a thread on loopback and give its base URL; port 0 is any free one.

    Raises:
        WfmError: the port is taken, or the server does not come up.
    """
    listener = _listener(port)
    config = uvicorn.Config(
        served,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise WfmError("The sandbox did not start.")
            time.sleep(0.005)
        yield f"http://{HOST}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        listener.close()


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as no:
        listener.close()
        which = f"Port {port} cannot" if port else f"No port of {HOST} can"
        advice = "Choose another with --port." if port else "The sandbox needs the loopback network."
        raise WfmError(f"{which} be used: {no.strerror}. {advice}") from no
    return listener


def settings(url: str, timezone: str, manners: Manners | None = None) -> list[str]:
    """Return the lines of a settings file that collects from the sandbox at ``url``."""
    manners = manners or Manners()
    ncc = {
        "VENDOR": "nextiva_ncc",
        "BASE_URL": url + NCC_BASE,
        "USERNAME": manners.username,
        "PASSWORD": manners.password,
        "AUTH_SCHEME": "auto",
        "TOKEN_PATH": TOKEN_PATH,
        "HISTORICAL_PATH": HISTORICAL_PATH,
        "REALTIME_PATH": REALTIME_PATH,
        "PARAM_START": manners.param_start,
        "PARAM_END": manners.param_end,
        "TIME_UNIT": manners.time_unit,
        "HANDLE_TIME_UNIT": "ms",
        "INTERVAL_LABEL": "start",
    }
    xsi = {
        "VENDOR": "nextiva_xsi",
        "BASE_URL": url + XSI_BASE,
        "USERNAME": manners.username,
        "PASSWORD": manners.password,
    }
    xima = {
        "VENDOR": "xima",
        "BASE_URL": url + XIMA_BASE,
        "TOKEN": manners.password,
        "TIMEZONE": timezone,
        "REPORTS": json.dumps(settings_reports()),
    }
    telphin = {
        "VENDOR": "telphin",
        "BASE_URL": url + TELPHIN_BASE,
        "CLIENT_ID": manners.client_id,
        "CLIENT_SECRET": manners.password,
        "WEBHOOK_SECRET": manners.webhook_secret,
        "DURATION_UNIT": "us",
    }
    voicenter = {
        "VENDOR": "voicenter",
        "BASE_URL": url + VOICENTER_BASE,
        "EXTENSIONS_URL": url + VOICENTER_BASE,
        "CODE": manners.password,
        "TIMEZONE": timezone,
        "WEBHOOK_SECRET": manners.webhook_secret,
        "COUNTRY": "IL",
    }
    lines = [f"WFM_TIMEZONE={timezone}"]
    for source, values in (
        ("NCC", ncc),
        ("XSI", xsi),
        ("XIMA", xima),
        ("TELPHIN", telphin),
        ("VOICENTER", voicenter),
    ):
        lines += [f"WFM_SOURCES__{source}__{name}={value}" for name, value in values.items()]
    return lines


def serve(
    port: int = 8099,
    speed: float = 1.0,
    seed: int = 1,
    faults: Iterable[str] = (),
    *,
    agents: int = 40,
    queues: int = 4,
    days: int = 14,
    timezone: str = "Asia/Jerusalem",
    start: date | None = None,
    push: str | None = None,
) -> Iterator[str]:
    """Serve a simulated centre: yield the settings lines, then serve until the caller stops or is interrupted.

    Without ``start`` half the days lie behind, and virtual time begins now; ``speed`` is how fast it goes. ``push``:
    the address of a `wfm serve` whose webhooks are told what happens from now on.
    """
    now = datetime.now(ZoneInfo(timezone))
    first = start or date.fromordinal(now.date().toordinal() - days // 2)
    truth = simulate(seed, first, days, agents, queues, timezone)
    clock = Clock(now.timestamp() if start is None else truth.begins, speed)
    drawn = Faults(faults, seed)
    told = nullcontext() if push is None else telling(push, truth, clock, drawn, timezone)
    with running(truth, clock, drawn, port=port) as url:
        yield from settings(url, timezone)
        with told:
            threading.Event().wait()


@contextmanager
def telling(service: str, truth: Truth, clock: Clock, faults: Faults, timezone: str) -> Iterator[None]:
    """Tell the webhooks of a ``wfm serve`` what happens from now on, in a thread; sources as named by `settings`."""
    now, secret, stop = clock.now() * 1_000_000, Manners().webhook_secret, threading.Event()
    events = delivered(Calls(truth), faults, truth.ends)
    pushes = {
        "telphin": [Pushed(one.at, one.method, FORM, one.text) for one in events],
        "voicenter": Cdrs(truth).notifications(timezone),
    }

    def push(client: httpx.Client) -> None:
        pushers = [
            Pusher(client, f"/hooks/{source}/{secret}", [one for one in all_ if one.at > now], clock)
            for source, all_ in pushes.items()
        ]
        while not stop.wait(PUSH_EVERY_S):
            for pusher in pushers:
                pusher.push()

    with httpx.Client(base_url=service, timeout=PATIENCE_S) as client:
        thread = threading.Thread(target=push, args=(client,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(PATIENCE_S)
