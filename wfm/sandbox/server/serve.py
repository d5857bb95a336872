"""Serve the sandbox on loopback, for a test or until it is stopped."""

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
from wfm.sandbox.centre.simulate import simulate_centre
from wfm.sandbox.ground_truth.ground_truth import GroundTruth
from wfm.sandbox.server.app import build_app
from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.faults import InjectedFaults
from wfm.sandbox.server.webhook_sender import WebhookRequest, WebhookSender
from wfm.sandbox.vendors.behaviour import (
    HISTORICAL_PATH,
    NCC_BASE,
    REALTIME_PATH,
    TELPHIN_BASE,
    TOKEN_PATH,
    VOICENTER_BASE,
    XIMA_BASE,
    XSI_BASE,
    VendorBehaviour,
)
from wfm.sandbox.vendors.telphin.events import TelphinCalls, deliver_events
from wfm.sandbox.vendors.voicenter import VoicenterCdrs
from wfm.sandbox.vendors.xima.reports import build_reports_setting

LOOPBACK_HOST = "127.0.0.1"
TIMEOUT_S = 10.0
PUSH_EVERY_S = 0.2
FORM_TYPE = "application/x-www-form-urlencoded"


@contextmanager
def run_sandbox(
    truth: GroundTruth,
    clock: SimulatedClock | None = None,
    faults: InjectedFaults | None = None,
    behaviour: VendorBehaviour | None = None,
    port: int = 0,
) -> Iterator[str]:
    """Serve a ground truth in a thread and yield its base URL; without a clock, everything has happened already."""
    with run_server(build_app(truth, clock or SimulatedClock(truth.ends), faults, behaviour), port) as url:
        yield url


@contextmanager
def run_server(served: ASGIApp, port: int = 0) -> Iterator[str]:
    """Serve an ASGI app in a thread on loopback and yield its base URL; port 0 is any free one.

    Raises:
        WfmError: the port is taken, or the server does not start.
    """
    listener = _open_listener(port)
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
        deadline = time.monotonic() + TIMEOUT_S
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise WfmError("The sandbox did not start.")
            time.sleep(0.005)
        yield f"http://{LOOPBACK_HOST}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(TIMEOUT_S)
        listener.close()


def _open_listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK_HOST, port))
        listener.listen(128)
    except OSError as no:
        listener.close()
        which = f"Port {port} cannot" if port else f"No port of {LOOPBACK_HOST} can"
        advice = "Choose another with --port." if port else "The sandbox needs the loopback network."
        raise WfmError(f"{which} be used: {no.strerror}. {advice}") from no
    return listener


def build_settings_lines(url: str, timezone: str, behaviour: VendorBehaviour | None = None) -> list[str]:
    """Return the lines of a settings file that collects from the sandbox at ``url``."""
    behaviour = behaviour or VendorBehaviour()
    ncc = {
        "VENDOR": "nextiva_ncc",
        "BASE_URL": url + NCC_BASE,
        "USERNAME": behaviour.username,
        "PASSWORD": behaviour.password,
        "AUTH_SCHEME": "auto",
        "TOKEN_PATH": TOKEN_PATH,
        "HISTORICAL_PATH": HISTORICAL_PATH,
        "REALTIME_PATH": REALTIME_PATH,
        "PARAM_START": behaviour.param_start,
        "PARAM_END": behaviour.param_end,
        "TIME_UNIT": behaviour.time_unit,
        "HANDLE_TIME_UNIT": "ms",
        "INTERVAL_LABEL": "start",
    }
    xsi = {
        "VENDOR": "nextiva_xsi",
        "BASE_URL": url + XSI_BASE,
        "USERNAME": behaviour.username,
        "PASSWORD": behaviour.password,
    }
    xima = {
        "VENDOR": "xima",
        "BASE_URL": url + XIMA_BASE,
        "TOKEN": behaviour.password,
        "TIMEZONE": timezone,
        "REPORTS": json.dumps(build_reports_setting()),
    }
    telphin = {
        "VENDOR": "telphin",
        "BASE_URL": url + TELPHIN_BASE,
        "CLIENT_ID": behaviour.client_id,
        "CLIENT_SECRET": behaviour.password,
        "WEBHOOK_SECRET": behaviour.webhook_secret,
        "DURATION_UNIT": "us",
    }
    voicenter = {
        "VENDOR": "voicenter",
        "BASE_URL": url + VOICENTER_BASE,
        "EXTENSIONS_URL": url + VOICENTER_BASE,
        "CODE": behaviour.password,
        "TIMEZONE": timezone,
        "WEBHOOK_SECRET": behaviour.webhook_secret,
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


def serve_sandbox(
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

    Without ``start``, half of the days are in the past and simulated time begins now. ``speed``: of the clock.
    ``push``: the address of a `wfm serve`, whose webhooks get what happens from now on.
    """
    now = datetime.now(ZoneInfo(timezone))
    first = start or date.fromordinal(now.date().toordinal() - days // 2)
    truth = simulate_centre(seed, first, days, agents, queues, timezone)
    clock = SimulatedClock(now.timestamp() if start is None else truth.begins, speed)
    drawn = InjectedFaults(faults, seed)
    told = nullcontext() if push is None else send_webhooks(push, truth, clock, drawn, timezone)
    with run_sandbox(truth, clock, drawn, port=port) as url:
        yield from build_settings_lines(url, timezone)
        with told:
            threading.Event().wait()


@contextmanager
def send_webhooks(
    service: str, truth: GroundTruth, clock: SimulatedClock, faults: InjectedFaults, timezone: str
) -> Iterator[None]:
    """Send what happens from now on to the webhooks of a ``wfm serve``, in a thread."""
    now, secret, stop = clock.now() * 1_000_000, VendorBehaviour().webhook_secret, threading.Event()
    events = deliver_events(TelphinCalls(truth), faults, truth.ends)
    pushes = {
        "telphin": [WebhookRequest(one.at, one.method, FORM_TYPE, one.text) for one in events],
        "voicenter": VoicenterCdrs(truth).build_notifications(timezone),
    }

    def push(client: httpx.Client) -> None:
        pushers = [
            WebhookSender(client, f"/hooks/{source}/{secret}", [one for one in all_ if one.at > now], clock)
            for source, all_ in pushes.items()
        ]
        while not stop.wait(PUSH_EVERY_S):
            for pusher in pushers:
                pusher.send_due()

    with httpx.Client(base_url=service, timeout=TIMEOUT_S) as client:
        thread = threading.Thread(target=push, args=(client,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(TIMEOUT_S)
