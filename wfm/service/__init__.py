"""The service: scheduled polling of every feed, webhooks, health and metrics, in one process.

::

    scheduler ──► poller (one a source) ──────────────► Collector.collect ──┐
    webhooks ──► write_ahead_log ──► log_drainer ─────► Collector.receive ──┴──► database, or spool while it is busy
    /health /metrics /openapi.json ◄── health, metrics and app

A delivery is in the write-ahead log, on disk, before it is acknowledged; a segment of the log is deleted once its
content is stored or spooled, as batches named after the segment: so nothing is lost and nothing stored twice, wherever
a crash falls. What is due is read from the collection ledger, so no schedule has to survive a restart.
"""

from enum import StrEnum


class LogFormat(StrEnum):
    """The format of a log line."""

    json = "json"
    text = "text"
