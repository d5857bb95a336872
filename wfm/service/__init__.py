"""The service: scheduled polling of every feed, webhooks, health and metrics, in one process.

::

    scheduler ──► poller (one per source) ────────► Collector.collect_feed ─────┐
    webhooks ──► write_ahead_log ──► log_drainer ─► Collector.store_deliveries ─┴─► database, or spool while it is busy
    /health /metrics /openapi.json ◄── health, metrics, app

A delivery is in the write-ahead log, on disk, before it is acknowledged. A segment of the log is deleted once its
content is stored or spooled, as batches named after the segment: so a crash at any instant loses nothing and stores
nothing twice. What is due is read from the collection ledger, so no schedule has to survive a restart.
"""

from enum import StrEnum


class LogFormat(StrEnum):
    """The format of a log line."""

    json = "json"
    text = "text"
