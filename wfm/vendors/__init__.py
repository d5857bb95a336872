"""The phone systems that wfm can collect from, and the contract that all of them implement.

A vendor is one file or one folder here, found by its name. To add one takes that file, its test and its recordings, and
no other edit: see README.md here. It declares the settings of an account (`Settings`) and its feeds (`FEEDS`), requests
them (`session`, `fetch`) and parses the replies (`parse`)::

    fetch   sends requests and yields bytes as received       (nothing is interpreted, so bytes can be replayed)
    parse   bytes -> a frame with the columns of a table      (pure; empty input gives the same columns)

Retries, rate limits, redaction, the ledger of windows, the spool, raw payloads and replay are the same for all vendors
and are not here.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Final, cast

from wfm.vendors.capabilities import (
    CallQuestion,
    CallRouter,
    CallStarter,
    DeliveryAcknowledger,
    EvidenceFinder,
    FeedConfigurer,
    LegAssembler,
    RecordingResolver,
    list_feeds,
)
from wfm.vendors.contract import (
    CALL_EVENT,
    Delivery,
    ExpiringToken,
    Feed,
    FeedKind,
    HasBaseUrl,
    HasLogoutRule,
    HttpClient,
    HttpReply,
    Limits,
    Payload,
    PushSettings,
    Session,
    SourceSettings,
    TokenHolder,
    Trouble,
    Vendor,
    WebhookAnswer,
    Window,
    is_pushed,
    pack_deliveries,
    unpack_deliveries,
)

__all__ = [
    "CALL_EVENT",
    "CallQuestion",
    "CallRouter",
    "CallStarter",
    "Delivery",
    "DeliveryAcknowledger",
    "EvidenceFinder",
    "ExpiringToken",
    "Feed",
    "FeedConfigurer",
    "FeedKind",
    "HasBaseUrl",
    "HasLogoutRule",
    "HttpClient",
    "HttpReply",
    "LegAssembler",
    "Limits",
    "Payload",
    "PushSettings",
    "RecordingResolver",
    "Session",
    "SourceSettings",
    "TokenHolder",
    "Trouble",
    "Vendor",
    "WebhookAnswer",
    "Window",
    "find_vendor_names",
    "is_pushed",
    "list_feeds",
    "load_vendor",
    "pack_deliveries",
    "unpack_deliveries",
]

SHARED_MODULES: Final = frozenset({"capabilities", "contract", "setting_types", "values"})
"""The modules of this folder that are not vendors."""
REQUIRED_NAMES: Final = ("NAME", "TITLE", "Settings", "FEEDS", "LIMITS", "STATES", "session", "parse")


def find_vendor_names() -> tuple[str, ...]:
    """Return the names of all vendors, sorted; none of them is imported."""
    return tuple(
        sorted(
            module.name
            for module in pkgutil.iter_modules(__path__)
            if module.name not in SHARED_MODULES and not module.name.startswith("_")
        )
    )


def load_vendor(name: str) -> Vendor:
    """Import a vendor, and no other, because each takes its time to load.

    Raises:
        ModuleNotFoundError: there is no vendor of that name.
        TypeError: the module lacks a part of the contract.
    """
    module = import_module(f"{__name__}.{name}")
    missing = [required for required in REQUIRED_NAMES if not hasattr(module, required)]
    if missing:
        raise TypeError(f"The vendor {name} ({module.__file__}) lacks {', '.join(missing)}.")
    return cast(Vendor, module)
