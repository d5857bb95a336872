"""The settings of an account at Voicenter, and its feeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from wfm.vendors.contract import CALL_EVENT, Feed, Limits, PushSettings
from wfm.vendors.setting_types import BaseUrl, ZoneName

NAME = "voicenter"
TITLE = "Voicenter"
LIMITS = Limits(requests_per_minute=30, concurrent=1)
STATES: Mapping[str, str] = {}

DAY_S: Final = 86_400
LATE_CDR_S: Final = 65 * 60
"""How long after the start of its call a CDR may appear: minutes after the end of a call of an hour."""


class CdrSearch(BaseModel):
    """Which calls to request, by the vendor's own names; empty: all calls of the account."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, coerce_numbers_to_str=True)

    phones: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    identity: Literal["Account", "Hierarchical", "Department", "User"] = Field(
        "Account", alias="IdentityCriteria"
    )
    call_id: str = Field("", alias="callID")
    cdr_types: tuple[int, ...] = Field((), alias="cdrTypes")
    campaign_id: tuple[int, ...] = Field((), alias="campaignID")
    queue_id: tuple[int, ...] = Field((), alias="queueID")

    def build_query(self) -> dict[str, Any]:
        """Return the criteria that are sent: those that are not empty."""
        return {key: value for key, value in self.model_dump(by_alias=True, mode="json").items() if value}


class CdrOrder(BaseModel):
    """The order in which rows come."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str = "date"
    order: Literal["asc", "desc"] = "asc"


class Settings(PushSettings):
    """The settings of an account.

    code: the account's code; or token: sent as Bearer. method: get only with a token, because a URL must not contain a
    code. timezone: of the times in notifications. search, sort: as the vendor defines them (JSON). cap: the most rows
    of a reply.
    """

    vendor: Literal["voicenter"]
    base_url: BaseUrl = "https://api.voicenter.com"
    extensions_url: BaseUrl = "https://monitor.voicenter.co.il"
    code: SecretStr | None = Field(None, min_length=1)
    token: SecretStr | None = Field(None, min_length=1)
    method: Literal["post", "get"] = "post"
    timezone: ZoneName = "Asia/Jerusalem"
    search: CdrSearch = Field(default_factory=lambda: CdrSearch.model_validate({}))
    sort: tuple[CdrOrder, ...] = (CdrOrder(),)
    cap: int = Field(10_000, ge=1, le=100_000)

    @model_validator(mode="after")
    def _check_credentials(self) -> Settings:
        if self.code is None and self.token is None:
            raise ValueError("CODE or TOKEN is missing")
        if self.method == "get" and self.token is None:
            raise ValueError("METHOD=get needs TOKEN: a code does not belong into an address")
        return self


def configure_feeds(settings: Settings | None = None) -> tuple[Feed, ...]:
    """Return the feeds; notifications only if there is a webhook."""
    asked = (
        Feed("call_leg", "window", 300, overlap_s=LATE_CDR_S, settle_s=0, slice_s=6 * 3600),
        Feed("agent", "list", DAY_S),
    )
    pushed = (Feed(CALL_EVENT, "push", 60),)
    return asked + pushed if settings is None or settings.webhook_secret else asked


FEEDS = configure_feeds()
