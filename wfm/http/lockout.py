"""The lockout: nothing is sent with credentials that were refused, before the vendor locks the account."""

from __future__ import annotations

import hashlib
import secrets as entropy
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from wfm.core.errors import AuthError
from wfm.http.shared_state import SharedState, SharedStateFile

LOCKOUT_S: Final = 3600.0
"""How long a lockout lasts, unless the credentials change."""
# so slow that nobody can guess passwords from the state file; 30 ms, and only after a refusal
_HASH_ROUNDS: Final = 100_000


class CredentialLockout:
    """A lockout of one source's credentials after several 401s in a row, shared by all processes.

    stop_after: after this many, nothing is sent until the credentials change or `LOCKOUT_S` has passed; 0: never stop.
    Then one request may try; if it is refused as well, the lockout starts again.
    """

    def __init__(
        self,
        source: str,
        file: SharedStateFile,
        secrets: Collection[str],
        stop_after: int,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._source, self._file, self._stop_after, self._wall = source, file, stop_after, wall
        self._secrets = tuple(sorted(secrets))

    @property
    def is_enabled(self) -> bool:
        """Return whether refusals can lead to a lockout at all."""
        return self._stop_after > 0

    def check_not_locked(self, state: SharedState) -> None:
        """Check that these credentials are not locked out.

        Raises:
            AuthError: they are; the message says until when, and what to do.
        """
        count, at = self._read_refusals(state)
        if not self.is_enabled or count < self._stop_after:
            return
        now = self._wall()
        if at > now:  # the clock was set back: restart the lockout rather than wait until that instant
            state["refused"]["at"] = at = now
        if now - at < LOCKOUT_S:
            raise AuthError(self._describe_lockout(count, at + LOCKOUT_S))

    def record_refusal(self, state: SharedState) -> None:
        """Record a 401."""
        count, _ = self._read_refusals(state)
        salt = state["refused"]["salt"] if count else entropy.token_hex(16)
        mark = _hash_credentials(self._secrets, salt)
        state["refused"] = {"times": count + 1, "at": self._wall(), "salt": salt, "mark": mark}

    def _read_refusals(self, state: SharedState) -> tuple[int, float]:
        """Return how often these credentials were refused, and when last (seconds since 1970)."""
        stored: Any = state.get("refused")
        try:
            count, at, salt, mark = stored["times"], float(stored["at"]), stored["salt"], stored["mark"]
            if count > 0 and at >= 0 and mark == _hash_credentials(self._secrets, salt):
                return int(count), at
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
            pass  # nothing recorded, or the file was damaged
        return 0, 0.0

    def _describe_lockout(self, count: int, until: float) -> str:
        shortcut = f", or delete {self._file.path} to try at once" if self._file.path else ""
        return (
            f"{self._source}: its credentials were refused {count} times in a row, so nothing is sent before "
            f"{datetime.fromtimestamp(until, UTC):%H:%M} UTC: the vendor might lock the account. Correct them in the "
            f"settings, which ends the wait{shortcut}."
        )


def clear_refusals(state: SharedState) -> None:
    """Record that the credentials were accepted."""
    state.pop("refused", None)


@lru_cache(maxsize=16)
def _hash_credentials(secrets: tuple[str, ...], salt: str) -> str:
    """Hash credentials, to recognise them without storing them."""
    joined = "".join(f"{len(secret)}:{secret}" for secret in secrets)  # the lengths keep (ab, c) from (a, bc)
    data = joined.encode("utf-8", "surrogatepass")
    return hashlib.pbkdf2_hmac("sha256", data, salt.encode(), _HASH_ROUNDS).hex()[:32]
