"""Every setting from every place, and what is said when one is wrong."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from pydantic import ValidationError

from helpers.examples import examples
from helpers.paths import ROOT
from wfm.collect.sources import check_sources
from wfm.core.errors import SettingsError
from wfm.settings import (
    DEFAULT_SETTINGS_FILE,
    SETTINGS_FILE_VARIABLE,
    VARIABLE_PREFIX,
    Settings,
    load_settings,
    quote_setting,
)
from wfm.vendors import find_vendor_names, load_vendor

EXAMPLE = ROOT / "settings.example.env"
OTHER = {
    "database": ("other.duckdb", Path("other.duckdb")),
    "timezone": ("Asia/Jerusalem", "Asia/Jerusalem"),
    "country": ("DE-BY", "DE-BY"),
    "database_wait_s": ("2.5", 2.5),
    "state_renewal_s": ("3600", 3600),
    "wrapup_grace_s": ("0", 0),
    "state_delay_s": ("30", "30"),
    "state_evidence": ("false", False),
    "service_level": ("0.9/15", "0.9/15"),
}
"""Per field a text that is not its default, and what it means."""


def write(**values: str) -> None:
    Path(DEFAULT_SETTINGS_FILE).write_text(
        "".join(f"{VARIABLE_PREFIX}{name.upper()}={value}\n" for name, value in values.items())
    )


def test_the_defaults():
    assert load_settings().model_dump() == {
        name: field.default for name, field in Settings.model_fields.items()
    }
    assert load_settings().state_renewal == timedelta(hours=16)
    assert load_settings().wrapup_grace == timedelta(seconds=120)
    assert load_settings().service_level_s == 20


def test_every_field_is_tried_here():
    assert set(OTHER) <= set(Settings.model_fields)


@pytest.mark.parametrize("field", OTHER)
def test_field_from_file_the_environment_and_a_caller(field, monkeypatch):
    text, value = OTHER[field]
    write(**{field: text})
    assert getattr(load_settings(), field) == value
    default = Settings.model_fields[field].default
    monkeypatch.setenv(f"{VARIABLE_PREFIX}{field.upper()}", str(default))
    assert getattr(load_settings(), field) == default
    assert getattr(load_settings(**{field: value}), field) == value
    assert getattr(load_settings(**{field: None}), field) == default


def test_the_file_can_be_another(monkeypatch, place):
    write(timezone="Asia/Tokyo")
    (place / "a.env").write_text("WFM_TIMEZONE=Asia/Kolkata\n")
    (place / "b.env").write_text("WFM_TIMEZONE=Asia/Seoul\n")
    assert load_settings().timezone == "Asia/Tokyo"
    monkeypatch.setenv(SETTINGS_FILE_VARIABLE, str(place / "a.env"))
    assert load_settings().timezone == "Asia/Kolkata"
    assert load_settings(place / "b.env").timezone == "Asia/Seoul"
    monkeypatch.setenv(SETTINGS_FILE_VARIABLE, "")
    assert load_settings().timezone == "Asia/Tokyo"


def test_a_file_that_is_named_must_be_there(monkeypatch, place):
    with pytest.raises(
        SettingsError, match=r"No settings file no\.env: name another with --settings or WFM_SETTINGS"
    ):
        load_settings("no.env")
    with pytest.raises(SettingsError, match="No settings file"):
        load_settings(place)
    monkeypatch.setenv(SETTINGS_FILE_VARIABLE, "gone.env")
    with pytest.raises(SettingsError, match=r"No settings file gone\.env"):
        load_settings()


def test_settings_do_not_change():
    with pytest.raises(ValidationError):
        load_settings().timezone = "UTC"


# --- what is wrong --------------------------------------------------------------------------------------
WRONG = {
    ("database", ""): "names no file; use one like wfm.duckdb",
    ("database", "  "): "names no file",
    ("timezone", ""): "not an IANA time zone; use a name like Asia/Jerusalem or UTC",
    ("timezone", "asia/jerusalem"): "did you mean Asia/Jerusalem?",
    ("timezone", "Factory"): "not an IANA time zone",
    ("country", "XX"): "use a code like IL, US or DE-BY, or leave it empty",
    ("country", "DE-XX"): "use a code like IL",
    ("database_wait_s", "-1"): "greater than or equal to 0",
    ("database_wait_s", "nan"): "",
    ("database_wait_s", "soon"): "should be a valid number",
    ("state_renewal_s", "59"): "greater than or equal to 60",
    ("state_renewal_s", "1.5"): "should be a valid integer",
    ("wrapup_grace_s", "3601"): "less than or equal to 3600",
    ("state_delay_s", "-1"): "not a number of seconds below 10,000, nor auto",
    ("state_evidence", "perhaps"): "should be a valid boolean",
    ("service_level", "80/20"): "use one like 0.8/20",
    ("service_level", "0.8"): "use one like 0.8/20",
    ("service_level", "0.8/20s"): "use one like 0.8/20",
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_value_is_named_with_setting_and_remedy(case, monkeypatch):
    field, value = case
    monkeypatch.setenv(f"{VARIABLE_PREFIX}{field.upper()}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    said = str(caught.value)
    assert said.startswith(f"{VARIABLE_PREFIX}{field.upper()}={value!r}: ")
    assert WRONG[case] in said
    assert "\n" not in said


def test_wrong_value_in_file_is_named_and_counted():
    write(timezone="Mars", country="XX", wrapup_grace_s="x")
    with pytest.raises(
        SettingsError, match=r"WFM_TIMEZONE='Mars' \(environment or settings.env\): .* \(2 more wrong\)"
    ):
        load_settings()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("WFM_TIMEZON", "did you mean WFM_TIMEZONE?"),
        ("WFM_DATABASE_WAIT", "did you mean WFM_DATABASE_WAIT_S?"),
        ("wfm_contry", "did you mean WFM_COUNTRY?"),
        ("WFM_XQZ", "there are WFM_"),
    ],
)
def test_unknown_setting_is_an_error_with_a_suggestion(name, hint, monkeypatch, place):
    (place / DEFAULT_SETTINGS_FILE).write_text(f"{name}=1\n")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert f"{name} in {DEFAULT_SETTINGS_FILE} is not a setting; " in str(caught.value)
    assert hint in str(caught.value)
    (place / DEFAULT_SETTINGS_FILE).unlink()
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=f"{name} in the environment is not a setting"):
        load_settings()


def test_setting_without_its_prefix_is_not_passed_over(place):
    (place / DEFAULT_SETTINGS_FILE).write_text("TIMEZONE=UTC\n")
    with pytest.raises(
        SettingsError, match=r"TIMEZONE in settings.env is not a setting; did you mean WFM_TIMEZONE\?"
    ):
        load_settings()


def test_line_that_sets_nothing_is_not_passed_over(place):
    (place / DEFAULT_SETTINGS_FILE).write_text("# zone\nWFM_TIMEZONE=UTC\n\n!! what?\n")
    with pytest.raises(SettingsError, match=r"settings.env, line 4: '!! what\?' is not NAME=value"):
        load_settings()


def test_a_file_that_is_no_text(place):
    (place / DEFAULT_SETTINGS_FILE).write_bytes(b"WFM_TIMEZONE=\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"settings\.env is not a text file in UTF-8"):
        load_settings()


def test_unrelated_environment_variables_are_ignored(monkeypatch):
    monkeypatch.setenv("TIMEZONE", "Mars")
    monkeypatch.setenv("XWFM_TIMEZONE", "Mars")
    assert load_settings().timezone == "UTC"


# --- the example ----------------------------------------------------------------------------------------
def test_example_has_every_setting_with_default_and_comment():
    assert load_settings(EXAMPLE) == load_settings()
    blocks = EXAMPLE.read_text(encoding="utf-8").strip().split("\n\n")
    names = []
    for block in blocks:
        *comments, last = block.splitlines()
        assert all(line.startswith("# ") for line in comments)
        if not last.startswith("#"):
            assert comments
            names.append(last.partition("=")[0])
    fields = [VARIABLE_PREFIX + name.upper() for name in Settings.model_fields if name != "sources"]
    assert [name for name in names if "__" not in name] == fields


@examples(50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0$\r", exclude_categories=["Cc"]), min_size=1)
)
def test_what_is_quoted_comes_back(text):
    if text.strip():
        Path(DEFAULT_SETTINGS_FILE).write_text(f"WFM_DATABASE={quote_setting(text)}\n", encoding="utf-8")
        assert str(load_settings().database) == str(Path(text))


# --- what is wrong with a source ------------------------------------------------------------------------
PBX = {"vendor": "telphin", "client_id": "a", "client_secret": "b"}


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("allowed_networks", "10.0.0.0/8", 'is not a JSON list; give one like ["…", "…"]'),
        (
            "allowed_networks",
            '["10.0.0.1/8"]',
            "contains something that is no network; give some like 10.0.0.0/24",
        ),
        ("ivr_extensions", "8000", "is not a JSON list"),
        ("webhook_secret", "short", "is too short; give at least 16 characters"),
        ("country", "UK", "is not a country whose numbers are known; give a code like IL, US or GB"),
        ("client_id", "", "should have at least 1 character"),
    ],
)
def test_wrong_setting_of_source_says_what_to_give(setting: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_sources({"pbx": {**PBX, setting: value}})
    assert str(caught.value).startswith(f"WFM_SOURCES__PBX__{setting.upper()}: ")
    assert str(caught.value).count(said) == 1


def test_empty_line_of_a_source_counts_as_absent() -> None:
    settings = check_sources({"pbx": {**PBX, "webhook_secret": "", "requests_per_minute": ""}})[
        "pbx"
    ].settings
    assert (settings.webhook_secret, settings.requests_per_minute) == (None, None)


def test_ids_and_numbers_may_be_written_without_quotes() -> None:
    assert check_sources({"pbx": {**PBX, "ivr_extensions": "[8000]"}})["pbx"].settings.ivr_extensions == (
        "8000",
    )
    vc = {"vendor": "voicenter", "code": "x", "search": '{"phones": [972501234567]}'}
    assert check_sources({"vc": vc})["vc"].settings.search.phones == ("972501234567",)


@pytest.mark.parametrize(("country", "of_numbers"), [("DE-BY", "DE"), ("AQ", ""), ("", "")])
def test_country_without_own_numbers_is_no_error(country: str, of_numbers: str) -> None:
    assert check_sources({"pbx": PBX}, country)["pbx"].settings.country == of_numbers


# --- the sources that are shown -------------------------------------------------------------------------
def shown(text: str) -> list[str]:
    """Return the settings of sources in a text, commented out or not; what is left empty is filled in."""
    found = re.findall(r"^(?:# )?(WFM_SOURCES__[A-Z0-9_]+=)([^#\n]*?)(?: +#.*)?$", text, re.MULTILINE)
    return [f"{name}{value or 'filled-in-here-16'}" for name, value in found]


@pytest.mark.parametrize("name", ["wfm/vendors/README.md", "settings.example.env"])
def test_the_sources_that_are_shown_can_be_configured(name: str) -> None:
    lines = shown((EXAMPLE.parent / name).read_text(encoding="utf-8"))
    # one of two ways to log in, and an empty fallback is none
    lines = [line for line in lines if not re.search(r"VC__TOKEN=|FALLBACK_EXTENSION=", line)]
    Path(DEFAULT_SETTINGS_FILE).write_text("\n".join(lines), encoding="utf-8")
    own = load_settings()
    found = check_sources(own.sources, own.country)
    assert sorted(source.vendor.NAME for source in found.values()) == list(find_vendor_names())
    if name == "settings.example.env":
        told = {line.partition("=")[0].rpartition("__")[2].lower() for line in lines}
        required = {
            field
            for vendor in map(load_vendor, find_vendor_names())
            for field, info in vendor.Settings.model_fields.items()
            if info.is_required()
        }
        assert required <= told
