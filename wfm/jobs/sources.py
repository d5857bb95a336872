"""Configured sources: their settings, checked by the vendor's own model, and a session to use each."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import SecretStr, ValidationError

from wfm.errors import SettingsError, UsageError
from wfm.numbers import REGIONS
from wfm.settings import PREFIX
from wfm.vendors import Feed, SourceSettings, Vendor, vendors

PLAIN: Final = {
    "missing": "is missing",
    "tuple_type": 'is not a JSON list; give one like ["…", "…"]',
    "model_type": 'is not a JSON object; give one like {"…": "…"}',
    "ip_v4_network": "has what is no network; give ones like 10.0.0.0/24, with zeros after the network's own bits",
}
PLAIN["ip_v6_network"] = PLAIN["ip_v4_network"]


@dataclass(frozen=True)
class Source:
    """One configured account at a vendor."""

    name: str
    vendor: Vendor
    settings: SourceSettings

    @property
    def feeds(self) -> dict[str, Feed]:
        """Return its feeds by name, as its settings make them."""
        made = getattr(self.vendor, "feeds", None)
        return {feed.name: feed for feed in (made(self.settings) if made else self.vendor.FEEDS)}

    @property
    def secrets(self) -> list[str]:
        """Return every secret of its settings, for redaction."""
        return [
            value.get_secret_value()
            for value in dict(self.settings).values()
            if isinstance(value, SecretStr) and value.get_secret_value()
        ]


def configured(raw: Mapping[str, Mapping[str, Any]], country: str = "") -> dict[str, Source]:
    """Check the settings of every source; ``country`` is that of those that name none.

    Raises:
        SettingsError: a vendor does not exist, or a setting of a source is missing or wrong; no secret is in the text.
    """
    usual = {"country": country[:2] if country[:2] in REGIONS else ""}
    return {name: _source(name, {**usual, **values}) for name, values in sorted(raw.items())}


def readable(
    raw: Mapping[str, Mapping[str, Any]], country: str = ""
) -> tuple[dict[str, Source], dict[str, str]]:
    """Check the settings of every source as `configured`; return those that hold, and what is wrong with the others."""
    sources: dict[str, Source] = {}
    wrong: dict[str, str] = {}
    for name, values in sorted(raw.items()):
        try:
            sources |= configured({name: values}, country)
        except SettingsError as error:
            wrong[name] = str(error)
    return sources, wrong


def longest_delay_s(sources: Mapping[str, Source]) -> int:
    """Return how late agent states may be told: the longest time between two polls of any source; 0 without one."""
    feeds = [feed for source in sources.values() for feed in source.feeds.values()]
    return max((feed.delay_s for feed in feeds if feed.name == "agent_state"), default=0)


def pick(
    sources: Mapping[str, Source], names: list[str] | None, feed: str | None
) -> list[tuple[Source, Feed]]:
    """Choose sources and feeds by name; all if none is named.

    Raises:
        UsageError: no source is configured, or there is none, or no feed, of that name.
    """
    if not sources:
        raise UsageError(
            f"No source is configured: add lines like {PREFIX}SOURCES__NCC__VENDOR=nextiva_ncc "
            "(see settings.example.env)."
        )
    for name in names or ():
        if name.lower() not in sources:
            raise UsageError(f"No source {name!r} is configured; there are {', '.join(sources)}.")
    chosen = [sources[name.lower()] for name in names] if names else list(sources.values())
    pairs = [(source, one) for source in chosen for one in source.feeds.values() if feed in (None, one.name)]
    if not pairs:
        known = sorted({name for source in chosen for name in source.feeds})
        raise UsageError(f"No feed {feed!r} there; choose from {', '.join(known)}.")
    return pairs


def _source(name: str, values: Mapping[str, Any]) -> Source:
    prefix = f"{PREFIX}SOURCES__{name.upper()}__"
    given = {key.lower(): _read(value) for key, value in values.items()}
    known = vendors()
    wanted = given.get("vendor")
    if wanted not in known:
        near = difflib.get_close_matches(str(wanted), known, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}."
        what = f"{prefix}VENDOR is missing" if wanted is None else f"{prefix}VENDOR={wanted} is not a vendor"
        raise SettingsError(what + hint)
    vendor = known[wanted]
    given = {name: value for name, value in given.items() if not _is_unset(name, value, vendor.Settings)}
    try:
        return Source(name, vendor, vendor.Settings(**given))
    except ValidationError as error:
        raise SettingsError(_explain(error, prefix, vendor.Settings)) from None


def _read(value: Any) -> Any:
    """Read lists and objects, which an environment can only hold as JSON."""
    if isinstance(value, str) and value.strip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _is_unset(name: str, value: Any, model: type[SourceSettings]) -> bool:
    """Say whether a setting is a line that was left empty, of one that may be absent."""
    known = model.model_fields.get(name)
    return value == "" and known is not None and not known.is_required() and known.default is None


def _explain(error: ValidationError, prefix: str, model: type[SourceSettings]) -> str:
    """Say what is wrong without repeating a value, which may be a secret."""
    told: dict[str, None] = {}
    for one in error.errors(include_url=False, include_input=False)[:3]:
        name = str(one["loc"][0]) if one["loc"] else ""
        text = PLAIN.get(one["type"], one["msg"].removeprefix("Value error, "))
        if one["type"] == "too_short":
            text = f"is too short; give at least {one['ctx']['min_length']} characters"
        elif one["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name, model.model_fields, n=1)
            text = "is not a setting" + (f"; did you mean {prefix}{near[0].upper()}?" if near else "")
        told[f"{prefix}{name.upper()}: {text}"] = None
    return "; ".join(told)
