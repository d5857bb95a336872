"""Refusals: stop asking with credentials that were refused, before a vendor locks the account."""

from __future__ import annotations

import hashlib
import secrets as entropy
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from wfm.errors import AuthError
from wfm.http.state_file import State, StateFile

COOL_DOWN_S: Final = 3600.0
_ROUNDS: Final = 100_000  # ~30 ms, and only after a refusal: who reads the file shall not try passwords


class Refusals:
    """Count the 401s in a row of one source's credentials; all processes together.

    stop_after: so many, and nothing is sent until the credentials change or the cool-down has passed; 0: never stop.
    After the cool-down one request may try; if it is refused as well, the cool-down starts again.
    """

    def __init__(
        self,
        source: str,
        file: StateFile,
        secrets: Collection[str],
        stop_after: int,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._source, self._file, self._stop_after, self._wall = source, file, stop_after, wall
        self._secrets = tuple(sorted(secrets))

    @property
    def counted(self) -> bool:
        """Say whether refusals are counted at all."""
        return self._stop_after > 0

    def check(self, state: State) -> None:
        """Refuse to send while these credentials are locked out.

        Raises:
            AuthError: they are; it says until when, and what to do.
        """
        times, at = self._read(state)
        if not self.counted or times < self._stop_after:
            return
        now = self._wall()
        if at > now:  # the clock was put back: begin the cool-down anew rather than wait for that instant
            state["refused"]["at"] = at = now
        if now - at < COOL_DOWN_S:
            raise AuthError(self._advice(times, at + COOL_DOWN_S))

    def count(self, state: State) -> None:
        """Note a 401."""
        times, _ = self._read(state)
        salt = state["refused"]["salt"] if times else entropy.token_hex(16)
        mark = _mark(self._secrets, salt)
        state["refused"] = {"times": times + 1, "at": self._wall(), "salt": salt, "mark": mark}

    def _read(self, state: State) -> tuple[int, float]:
        """Return how often these credentials were refused, and when last."""
        noted: Any = state.get("refused")
        try:
            times, at, salt, mark = noted["times"], float(noted["at"]), noted["salt"], noted["mark"]
            if times > 0 and at >= 0 and mark == _mark(self._secrets, salt):
                return int(times), at
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
            pass  # nothing noted, or the file was damaged
        return 0, 0.0

    def _advice(self, times: int, until: float) -> str:
        sooner = f", or delete {self._file.path} to try at once" if self._file.path else ""
        return (
            f"{self._source}: its credentials were refused {times} times in a row, so nothing is sent before "
            f"{datetime.fromtimestamp(until, UTC):%H:%M} UTC: the vendor might lock the account. Correct them in the "
            f"settings, which ends the wait{sooner}."
        )


def forget(state: State) -> None:
    """Note that the credentials are good."""
    state.pop("refused", None)


@lru_cache(maxsize=16)
def _mark(secrets: tuple[str, ...], salt: str) -> str:
    """Recognise credentials again without keeping them."""
    told = "".join(f"{len(secret)}:{secret}" for secret in secrets)
    data = told.encode("utf-8", "surrogatepass")
    return hashlib.pbkdf2_hmac("sha256", data, salt.encode(), _ROUNDS).hex()[:32]
