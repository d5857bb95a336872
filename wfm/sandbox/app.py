"""One ASGI app: each vendor under a mount of its own, and the hands on the wheel under /control."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from wfm.sandbox.clock import Clock
from wfm.sandbox.control import Control
from wfm.sandbox.faults import Faults
from wfm.sandbox.manners import NCC_BASE, TELPHIN_BASE, VOICENTER_BASE, XIMA_BASE, XSI_BASE, Manners
from wfm.sandbox.nextiva_ncc import Ncc
from wfm.sandbox.nextiva_xsi import Xsi
from wfm.sandbox.sabotage import Sabotage
from wfm.sandbox.telphin import Telphin
from wfm.sandbox.voicenter import Voicenter
from wfm.sandbox.xima import Xima

if TYPE_CHECKING:
    from wfm.sandbox.truth import Truth


def app(truth: Truth, clock: Clock, faults: Faults | None = None, manners: Manners | None = None) -> ASGIApp:
    """Build the app over a truth."""
    faults, manners = faults or Faults(), manners or Manners()
    inner = Starlette(
        routes=[
            Mount(NCC_BASE, routes=Ncc(truth, clock, faults, manners).routes()),
            Mount(XSI_BASE, routes=Xsi(truth, clock, faults, manners).routes()),
            Mount(XIMA_BASE, routes=Xima(truth, clock, faults, manners).routes()),
            Mount(TELPHIN_BASE, routes=Telphin(truth, clock, faults, manners).routes()),
            Mount(VOICENTER_BASE, routes=Voicenter(truth, clock, faults, manners).routes()),
            Mount("/control", routes=Control(truth, clock, faults).routes()),
        ]
    )
    return Sabotage(inner, faults)
