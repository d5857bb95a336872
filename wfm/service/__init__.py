"""What runs all day: the timetable of every feed, the receiver of webhooks, health and metrics; in one process.

::

    timetable ──► poller (one a source) ──► Collector.collect ──┐
    receiver ──► journal ──► drainer ─────► Collector.receive ──┴──► store, or spool while somebody has it
    /health /metrics /openapi.json ◄── what jobs.health, metrics and the routes say

A delivery is in the journal, on disk, before it is acknowledged; a segment of the journal is deleted when what it holds
is stored or spooled, under a name made from the segment's: so nothing is lost and nothing stored twice, wherever a
crash falls. What is due is read from the ledger of windows, so no timetable has to survive.
"""

from enum import StrEnum


class LogFormat(StrEnum):
    """How a line of the log is written."""

    json = "json"
    text = "text"
