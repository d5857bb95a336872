"""The only reader of the environment: `WFM_…` variables and a settings file become one checked object."""

from __future__ import annotations

import difflib
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import available_timezones

import holidays
from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.sources import DotEnvSettingsSource

from wfm.errors import SettingsError

PREFIX = "WFM_"
FILE = "settings.env"
FILE_VARIABLE = "WFM_SETTINGS"


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("not an IANA time zone; use a name like Asia/Jerusalem or UTC")
    return name


def _country(code: str) -> str:
    known = holidays.list_supported_countries(include_aliases=False)
    country, _, subdivision = code.partition("-")
    if code and (country not in known or (subdivision and subdivision not in known[country])):
        raise ValueError("not a country the holidays library knows; use a code like IL, US or DE-BY, or leave it empty")
    return code


class Settings(BaseSettings):
    """What an operator may set; every field is a line `WFM_<FIELD>=…`, explained in settings.example.env."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="ignore", frozen=True)

    database: Path = Path("wfm.duckdb")
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    country: Annotated[str, AfterValidator(_country)] = ""
    database_wait_s: float = Field(10.0, ge=0, le=3600)
    state_renewal_s: int = Field(16 * 3600, ge=60)
    wrapup_grace_s: int = Field(120, ge=0, le=3600)
    state_evidence: bool = True
    service_level: str = Field("0.8/20", pattern=r"^(0(\.\d+)?|1(\.0+)?)/\d+$")

    @property
    def state_renewal(self) -> timedelta:
        """Return how long a state holds that nothing renews."""
        return timedelta(seconds=self.state_renewal_s)

    @property
    def wrapup_grace(self) -> timedelta:
        """Return how much wrap-up after a call that overran counts as call driven."""
        return timedelta(seconds=self.wrapup_grace_s)

    @property
    def service_level_s(self) -> int:
        """Return within how many seconds a call must be answered."""
        return int(self.service_level.split("/")[1])


def load(path: Path | str | None = None, **over: Any) -> Settings:
    """Read the settings: arguments win over the environment, the environment over the file.

    Args:
        path: the file; None: what WFM_SETTINGS names, else settings.env in the working directory if it is there.
        over: fields that the caller decides; None means not decided.

    Raises:
        SettingsError: the named file is missing, a line is not a setting, or a value is wrong.
    """
    named = path or os.environ.get(FILE_VARIABLE)
    file = Path(named) if named else Path(FILE)
    if named and not file.is_file():
        raise SettingsError(f"No settings file {file}: name another with --settings or {FILE_VARIABLE}.")
    given = {name: value for name, value in over.items() if value is not None}
    env_file = file if file.is_file() else None
    _refuse_unknown(env_file)
    try:
        return Settings(_env_file=env_file, **given)  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError(_explain(error, env_file)) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is not a text file in UTF-8.") from error


def _refuse_unknown(file: Path | None) -> None:
    """A setting with a typing error must not be ignored in silence."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {FILE_VARIABLE}
    places = {name: "the environment" for name in os.environ}
    if file is not None:
        try:
            lines = DotEnvSettingsSource(Settings, env_file=file, env_file_encoding="utf-8", case_sensitive=True)
            places |= {name: str(file) for name in lines.env_vars}
        except UnicodeDecodeError as error:
            raise SettingsError(f"{file} is not a text file in UTF-8.") from error
    for name, place in places.items():
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(known))}."
            raise SettingsError(f"{name} in {place} is not a setting{hint}")


def _explain(error: ValidationError, file: Path | None) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    name = PREFIX + "__".join(str(part).upper() for part in first["loc"])
    more = f" ({error.error_count() - 1} more wrong)" if error.error_count() > 1 else ""
    where = f" (environment or {file})" if file else ""
    return f"{name}={first['input']!r}{where}: {first['msg'].removeprefix('Value error, ')}.{more}"
