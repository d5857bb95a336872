"""One ASGI app: each vendor under a mount of its own, and the sandbox's own controls under /control."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.control import SandboxControl
from wfm.sandbox.server.faults import InjectedFaults
from wfm.sandbox.server.wire_faults import WireFaults
from wfm.sandbox.vendors.behaviour import (
    NCC_BASE,
    TELPHIN_BASE,
    VOICENTER_BASE,
    XIMA_BASE,
    XSI_BASE,
    VendorBehaviour,
)
from wfm.sandbox.vendors.nextiva_ncc.routes import NccSandbox
from wfm.sandbox.vendors.nextiva_xsi.routes import XsiSandbox
from wfm.sandbox.vendors.telphin.routes import TelphinSandbox
from wfm.sandbox.vendors.voicenter import VoicenterSandbox
from wfm.sandbox.vendors.xima.routes import XimaSandbox

if TYPE_CHECKING:
    from wfm.sandbox.ground_truth.ground_truth import GroundTruth


def build_app(
    truth: GroundTruth,
    clock: SimulatedClock,
    faults: InjectedFaults | None = None,
    behaviour: VendorBehaviour | None = None,
) -> ASGIApp:
    """Build the app that serves a ground truth."""
    faults, behaviour = faults or InjectedFaults(), behaviour or VendorBehaviour()
    inner = Starlette(
        routes=[
            Mount(NCC_BASE, routes=NccSandbox(truth, clock, faults, behaviour).build_routes()),
            Mount(XSI_BASE, routes=XsiSandbox(truth, clock, faults, behaviour).build_routes()),
            Mount(XIMA_BASE, routes=XimaSandbox(truth, clock, faults, behaviour).build_routes()),
            Mount(TELPHIN_BASE, routes=TelphinSandbox(truth, clock, faults, behaviour).build_routes()),
            Mount(VOICENTER_BASE, routes=VoicenterSandbox(truth, clock, faults, behaviour).build_routes()),
            Mount("/control", routes=SandboxControl(truth, clock, faults).build_routes()),
        ]
    )
    return WireFaults(inner, faults)
