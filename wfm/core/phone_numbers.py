"""Telephone numbers: converting what vendors write to the international format (E.164) with libphonenumber.

Vendors write ``0700 000901``, ``+972-700-000901``, ``tel:…``, ``sip:…@host``, an extension, ``Anonymous`` or nothing.
The number is also stored as it was received; calls of different vendors are compared by the international format.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import phonenumbers
import polars as pl

MIN_PUBLIC_DIGITS: Final = 7
"""The fewest digits of a public number; a shorter one is an extension."""
MAX_NATIONAL_DIGITS: Final = 10
"""The most digits of a national number; a longer one that does not begin with 0 probably has a country code."""
SUPPORTED_COUNTRIES: Final = frozenset(phonenumbers.SUPPORTED_REGIONS)
"""ISO codes of the countries whose national numbers can be converted."""
_URI_SCHEME_PATTERN = re.compile(r"^(sips?|tel|callto):", re.IGNORECASE)
_SUFFIX_PATTERN = re.compile(
    r"[;@,].*$|\s*\(?(?:ext\.?|extension|x)\s*\d{1,7}\)?$", re.IGNORECASE | re.DOTALL
)
"""What may follow a number: parameters, a host, digits to dial later, an extension."""


def convert_to_e164(numbers: pl.Series, country: str) -> pl.Series:
    """Return numbers in international format; null for anything else (an extension, a name, an account, nothing).

    Args:
        numbers: text, as it was received.
        country: ISO code of the country in which numbers without a country code are (IL, US; DE-BY counts as DE);
            empty: only numbers with a country code can be converted.
    """
    # each distinct number once: parsing is slow, and the calls of a day repeat many numbers
    distinct = numbers.drop_nulls().unique()
    converted = pl.DataFrame(
        {"written": distinct, "number": [_convert_number(text, country[:2].upper()) for text in distinct]},
        schema={"written": pl.String, "number": pl.String},
    )
    written = pl.DataFrame({"written": numbers.cast(pl.String)})
    return written.join(converted, on="written", how="left", maintain_order="left")["number"].alias(
        numbers.name
    )


@lru_cache(maxsize=100_000)
def _convert_number(written: str, country: str) -> str | None:
    bare = _SUFFIX_PATTERN.sub("", _URI_SCHEME_PATTERN.sub("", written.strip()))
    if sum(character.isdigit() for character in bare) < MIN_PUBLIC_DIGITS or re.search(r"[A-Za-z*#]", bare):
        return None
    candidates = [
        number
        for text, region in _list_interpretations(bare, country)
        if (number := _parse_number(text, region))
    ]
    best = next(filter(phonenumbers.is_valid_number, candidates), None) or next(
        filter(phonenumbers.is_possible_number, candidates), None
    )
    return (
        str(phonenumbers.format_number(best, phonenumbers.PhoneNumberFormat.E164))
        if best is not None
        else None
    )


def _list_interpretations(bare: str, country: str) -> list[tuple[str, str | None]]:
    """Return how a number may be read, most likely first: as a national one, or with a country code but no plus."""
    digits = re.sub(r"\D", "", bare)
    if bare.lstrip(" (").startswith("+"):
        return [("+" + digits, None)] if not digits.startswith("0") else []
    national = [(bare, country)] if country else []
    if digits.startswith("0"):
        # 00 stands for the plus in most countries, and phone systems elsewhere write it too
        return [*national, *([("+" + digits[2:], None)] if digits.startswith("00") else [])]
    if not country:
        # without a country a national number would be read as one of the country that its first digits happen to name
        return [("+" + digits, None)] if len(digits) > MAX_NATIONAL_DIGITS else []
    interpretations: list[tuple[str, str | None]] = [(bare, country), ("+" + digits, None)]
    return interpretations if len(digits) <= MAX_NATIONAL_DIGITS else interpretations[::-1]


def _parse_number(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
