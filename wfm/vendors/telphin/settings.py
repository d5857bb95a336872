"""The settings of an account at Telphin, and its feeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field, SecretStr

from wfm.vendors.contract import CALL_EVENT, Feed, Limits, PushSettings
from wfm.vendors.setting_types import BaseUrl

NAME = "telphin"
TITLE = "Telphin (RingMe)"
# a second statistics request at the same time is refused
LIMITS = Limits(requests_per_minute=60, concurrent=1)
STATES: Mapping[str, str] = {"agent-login": "logged_in", "agent-logout": "logged_out"}
DAY_S: Final = 86_400
FEEDS: tuple[Feed, ...] = (
    Feed(CALL_EVENT, "window", 3600, overlap_s=DAY_S, settle_s=300, slice_s=DAY_S, fills=("agent_state",)),
    Feed("agent", "list", DAY_S),
    Feed("queue", "list", DAY_S),
)


class Settings(PushSettings):
    """The settings of an account.

    base_url: of the API. client_id, client_secret: of a trusted application. duration_unit: of Duration in events.
    hold_s: how long a leg that ended as answered waits for a late answer event. give_up_s: a leg without events for
    this long is incomplete. ivr_extensions, queue_extensions: ids of extensions, where events alone do not distinguish
    IVRs from queues and phones (JSON lists). transfer_variable: the IVR's variable with the extension to route a call
    to. fallback_extension: for callers without a responsible agent, or whose agent is not available; empty: nothing is
    set and the IVR goes on. page_rows: of the history and of lists.
    """

    vendor: Literal["telphin"]
    base_url: BaseUrl = "https://apiproxy.telphin.ru"
    client_id: str = Field(min_length=1)
    client_secret: SecretStr = Field(min_length=1)
    duration_unit: Literal["us", "ms", "s"] = "us"
    hold_s: float = Field(5.0, ge=0, le=600)
    give_up_s: float = Field(4 * 3600.0, ge=60, le=7 * DAY_S)
    ivr_extensions: tuple[str, ...] = ()
    queue_extensions: tuple[str, ...] = ()
    transfer_variable: str = Field("transferDestination", pattern=r"^\w{1,60}$")
    fallback_extension: str = Field("", pattern=r"^[\d*]{0,30}$")
    page_rows: int = Field(100, ge=1, le=1000)
