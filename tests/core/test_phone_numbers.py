"""Numbers as vendors write them are spelt alike, or not at all."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfm.core.phone_numbers import SUPPORTED_COUNTRIES, convert_to_e164

MOBILE, SAMPLE = "+972501234567", "+15555550177"


def spelt(said: str, country: str) -> str | None:
    return convert_to_e164(pl.Series([said]), country)[0]


@pytest.mark.parametrize(
    ("said", "country", "want"),
    [
        ("050-123 4567", "IL", MOBILE),
        ("+972-50-1234567", "US", MOBILE),
        ("972501234567", "IL", MOBILE),
        ("972501234567", "", MOBILE),
        ("00972501234567", "IL", MOBILE),
        ("00972501234567", "US", MOBILE),
        ("00972501234567", "", MOBILE),
        ("011972501234567", "US", MOBILE),
        ("tel:0501234567", "il", MOBILE),
        ("(555) 555-0177", "US", SAMPLE),
        ("sip:15555550177@host;user=phone", "IL", SAMPLE),
        ("+1 (555) 555-0177 ext. 5", "IL", SAMPLE),
        ("+15555550177x12", "", SAMPLE),
        ("+15555550177,,123", "", SAMPLE),
        ("0501234567", "", None),
        ("(555) 555-0177", "", None),
        ("101", "IL", None),
        ("0042*101@pbx.example", "IL", None),
        ("AbCdEfGh", "IL", None),
        ("Anonymous", "IL", None),
        ("anonymous@anonymous.invalid", "IL", None),
        ("+0501234567", "IL", None),
        ("5" * 40, "IL", None),
        ("", "IL", None),
    ],
)
def test_number_is_spelt_internationally_or_not_at_all(said: str, country: str, want: str | None) -> None:
    assert spelt(said, country) == want


@given(
    st.text(max_size=30) | st.text("0123456789+()-. x;@,*#", max_size=20),
    st.sampled_from(["", *sorted(SUPPORTED_COUNTRIES)]),
)
def test_any_text_gives_valid_e164_or_nothing(said: str, country: str) -> None:
    got = spelt(said, country)
    if got is not None:
        assert got[0] == "+"
        assert got[1:].isdecimal()
        assert 7 <= len(got) <= 19
        assert spelt(got, country) == got
