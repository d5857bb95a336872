"""The settings of an account at Xima, and its feeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, SecretStr

from wfm.vendors.contract import Feed, Limits, SourceSettings
from wfm.vendors.setting_types import BaseUrl, ZoneName
from wfm.vendors.xima.templates import ReportTemplate, check_reports

NAME = "xima"
TITLE = "Xima CCaaS (Chronicall)"
LIMITS = Limits(requests_per_minute=20, concurrent=1)  # recordings: one request in 3 s is documented
STATES: Mapping[str, str] = {}  # the states in a report are named by its administrator

DAY_S: Final = 86_400
REPORT_TABLES: Final = ("interval_volume", "agent_state", "coverage")
"""The tables that reports can fill as well as report_row."""


class Settings(SourceSettings):
    """The settings of an account.

    base_url: the tenant's host. token: the service user's authentication key. reports: those to run
    (`ReportTemplate`). timezone: the tenant's, an IANA name; reports are requested by its days.
    """

    vendor: Literal["xima"]
    base_url: BaseUrl
    token: SecretStr = Field(min_length=1)
    reports: Annotated[tuple[ReportTemplate, ...], BeforeValidator(check_reports)] = ()
    timezone: ZoneName = "UTC"


def configure_feeds(settings: Settings | None = None) -> tuple[Feed, ...]:
    """Return the feeds; reports only if some are configured, filling what they are mapped to."""
    filled: list[str | None] = list(REPORT_TABLES)
    if settings:
        filled = [one.columns.fills for one in settings.reports]
    filled += ["coverage"] * ("agent_state" in filled)
    fills = tuple(table for table in REPORT_TABLES if table in filled)
    lists = (
        Feed("call_leg", "window", 900, overlap_s=DAY_S, settle_s=300),
        Feed("agent", "list", DAY_S),
        Feed("queue", "list", DAY_S),
    )
    if settings is not None and not settings.reports:
        return lists
    # the vendor recomputes results: the last two days are collected again; windows are split at local midnights
    run = Feed("report_row", "window", 3600, 2 * DAY_S, settle_s=300, slice_s=7 * DAY_S, fills=fills)
    return run, *lists


FEEDS = configure_feeds()
