"""Telephone numbers as every vendor writes them → one international spelling (E.164), by Google's libphonenumber.

A vendor says ``0700 000901``, ``+972-700-000901``, ``tel:…``, ``sip:…@host``, an extension, ``Anonymous`` or nothing.
The stored number stays as it was said; this is what calls of several vendors are compared by.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import phonenumbers
import polars as pl

SHORTEST: Final = 7
"""Fewer digits are an extension, not a number of the public network."""
LONGEST_NATIONAL: Final = 10
"""More digits than this that do not begin with 0 are rather a country code and a number."""
REGIONS: Final = frozenset(phonenumbers.SUPPORTED_REGIONS)
"""ISO codes of the countries whose national numbers can be spelt."""
_SCHEME = re.compile(r"^(sips?|tel|callto):", re.IGNORECASE)
_AFTER = re.compile(r"[;@,].*$|\s*\(?(?:ext\.?|extension|x)\s*\d{1,7}\)?$", re.IGNORECASE | re.DOTALL)
"""What follows a number and is none of it: parameters, a host, digits to dial later, an extension."""


def e164(numbers: pl.Series, country: str) -> pl.Series:
    """Spell numbers internationally; null: it is none (an extension, a name, an account, nothing).

    Args:
        numbers: text, as it was said.
        country: ISO code whose national numbers have no country code (IL, US; DE-BY counts as DE); empty: only
            numbers with a country code can be spelt.
    """
    distinct = numbers.drop_nulls().unique()
    spelt = pl.DataFrame(
        {"said": distinct, "number": [_spell(said, country[:2].upper()) for said in distinct]},
        schema={"said": pl.String, "number": pl.String},
    )
    said = pl.DataFrame({"said": numbers.cast(pl.String)})
    return said.join(spelt, on="said", how="left", maintain_order="left")["number"].alias(numbers.name)


@lru_cache(maxsize=100_000)
def _spell(said: str, country: str) -> str | None:
    bare = _AFTER.sub("", _SCHEME.sub("", said.strip()))
    if sum(character.isdigit() for character in bare) < SHORTEST or re.search(r"[A-Za-z*#]", bare):
        return None
    readings = [number for text, region in _readings(bare, country) if (number := _parsed(text, region))]
    best = next(filter(phonenumbers.is_valid_number, readings), None) or next(
        filter(phonenumbers.is_possible_number, readings), None
    )
    return (
        str(phonenumbers.format_number(best, phonenumbers.PhoneNumberFormat.E164))
        if best is not None
        else None
    )


def _readings(bare: str, country: str) -> list[tuple[str, str | None]]:
    """List how a number may be meant, the likelier first: with its country code but no plus, or as a national one."""
    digits = re.sub(r"\D", "", bare)
    if bare.lstrip(" (").startswith("+"):
        return [("+" + digits, None)] if not digits.startswith("0") else []
    national = [(bare, country)] if country else []
    if digits.startswith("0"):
        # 00 is dialled for the plus in most countries, and written by systems of others too
        return [*national, *([("+" + digits[2:], None)] if digits.startswith("00") else [])]
    if not country:
        # a national number would be taken for one of whatever country its first digits are the code of
        return [("+" + digits, None)] if len(digits) > LONGEST_NATIONAL else []
    both: list[tuple[str, str | None]] = [(bare, country), ("+" + digits, None)]
    return both if len(digits) <= LONGEST_NATIONAL else both[::-1]


def _parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
