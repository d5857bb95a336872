"""Requests for Xima's reports: parameter templates, and the mapping of columns."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from wfm.vendors.contract import Window
from wfm.vendors.setting_types import ZoneName

TIMEFRAME: Final = "REPORT_TIMEFRAME"
USERS: Final = "PBX_USERS"
LAST_INSTANT: Final = timedelta(milliseconds=1)
"""The vendor's windows include their last millisecond."""

CellFormat = Literal["STRING", "NUMBER", "DURATION"]
FORMATS: Final[Mapping[str, CellFormat]] = {
    "queue_id": "STRING",
    "interval_start": "STRING",
    "entered": "NUMBER",
    "abandoned": "NUMBER",
    "sum_handle_time_s": "DURATION",
    "login": "STRING",
    "at": "STRING",
    "until": "STRING",
    "vendor_state": "STRING",
    "vendor_reason": "STRING",
}
REQUIRED_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "interval_volume": ("interval_start", "entered", "abandoned", "sum_handle_time_s"),
    "agent_state": ("login", "at", "vendor_state"),
}
OPTIONAL_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "interval_volume": ("queue_id", "queue"),
    "agent_state": ("vendor_reason", "until"),
}
SAMPLE_INSTANT: Final = datetime(2024, 12, 31, 23, 45, 58, tzinfo=UTC)
"""An instant whose parts all differ: formatting and parsing it shows which parts a format of labels has."""


class ColumnMapping(BaseModel):
    """The meaning of a report's columns, by title; without ``fills`` the rows are only stored in report_row.

    fills: the table that the rows are parsed into. timezone: of the labels; empty: the source's. label: the format of
    instants (strptime); if it has no date, that is the requested day. separator: what separates a start from an end in
    one label. pinned: titles → formats of further columns that the report must have.

    interval_volume, a row per queue and 15 minutes: interval_start entered abandoned sum_handle_time_s, and queue_id (a
    column) or queue (the only queue of the report). agent_state, a row per segment of a time card: login at
    vendor_state, optionally vendor_reason, and until: its end, where the login enters the state ``then`` if no other
    segment begins.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fills: Literal["interval_volume", "agent_state"] | None = None
    timezone: ZoneName | Literal[""] = ""
    label: str = ""
    separator: str = ""
    pinned: dict[str, CellFormat] = Field(default_factory=dict)
    queue: str = ""
    queue_id: str = ""
    interval_start: str = ""
    entered: str = ""
    abandoned: str = ""
    sum_handle_time_s: str = ""
    login: str = ""
    at: str = ""
    until: str = ""
    vendor_state: str = ""
    vendor_reason: str = ""
    then: str = Field(default="Logged out", min_length=1)

    @field_validator("label")
    @classmethod
    def _check_label(cls, label: str) -> str:
        if not label:
            return label
        try:
            read = datetime.strptime(SAMPLE_INSTANT.strftime(label), label).time()  # noqa: DTZ007
        except ValueError:
            read = time()
        if (read.hour, read.minute) != (SAMPLE_INSTANT.hour, SAMPLE_INSTANT.minute):
            raise ValueError("has no hour and minute; give one like %m/%d/%Y %I:%M %p")
        return label

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        named = {name for name in (*FORMATS, "queue") if getattr(self, name)}
        if self.fills is None:
            if named:
                raise ValueError(f"{', '.join(sorted(named))} without fills; say which table they fill")
            return self
        missing = [name for name in (*REQUIRED_COLUMNS[self.fills], "label") if not getattr(self, name)]
        if self.fills == "interval_volume" and bool(self.queue) == bool(self.queue_id):
            missing.append("queue_id or queue, one of them")
        if missing:
            raise ValueError(f"to fill {self.fills} there must also be {', '.join(missing)}")
        strange = named - {*REQUIRED_COLUMNS[self.fills], *OPTIONAL_COLUMNS[self.fills]}
        if strange:
            raise ValueError(f"{', '.join(sorted(strange))} cannot fill {self.fills}")
        return self

    @property
    def expected_formats(self) -> dict[str, CellFormat]:
        """Return the titles that the report must have, and their formats."""
        read = {getattr(self, name): kind for name, kind in FORMATS.items() if getattr(self, name)}
        return {**self.pinned, **read}

    @property
    def has_dates(self) -> bool:
        """Return whether labels have a date."""
        other_day = SAMPLE_INSTANT - timedelta(days=35)
        return SAMPLE_INSTANT.strftime(self.label) != other_day.strftime(self.label)


class ReportTemplate(BaseModel):
    """A report that is enabled for the API.

    key: the last part of its URL. name: one of your own. parameters: as the product's request details show them; they
    are sent unchanged, except for the timeframe. columns: the meaning of its columns.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(pattern=r"^[\w-]+$")
    name: str = Field(min_length=1)
    parameters: tuple[dict[str, Any], ...]
    columns: ColumnMapping = Field(default_factory=ColumnMapping)

    @field_validator("parameters")
    @classmethod
    def _check_parameters(cls, parameters: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        if sum(map(_is_timeframe, parameters)) != 1:
            raise ValueError(f"there must be one of valueType {TIMEFRAME} among them")
        for one in parameters:
            if _get_type(one) == USERS and not all(
                isinstance(user, dict) and "key" in user for user in _get_users(one)
            ):
                raise ValueError(f'{USERS}: pbxUsers is a list of {{"key": "Name(ext)"}}')
        return parameters

    @property
    def users(self) -> list[str]:
        """Return the keys of the agents whom it names."""
        lists = (_get_users(one) for one in self.parameters if _get_type(one) == USERS)
        return list(dict.fromkeys(str(user["key"]) for users in lists for user in users))


def check_reports(given: Any) -> tuple[ReportTemplate, ...]:
    """Check the setting: the parsed list, or a text that was not JSON.

    Raises:
        ValueError: a report is wrong; the message says which, and how.
    """
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise ValueError('is not a JSON list of reports like {"key": "…", "name": "…", "parameters": […]}')
    reports = tuple(_check_report(at, one) for at, one in enumerate(given, 1))
    for what in ("key", "name"):
        values = [getattr(report, what) for report in reports]
        twice = sorted({one for one in values if values.count(one) > 1})
        if twice:
            raise ValueError(
                f"the {what} {twice[0]} is there twice; enable the report again under another key"
            )
    return reports


def _check_report(at: int, given: Any) -> ReportTemplate:
    if isinstance(given, ReportTemplate):
        return given
    try:
        return ReportTemplate.model_validate(given)
    except ValidationError as error:
        one = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, one["loc"]))
        text = one["msg"].removeprefix("Value error, ")
        raise ValueError(f"report {at}: {where}: {text}" if where else f"report {at}: {text}") from None


