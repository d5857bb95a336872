"""Configured sources: their settings, checked by the vendor's own model, and their feeds."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import SecretStr, ValidationError

from wfm.core.errors import SettingsError, UsageError
from wfm.settings import VARIABLE_PREFIX
from wfm.vendors import Feed, SourceSettings, Vendor, find_vendor_names, list_feeds, load_vendor

PLAIN_ERROR_TEXTS: Final = {
    "missing": "is missing",
    "tuple_type": 'is not a JSON list; give one like ["…", "…"]',
    "model_type": 'is not a JSON object; give one like {"…": "…"}',
    "ip_v4_network": "contains something that is no network; give some like 10.0.0.0/24, with zeros after the prefix",
}
PLAIN_ERROR_TEXTS["ip_v6_network"] = PLAIN_ERROR_TEXTS["ip_v4_network"]


@dataclass(frozen=True)
class ConfiguredSource:
    """A configured account at a vendor."""

    name: str
    vendor: Vendor
    settings: SourceSettings

    @property
    def feeds(self) -> dict[str, Feed]:
        """Return its feeds by name; some depend on its settings."""
        return {feed.name: feed for feed in list_feeds(self.vendor, self.settings)}

    @property
    def secrets(self) -> list[str]:
        """Return the secrets of its settings, for redaction."""
        return [
            value.get_secret_value()
            for value in dict(self.settings).values()
            if isinstance(value, SecretStr) and value.get_secret_value()
        ]


def check_sources(raw: Mapping[str, Mapping[str, Any]], country: str = "") -> dict[str, ConfiguredSource]:
    """Check the settings of every source, and return the sources by name.

    Args:
        raw: source → its settings, as the environment or the file has them.
        country: the country of sources that name none; empty: unknown.

    Raises:
        SettingsError: a vendor does not exist, or a setting of a source is missing or wrong; the text has no secret.
    """
    if country:
        # phonenumbers is slow to load, and only needed where a country is named
        from wfm.core.phone_numbers import SUPPORTED_COUNTRIES

        country = country[:2] if country[:2] in SUPPORTED_COUNTRIES else ""
    default = {"country": country}
    return {name: _build_source(name, {**default, **values}) for name, values in sorted(raw.items())}


def split_valid_sources(
    raw: Mapping[str, Mapping[str, Any]], country: str = ""
) -> tuple[dict[str, ConfiguredSource], dict[str, str]]:
    """Check the settings of every source; return the valid sources, and the error of each of the others."""
    sources: dict[str, ConfiguredSource] = {}
    errors: dict[str, str] = {}
    for name, values in sorted(raw.items()):
        try:
            sources |= check_sources({name: values}, country)
        except SettingsError as error:
            errors[name] = str(error)
    return sources, errors


def find_longest_delay_s(sources: Mapping[str, ConfiguredSource]) -> int:
    """Return by how many seconds agent states may be reported late: the longest delay of any source, or 0."""
    feeds = [feed for source in sources.values() for feed in source.feeds.values()]
    return max((feed.delay_s for feed in feeds if feed.name == "agent_state"), default=0)


def select_feeds(
    sources: Mapping[str, ConfiguredSource], names: list[str] | None, feed: str | None
) -> list[tuple[ConfiguredSource, Feed]]:
    """Return the sources and feeds with the given names; all of them where none is given.

    Raises:
        UsageError: no source is configured, or there is no source or feed of that name.
    """
    if not sources:
        raise UsageError(
            f"No source is configured: add lines like {VARIABLE_PREFIX}SOURCES__NCC__VENDOR=nextiva_ncc "
            "(see settings.example.env)."
        )
    for name in names or ():
        if name.lower() not in sources:
            raise UsageError(f"No source {name!r} is configured; there are {', '.join(sources)}.")
    chosen = [sources[name.lower()] for name in names] if names else list(sources.values())
    pairs = [(source, one) for source in chosen for one in source.feeds.values() if feed in (None, one.name)]
    if not pairs:
        names_of_feeds = sorted({name for source in chosen for name in source.feeds})
        raise UsageError(f"There is no feed {feed!r}; choose from {', '.join(names_of_feeds)}.")
    return pairs


def _build_source(name: str, values: Mapping[str, Any]) -> ConfiguredSource:
    prefix = f"{VARIABLE_PREFIX}SOURCES__{name.upper()}__"
    given = {key.lower(): _parse_json_value(value) for key, value in values.items()}
    vendors = find_vendor_names()
    wanted = given.get("vendor")
    if wanted not in vendors:
        near = difflib.get_close_matches(str(wanted), vendors, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(vendors)}."
        what = f"{prefix}VENDOR is missing" if wanted is None else f"{prefix}VENDOR={wanted} is not a vendor"
        raise SettingsError(what + hint)
    vendor = load_vendor(wanted)
    given = {name: value for name, value in given.items() if not _is_unset(name, value, vendor.Settings)}
    try:
        return ConfiguredSource(name, vendor, vendor.Settings(**given))
    except ValidationError as error:
        raise SettingsError(_explain_validation_error(error, prefix, vendor.Settings)) from None


def _parse_json_value(value: Any) -> Any:
    """Parse lists and objects, which an environment variable can only contain as JSON."""
    if isinstance(value, str) and value.strip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _is_unset(name: str, value: Any, model: type[SourceSettings]) -> bool:
    """Return whether an optional setting was left empty, as in a copied example file."""
    field = model.model_fields.get(name)
    return value == "" and field is not None and not field.is_required() and field.default is None


def _explain_validation_error(error: ValidationError, prefix: str, model: type[SourceSettings]) -> str:
    """Return what is wrong without repeating a value, which may be a secret."""
    problems: dict[str, None] = {}
    for one in error.errors(include_url=False, include_input=False)[:3]:
        name = str(one["loc"][0]) if one["loc"] else ""
        text = PLAIN_ERROR_TEXTS.get(one["type"], one["msg"].removeprefix("Value error, "))
        if one["type"] == "too_short":
            text = f"is too short; give at least {one['ctx']['min_length']} characters"
        elif one["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name, model.model_fields, n=1)
            text = "is not a setting" + (f"; did you mean {prefix}{near[0].upper()}?" if near else "")
        problems[f"{prefix}{name.upper()}: {text}"] = None
    return "; ".join(problems)
