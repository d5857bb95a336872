"""NCC's tokens: given for a while, and taken back."""

from __future__ import annotations

import base64
import json
import time
from itertools import count
from typing import Any

from wfm.sandbox.clock import Clock
from wfm.sandbox.manners import Manners


class Tokens:
    """Issue tokens that look like a JWT (nobody checks the signature), and know which are good."""

    def __init__(self, clock: Clock, manners: Manners) -> None:
        self.clock, self.manners = clock, manners
        self._ends: dict[str, float] = {}
        self._serial = count(1)

    def now(self) -> float:
        """Return the time by which tokens run out."""
        return time.time() if self.manners.token_clock == "real" else self.clock.now()

    def issue(self) -> str:
        """Give a new token."""
        issued = self.now()
        ends = issued + self.manners.token_s
        claims = {
            "sub": self.manners.username,
            "iat": int(issued),
            "exp": int(ends),
            "jti": next(self._serial),
        }
        token = f"{_part({'alg': 'HS256'})}.{_part(claims)}.{_part(claims)[:22]}"
        self._ends[token] = ends
        return token

    def objection(self, authorization: str, revoked: bool) -> str | None:
        """Say what is wrong with an Authorization header; ``revoked`` takes its token back."""
        bearer = authorization[:7].lower() == "bearer "
        token = authorization[7:].strip() if bearer else authorization
        if token not in self._ends or self.manners.accepts == ("raw" if bearer else "bearer"):
            return "Invalid token"
        if revoked or self._ends[token] <= self.now():
            del self._ends[token]
            return "Token expired"
        return None


def _part(claims: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
