"""The settings of an account at Nextiva NCC, and its feeds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, SecretStr

from wfm.vendors.contract import Feed, Limits, SourceSettings
from wfm.vendors.setting_types import BaseUrl, LowerCase

NAME = "nextiva_ncc"
TITLE = "Nextiva NCC (Thrio)"
LIMITS = Limits(requests_per_minute=120, concurrent=2)  # none is documented
STATES: Mapping[str, str] = {
    "Available": "available",
    "Busy": "busy",
    "Working": "working",
    "Wrapup": "wrapup",
    "No Answer": "no_answer",
    "Logged in": "logged_in",
    "Logged out": "logged_out",
}

INTERVAL_S: Final = 900
INTERVAL_US: Final = INTERVAL_S * 1_000_000
OVERLAP_S: Final = 4 * INTERVAL_S


def _check_path(path: str) -> str:
    path = path.strip()
    if not re.fullmatch(r"/[^\s?#]*", path) or path.startswith("//") or ".." in path.split("/"):
        raise ValueError("is not a path below the host; give one like /data/api/types")
    return path.rstrip("/")


def _add_type(path: str) -> str:
    return path if "{type}" in path else f"{path}/{{type}}"


UrlPath = Annotated[str, AfterValidator(_check_path)]
QueryName = Annotated[str, Field(pattern=r"^[\w.\-\[\]]+$")]


class Settings(SourceSettings):
    """The settings of an account.

    base_url: the login host. username, password: of the integration's user. auth_scheme: how the token is sent; auto
    tries it raw, then with Bearer, and remembers. token_path, historical_path, realtime_path, types_path: below the
    host; ``{type}`` stands for queue or user. param_start, param_end: query names of a window. poll_seconds: the time
    between two polls of agent states. time_unit: of instants, in replies and in requests; auto detects it by their size
    in replies, and uses seconds in requests. handle_time_unit: of sumHandleTime. interval_label: whether an interval is
    named by its start or its end. intervals_per_request: 1 if ``historical`` returns one total for a whole request.
    absent_after: how many snapshots in a row must lack an agent before it counts as logged out. agent_key: how
    ``realTime`` names agents, so that the list of agents names them the same. page_rows: of the lists.
    """

    vendor: Literal["nextiva_ncc"]
    base_url: BaseUrl
    username: str = Field(min_length=1, pattern=r"^[^:]+$")  # Basic splits at the first colon
    password: SecretStr = Field(min_length=1)
    auth_scheme: Annotated[Literal["auto", "raw", "bearer"], LowerCase] = "auto"
    token_path: UrlPath = "/provider/token-with-authorities"
    historical_path: UrlPath = "/wfm/api/historical"
    realtime_path: UrlPath = "/wfm/api/realTime"
    types_path: Annotated[UrlPath, AfterValidator(_add_type)] = "/data/api/types/{type}"
    param_start: QueryName = "start"
    param_end: QueryName = "end"
    poll_seconds: int = Field(15, ge=1, le=600)
    time_unit: Annotated[Literal["auto", "s", "ms"], LowerCase] = "auto"
    handle_time_unit: Annotated[Literal["ms", "s"], LowerCase] = "ms"
    interval_label: Annotated[Literal["start", "end"], LowerCase] = "start"
    intervals_per_request: int = Field(96, ge=1, le=96)
    absent_after: int = Field(3, ge=1, le=1000)
    agent_key: Annotated[Literal["user_id", "username"], LowerCase] = "user_id"
    page_rows: int = Field(100, ge=1, le=10_000)


def configure_feeds(settings: Settings | None = None) -> tuple[Feed, ...]:
    """Return the feeds; the polling interval and the longest request depend on the settings."""
    # handle time is booked when wrap-up ends: intervals are collected five minutes late, and four of them again
    poll = settings.poll_seconds if settings else 15
    slice_s = (settings.intervals_per_request if settings else 96) * INTERVAL_S
    return (
        Feed("interval_volume", "window", INTERVAL_S, overlap_s=OVERLAP_S, settle_s=300, slice_s=slice_s),
        Feed("agent_state", "snapshot", poll, delay_s=poll),
        Feed("queue", "list", 86_400),
        Feed("agent", "list", 86_400),
    )


FEEDS = configure_feeds()
