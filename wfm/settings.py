"""The settings, read from `WFM_…` variables and a settings file and checked; no other module reads the environment."""

from __future__ import annotations

import difflib
import json
import os
import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import available_timezones

from dotenv.parser import parse_stream
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from wfm.core.errors import SettingsError

VARIABLE_PREFIX = "WFM_"
DEFAULT_SETTINGS_FILE = "settings.env"
SETTINGS_FILE_VARIABLE = "WFM_SETTINGS"
SOURCE_VARIABLE_PREFIX = f"{VARIABLE_PREFIX}SOURCES__"
AUTO_DELAY = "auto"
SERVICE_LEVEL_PATTERN = re.compile(r"(0(\.\d+)?|1(\.0+)?)/\d{1,4}")


def _check_timezone(name: str) -> str:
    # not portable: what "localtime" means differs from machine to machine
    zones = available_timezones() - {"Factory", "localtime"}
    if name not in zones:
        near = difflib.get_close_matches(name.title(), zones, n=1)
        hint = f"did you mean {near[0]}?" if near else "use a name like Asia/Jerusalem or UTC"
        raise ValueError(f"not an IANA time zone; {hint}")
    return name


def _check_country(code: str) -> str:
    if not code:
        return code
    import holidays  # slow to load, and only needed where a country is named

    supported = holidays.list_supported_countries(include_aliases=False)
    country, _, subdivision = code.partition("-")
    if country not in supported or (subdivision and subdivision not in supported[country]):
        raise ValueError(
            "not a country the holidays library knows; use a code like IL, US or DE-BY, or leave it empty"
        )
    return code


def _check_service_level(goal: str) -> str:
    if SERVICE_LEVEL_PATTERN.fullmatch(goal) is None:
        raise ValueError("not a share of calls / seconds; use one like 0.8/20")
    return goal


def _check_delay(seconds: str) -> str:
    if seconds != AUTO_DELAY and not re.fullmatch(r"\d{1,4}", seconds):
        raise ValueError(f"not a number of seconds below 10,000, nor {AUTO_DELAY}")
    return seconds


def _check_database_path(path: Any) -> Any:
    if not str(path).strip():
        raise ValueError("names no file; use one like wfm.duckdb")
    return path


def _parse_networks(given: Any) -> Any:
    """Parse networks in CIDR notation, separated by commas."""
    if not isinstance(given, str):
        return given
    try:
        return tuple(ip_network(part.strip()) for part in given.split(",") if part.strip())
    except ValueError:
        raise ValueError("not networks; use some like 127.0.0.1/32, 10.0.0.0/8") from None


class EdgeTolerance(BaseModel):
    """The tolerance at the edges of one scheduled activity (see `wfm.engine.adherence.tolerance`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start_s: int = Field(0, ge=0, le=86_400)
    end_s: int = Field(0, ge=0, le=86_400)
    smooth: bool = False


def _parse_tolerance(given: Any) -> Any:
    """Parse JSON like {"break": {"end_s": 60}}; an empty text means no tolerance."""
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given or "{}")
    except ValueError:
        raise ValueError('not JSON; use {} or some like {"break": {"end_s": 60}}') from None


class Settings(BaseSettings):
    """The settings of wfm; the field ``x`` is the variable `WFM_X`, which settings.example.env explains."""

    model_config = SettingsConfigDict(
        env_prefix=VARIABLE_PREFIX, env_nested_delimiter="__", extra="ignore", frozen=True
    )

    database: Annotated[Path, BeforeValidator(_check_database_path)] = Path("wfm.duckdb")
    timezone: Annotated[str, AfterValidator(_check_timezone)] = "UTC"
    country: Annotated[str, AfterValidator(_check_country)] = ""
    database_wait_s: float = Field(10.0, ge=0, le=3600)
    state_renewal_s: int = Field(16 * 3600, ge=60)
    wrapup_grace_s: int = Field(120, ge=0, le=3600)
    state_delay_s: Annotated[str, AfterValidator(_check_delay)] = AUTO_DELAY
    state_evidence: bool = True
    threshold_s: int = Field(0, ge=0, le=86_400)
    threshold_smooth: bool = False
    tolerance: Annotated[dict[str, EdgeTolerance], NoDecode, BeforeValidator(_parse_tolerance)] = {}
    service_level: Annotated[str, AfterValidator(_check_service_level)] = "0.8/20"
    payload_days: int = Field(30, ge=0, le=36_500)
    trusted_proxies: Annotated[
        tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_parse_networks)
    ] = ()
    log_numbers: bool = False
    sources: dict[str, dict[str, Any]] = Field({}, repr=False)
    """Settings per source, unchecked: the vendor's own model checks them later. They may contain secrets."""

    @property
    def state_renewal(self) -> timedelta:
        """Return for how long a state is valid without renewal."""
        return timedelta(seconds=self.state_renewal_s)

    @property
    def wrapup_grace(self) -> timedelta:
        """Return how much wrap-up counts as call-driven after a call that ran into a break."""
        return timedelta(seconds=self.wrapup_grace_s)

    @property
    def service_level_s(self) -> int:
        """Return the seconds within which a call is to be answered."""
        return int(self.service_level.split("/")[1])


