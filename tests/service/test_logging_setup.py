"""The log tells no secret and no whole telephone number."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfm.service import LogFormat
from wfm.service.logging_setup import LogLineFormatter, mask_phone_numbers

SECRET = "s3cret of the source"


def line(message: str, shape: LogFormat = LogFormat.json, *, numbers: bool = False, **more: object) -> str:
    record = logging.makeLogRecord({"name": "wfm.test", "levelname": "INFO", "msg": message, **more})
    return LogLineFormatter(shape, [SECRET], numbers=numbers).format(record)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("from +1 555 010 1234", "from +* *** *** *234"),
        ("from +15550101234.", "from +********234."),
        ("(555) 010-1234 rang", "(***) ***-*234 rang"),
        ("call 0700000901 lost", "call *******901 lost"),
        ("phone=5550101234&x=1", "phone=*******234&x=1"),
        ("from 127.0.0.1:8080 and 192.168.100.200", "from 127.0.0.1:8080 and 192.168.100.200"),
        ("15550101234: busy, tel:15550101234", "********234: busy, tel:********234"),
        ("sip:15550101234@pbx.example", "sip:********234@pbx.example"),
        ("?CallerIDNum=%2B15550101234&x=1", "?CallerIDNum=%2B********234&x=1"),
        ("at 16:59:17.1234567 on fe80::1234:5678", "at 16:59:17.1234567 on fe80::1234:5678"),
        ("2026-03-02T08:00:00.123456+02:00", "2026-03-02T08:00:00.123456+02:00"),
        ("2026-03-02T08:00:00+02:00", "2026-03-02T08:00:00+02:00"),
        ("2026-03-02 08:00", "2026-03-02 08:00"),
        ("20260302T080000123456-0a1b2c3d.journal", "20260302T080000123456-0a1b2c3d.journal"),
        ("1,234,567 rows in 12.5 s", "1,234,567 rows in 12.5 s"),
        ("0.123456789", "0.123456789"),
        ("short 12345", "short 12345"),
    ],
)
def test_numbers_are_hidden_and_nothing_else(text: str, want: str) -> None:
    assert mask_phone_numbers(text) == want


@given(
    st.from_regex(r"\+?[1-9][0-9]{6,14}", fullmatch=True),
    st.sampled_from(["call {} end", "{}", "n={};", "{}: no", "tel:{}", '{{"caller":"{}"}}']),
)
def test_no_number_is_whole(number: str, around: str) -> None:
    shown = mask_phone_numbers(around.format(number))
    assert number not in shown
    assert shown.count("*") == len(number.lstrip("+")) - 3
    assert number[-3:] in shown


def test_a_line_is_an_object() -> None:
    said = json.loads(line("rang +15550101234 twice", source="bell", seconds=0.5, secret_was=SECRET))
    assert said["message"] == "rang +********234 twice"
    assert said | {"at": ""} == said | {
        "at": "",
        "level": "info",
        "logger": "wfm.test",
        "source": "bell",
        "seconds": 0.5,
    }
    assert SECRET not in json.dumps(said)


def test_numbers_are_shown_to_whom_asks() -> None:
    assert "+15550101234" in line("rang +15550101234", numbers=True)
    assert SECRET not in line(SECRET, numbers=True)


@pytest.mark.parametrize("shape", list(LogFormat))
def test_a_traceback_stays_on_its_line(shape: LogFormat) -> None:
    try:
        raise ValueError(f"not {SECRET}\nnor +15550101234")
    except ValueError:
        told = line("wrong", shape, exc_info=sys.exc_info())
    assert "\n" not in told
    assert "Traceback" in told
    assert SECRET not in told
    assert "5550101234" not in told