# --- requesting a day -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class ReportRun:
    """A report over a window; ``without``: agents who are left out."""

    report: ReportTemplate
    window: Window
    zone: ZoneInfo
    without: frozenset[str] = frozenset()

    @property
    def body(self) -> dict[str, Any]:
        """Return what is sent; always the same for the same run, because the vendor caches results by it."""
        return {"format": "json", "parameters": [self._fill_template(one) for one in self.report.parameters]}

    def narrow_to(self, users: Sequence[str]) -> ReportRun:
        """Return a run over the first second for some agents, which is enough to see whether they are permitted."""
        others = frozenset(self.report.users) - set(users)
        start = self.window.start
        return ReportRun(self.report, Window(start, start + timedelta(seconds=1)), self.zone, others)

    def _fill_template(self, template: dict[str, Any]) -> dict[str, Any]:
        one = copy.deepcopy(template)
        if _is_timeframe(one):
            value = one.get("value") if isinstance(one.get("value"), dict) else {"type": TIMEFRAME}
            start, end = format_window(self.window, self.zone)
            one["value"] = {**(value or {}), "start": start, "end": end}
        elif _get_type(one) == USERS:
            users = [user for user in _get_users(one) if str(user["key"]) not in self.without]
            one["value"] = {**one["value"], "pbxUsers": users}
        return one


def format_window(window: Window, zone: ZoneInfo) -> tuple[str, str]:
    """Format a window as the vendor expects: up to its last millisecond, each end with its own UTC offset."""
    start, end = (
        at.astimezone(zone).isoformat(timespec="milliseconds")
        for at in (window.start, window.end - LAST_INSTANT)
    )
    return start, end


def split_into_days(window: Window, zone: ZoneInfo) -> Iterator[Window]:
    """Split a window into local days; the first begins at midnight, the last ends with the window."""
    day = window.start.astimezone(zone).date()
    while True:
        start, end = (datetime.combine(day + timedelta(days=n), time(), zone).astimezone(UTC) for n in (0, 1))
        if start >= window.end:
            return
        yield Window(start, min(end, window.end))
        day += timedelta(days=1)


def _get_type(parameter: Mapping[str, Any]) -> Any:
    value = parameter.get("value")
    return parameter.get("valueType") or (value.get("type") if isinstance(value, dict) else None)


def _is_timeframe(parameter: Mapping[str, Any]) -> bool:
    return bool(_get_type(parameter) == TIMEFRAME)


def _get_users(parameter: Mapping[str, Any]) -> Collection[Any]:
    value = parameter.get("value")
    users = value.get("pbxUsers") if isinstance(value, dict) else None
    return users if isinstance(users, list) else ()
