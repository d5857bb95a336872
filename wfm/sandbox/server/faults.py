"""Faults that can be switched on, each with a probability or a count, drawn from a seed, and counted."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any

from wfm.core.errors import UsageError

VENDOR_MOUNTS = ("ncc", "xsi", "xima", "telphin", "voicenter")
"""The paths under which vendors are served."""

FAULT_DEFAULTS: dict[str, float] = {
    "hang": 30,  # seconds without an answer
    "drip": 0.05,  # seconds between two pieces of the body
    "throttle": 1,  # 429; seconds in Retry-After
    "unauthorized": 0,  # 401 to right credentials
    "expired_token": 0,  # NCC: the token it gave is no longer good
    "server_error": 503,  # the status
    "html": 0,  # 200 and a login page
    "truncated": 0.5,  # part of the body that comes
    "latin1": 0,  # ISO-8859-1, and says so
    "latin1_undeclared": 0,  # ISO-8859-1, and says UTF-8
    "gzip": 0,  # compressed, asked for or not
    "clamp": 20,  # rows of a page, whatever was asked for
    "drift": 1,  # rows that appear between the first page and the next
    "late": 900,  # seconds by which rows and handle times come late
    "duplicates": 10,  # one row in so many comes twice
    "pruned": 20,  # XSI: rows of a list that are left
    "unknown_state": 10,  # one row in so many has a value nobody has heard of
    "missing_fields": 4,  # one field in so many is not there
    "cached": 2,  # Xima: how often a report says 202 before it is there
    "no_content": 0,  # Xima: 204
    "renamed": 0,  # Xima: a column has another title
    "hidden_agent": 2000,  # Xima: 403 for a report about the agent with this extension
    "paced": 3,  # Xima: 429 for recordings asked for again within so many seconds
    "bandwidth": 0,  # Xima: 509
    "forbidden": 0,  # Voicenter: 403, and ERROR_NUMBER 1 says that it is the rate
    "capped": 50,  # Voicenter: the most rows of a reply
    "lower_case": 0,  # Voicenter: keys of a row in small letters
    "texts": 0,  # Voicenter: numbers as texts
    "lost_hangup": 0,  # Telphin: a hangup that is never delivered
    "reordered": 30,  # Telphin: seconds by which an event comes late
    "doubled": 0,  # Telphin: an event that is delivered twice
    "budget": 0,  # Telphin: requests that are left of the hour
    "stats_busy": 0,  # Telphin: 429, another statistics request is under way
}
"""Every fault and its default value."""


@dataclass
class InjectedFault:
    """A fault that is on: with a ``probability``, at most ``count`` times, at one ``vendor`` or all of them."""

    probability: float = 1.0
    count: int | None = None
    vendor: str | None = None
    value: float = 0.0


class InjectedFaults:
    """The faults that are on, and counters of what was served.

    Specs are ``name``, ``name:0.1`` (probability), ``name:3x`` (the next three times), each with ``@ncc``, ``@xsi``,
    … for one vendor (`VENDOR_MOUNTS`) and ``=value``: ``throttle:3x@xsi=2``.

    Attributes:
        hits: how often each fault occurred.
        served: answers by (vendor, resource, status); ``rows`` by (vendor, resource).
        violations: requests that a collector must never send, as "DELETE /path".
    """

    def __init__(self, specs: Iterable[str] = (), seed: int = 0) -> None:
        self._lock, self._whim = Lock(), random.Random(seed)
        self.on: dict[str, InjectedFault] = {}
        self.hits: Counter[str] = Counter()
        self.served: Counter[tuple[str, str, int]] = Counter()
        self.rows: Counter[tuple[str, str]] = Counter()
        self.violations: list[str] = []
        for spec in specs:
            self.add_spec(spec)

    def add_spec(self, spec: str) -> None:
        """Switch a fault on by its spec.

        Raises:
            UsageError: the spec cannot be parsed, or there is no such fault.
        """
        rest, _, value = spec.strip().partition("=")
        rest, _, vendor = rest.partition("@")
        name, _, how = rest.partition(":")
        options: dict[str, Any] = {"vendor": vendor or None}
        try:
            if value:
                options["value"] = float(value)
            if how.endswith("x"):
                options["count"] = int(how[:-1])
            elif how:
                options["probability"] = float(how)
        except ValueError:
            raise UsageError(
                f"{spec!r} is no fault: write name, name:0.1 or name:3x, @vendor, =value."
            ) from None
        self.switch_on(name, **options)

    def switch_on(
        self,
        name: str,
        probability: float = 1.0,
        count: int | None = None,
        vendor: str | None = None,
        value: float | None = None,
    ) -> None:
        """Switch a fault on."""
        if name not in FAULT_DEFAULTS:
            raise UsageError(f"No fault {name!r}; there are: {', '.join(FAULT_DEFAULTS)}.")
        if not 0 <= probability <= 1 or vendor not in (None, *VENDOR_MOUNTS):
            raise UsageError(
                f"A fault has a probability from 0 to 1, and a vendor {', '.join(VENDOR_MOUNTS)} or none."
            )
        means = FAULT_DEFAULTS[name] if value is None else value
        if not 0 <= means < math.inf or (count is not None and count < 0):
            raise UsageError(f"The value of {name} and how often it strikes are numbers from 0.")
        self.on[name] = InjectedFault(probability, count, vendor, means)

    def switch_off(self, name: str | None = None) -> None:
        """Switch one fault off, or all."""
        if name is None:
            self.on.clear()
        else:
            self.on.pop(name, None)

    def strikes(self, name: str, vendor: str) -> float | None:
        """Return the value of a fault if it occurs now, else None."""
        fault = self.on.get(name)
        if fault is None or fault.vendor not in (None, vendor):
            return None
        with self._lock:
            if fault.count == 0 or (fault.probability < 1 and self._whim.random() >= fault.probability):
                return None
            if fault.count is not None:
                fault.count -= 1
            self.hits[name] += 1
        return fault.value

    def draw_one_in(self, n: float) -> bool:
        """Return True once in ``n`` times, at random."""
        with self._lock:
            return self._whim.random() * n < 1

    def as_dict(self) -> dict[str, Any]:
        """Return the faults and the counters for the control route."""
        return {
            "on": {name: asdict(fault) for name, fault in self.on.items()},
            "hits": dict(self.hits),
            "served": {" ".join(map(str, key)): n for key, n in sorted(self.served.items())},
            "rows": {" ".join(key): n for key, n in sorted(self.rows.items())},
            "violations": self.violations,
        }
