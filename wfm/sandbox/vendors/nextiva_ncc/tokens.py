"""NCC's tokens, which expire and can be revoked."""

from __future__ import annotations

import base64
import json
import time
from itertools import count
from typing import Any

from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.vendors.behaviour import VendorBehaviour


class NccTokens:
    """Issues tokens that look like a JWT (the signature is not checked), and knows which are valid."""

    def __init__(self, clock: SimulatedClock, behaviour: VendorBehaviour) -> None:
        self.clock, self.behaviour = clock, behaviour
        self._ends: dict[str, float] = {}
        self._serial = count(1)

    def now(self) -> float:
        """Return the time of the clock by which tokens expire."""
        return time.time() if self.behaviour.token_clock == "real" else self.clock.now()

    def issue_token(self) -> str:
        """Return a new token."""
        issued = self.now()
        ends = issued + self.behaviour.token_s
        claims = {
            "sub": self.behaviour.username,
            "iat": int(issued),
            "exp": int(ends),
            "jti": next(self._serial),
        }
        token = f"{_encode_part({'alg': 'HS256'})}.{_encode_part(claims)}.{_encode_part(claims)[:22]}"
        self._ends[token] = ends
        return token

    def find_objection(self, authorization: str, revoked: bool) -> str | None:
        """Return what is wrong with an Authorization header, or None; ``revoked`` revokes its token."""
        bearer = authorization[:7].lower() == "bearer "
        token = authorization[7:].strip() if bearer else authorization
        if token not in self._ends or self.behaviour.accepts == ("raw" if bearer else "bearer"):
            return "Invalid token"
        if revoked or self._ends[token] <= self.now():
            del self._ends[token]
            return "Token expired"
        return None


def _encode_part(claims: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