def load_settings(path: Path | str | None = None, **overrides: Any) -> Settings:
    """Read the settings; arguments override the environment, and the environment overrides the file.

    Args:
        path: the file; None: the one that WFM_SETTINGS names, else settings.env in the working directory, if any.
        overrides: fields that the caller sets; None means not set.

    Raises:
        SettingsError: the named file is missing, a line is not a setting, or a value is wrong.
    """
    named = path or os.environ.get(SETTINGS_FILE_VARIABLE)
    file = Path(named) if named else Path(DEFAULT_SETTINGS_FILE)
    if named and not file.is_file():
        raise SettingsError(
            f"No settings file {file}: name another with --settings or {SETTINGS_FILE_VARIABLE}."
        )
    given = {name: value for name, value in overrides.items() if value is not None}
    env_file = file if file.is_file() else None
    _refuse_unknown_settings(env_file)
    try:
        return Settings(_env_file=env_file, **given)  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError(_explain_validation_error(error, env_file)) from error


def quote_setting(value: str) -> str:
    """Quote a value for a settings file, so that blanks, # and quotes in it survive."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _refuse_unknown_settings(file: Path | None) -> None:
    """Raise SettingsError for a misspelt setting, which would be ignored otherwise."""
    settings = {VARIABLE_PREFIX + name.upper() for name in Settings.model_fields} | {SETTINGS_FILE_VARIABLE}
    origins = {name: "the environment" for name in os.environ if name.upper().startswith(VARIABLE_PREFIX)}
    if file is not None:
        origins |= dict.fromkeys(_read_setting_names(file), str(file))
    for name, origin in origins.items():
        if name.upper() not in settings and not name.upper().startswith(SOURCE_VARIABLE_PREFIX):
            near = difflib.get_close_matches(
                VARIABLE_PREFIX + name.upper().removeprefix(VARIABLE_PREFIX), settings, n=1
            )
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(settings))}."
            raise SettingsError(f"{name} in {origin} is not a setting; {hint}")


def _read_setting_names(file: Path) -> list[str]:
    """Return the names that a settings file sets; raise SettingsError for a line that is not NAME=value."""
    names = []
    try:
        with file.open(encoding="utf-8") as lines:
            for line in parse_stream(lines):
                if line.error:
                    text = line.original.string
                    number = line.original.line + text[: len(text) - len(text.lstrip())].count("\n")
                    raise SettingsError(f"{file}, line {number}: {text.strip()!r} is not NAME=value.")
                if line.key is not None:
                    names.append(line.key)
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is not a text file in UTF-8.") from error
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}.") from error
    return names


def _explain_validation_error(error: ValidationError, file: Path | None) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    setting, *inside = (str(part) for part in first["loc"])
    name = VARIABLE_PREFIX + setting.upper() + (f", {'.'.join(inside)}" if inside else "")
    more = f" ({error.error_count() - 1} more wrong)" if error.error_count() > 1 else ""
    where = f" (environment or {file})" if file else ""
    return f"{name}={first['input']!r}{where}: {first['msg'].removeprefix('Value error, ')}.{more}"
