"""Calendars: events are segments, rules are followed, what is unclear is a bad row."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wfm.core.errors import InputError

ZONE = "Asia/Jerusalem"


def calendar(*events):
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0"]
    for event in events:
        lines += ["BEGIN:VEVENT", *event.strip().split("\n"), "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def event(*more, start="DTSTART:20260302T080000Z", end="DTEND:20260302T090000Z"):
    return "\n".join(
        ["UID:1", "DTSTAMP:20260101T000000Z", start, end, "SUMMARY:phone", "X-WFM-AGENT:A1", *more]
    )


def spans(got):
    return got.frame.select("start_at", "end_at").rows()


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def test_an_event_is_a_segment(read):
    got = read(calendar(event()), "schedule", "x.ics")
    assert got.frame.rows() == [("A1", utc(2026, 3, 2, 8), utc(2026, 3, 2, 9), "phone", None, 1)]
    assert got.note == ()


def test_zones_durations_and_days(read):
    got = read(
        calendar(
            event(start=f"DTSTART;TZID={ZONE}:20260302T080000", end="DURATION:PT90M"),
            event(start="DTSTART:20260302T080000", end="DTEND:20260302T090000"),
            event(start="DTSTART;VALUE=DATE:20260327", end=""),
            event(start="DTSTART;VALUE=DATE:20260401", end="DTEND;VALUE=DATE:20260403"),
        ).replace("\r\n\r\n", "\r\n"),
        "schedule",
        "x.ics",
        timezone=ZONE,
    )
    assert got.bad.is_empty()
    assert spans(got) == [
        (utc(2026, 3, 2, 6), utc(2026, 3, 2, 7, 30)),
        (utc(2026, 3, 2, 6), utc(2026, 3, 2, 7)),
        (utc(2026, 3, 26, 22), utc(2026, 3, 27, 21)),  # 23 hours
        (utc(2026, 3, 31, 21), utc(2026, 4, 2, 21)),
    ]


def test_who_and_what(read):
    bare = event().replace(
        "X-WFM-AGENT:A1",
        "ATTENDEE:mailto:ann@x.org\nATTENDEE:MAILTO:bob@x.org\nATTENDEE;CUTYPE=ROOM:mailto:room@x.org",
    )
    got = read(calendar(bare), "schedule", "x.ics")
    assert got.frame["agent_id"].to_list() == ["ann@x.org", "bob@x.org"]
    nobody = event().replace("X-WFM-AGENT:A1\n", "").replace("\nX-WFM-AGENT:A1", "")
    assert read(calendar(nobody), "schedule", "x.ics", defaults={"agent_id": "A9"}).frame[
        "agent_id"
    ].to_list() == ["A9"]
    assert read(calendar(nobody), "schedule", "x.ics").bad["column"].to_list() == ["agent_id"]
    got = read(calendar(event("CATEGORIES:red,Meal")), "schedule", "x.ics", activities=["meal"])
    assert got.frame["activity"].to_list() == ["meal"]
    got = read(calendar(event()), "schedule", "x.ics", activities=["meal"])
    assert got.bad.row(0)[:3] == (1, "activity", "phone")


def test_rules_follow_the_clock_on_the_wall(read):
    start, end = f"DTSTART;TZID={ZONE}:20260325T080000", f"DTEND;TZID={ZONE}:20260325T160000"
    got = read(
        calendar(
            event("RRULE:FREQ=DAILY;COUNT=4", f"EXDATE;TZID={ZONE}:20260326T080000", start=start, end=end)
        ),
        "schedule",
        "x.ics",
    )
    assert [s for s, _ in spans(got)] == [utc(2026, 3, 25, 6), utc(2026, 3, 27, 5), utc(2026, 3, 28, 5)]
    assert got.frame["row_no"].to_list() == [1, 1, 1]
    until = event("RRULE:FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20260311T080000Z")
    assert [s.day for s, _ in spans(read(calendar(until), "schedule", "x.ics"))] == [2, 4, 9, 11]


def test_rule_without_end_stops_year_after_the_file(read):
    got = read(calendar(event("RRULE:FREQ=WEEKLY")), "schedule", "x.ics")
    assert got.frame["start_at"].max() == utc(2027, 3, 1, 8)
    assert got.note == ("1 event that would repeat for longer followed until 2027-03-03",)
    got = read(calendar(event("RRULE:FREQ=WEEKLY;UNTIL=20991231")), "schedule", "x.ics")
    assert got.frame.height == 53


def test_one_moved_occurrence_takes_place_of_ruled_one(read):
    moved = event(
        "RECURRENCE-ID:20260303T080000Z", start="DTSTART:20260303T100000Z", end="DTEND:20260303T110000Z"
    )
    got = read(calendar(event("RRULE:FREQ=DAILY;COUNT=3"), moved), "schedule", "x.ics")
    assert [(s.day, s.hour) for s, _ in spans(got)] == [(2, 8), (4, 8), (3, 10)]
    got = read(calendar(event("RRULE:FREQ=DAILY;COUNT=3"), moved + "\nSTATUS:CANCELLED"), "schedule", "x.ics")
    assert [s.day for s, _ in spans(got)] == [2, 4]
    assert got.note == ("1 cancelled event skipped",)


def override(when, start, end, *more, range_=";RANGE=THISANDFUTURE"):
    return event(f"RECURRENCE-ID{range_}:{when}", *more, start=f"DTSTART:{start}", end=f"DTEND:{end}")


def test_this_and_future_moves_every_later_occurrence(read):
    later = override("20260304T080000Z", "20260304T100000Z", "20260304T130000Z", "CATEGORIES:meal")
    got = read(calendar(event("RRULE:FREQ=DAILY;COUNT=5"), later), "schedule", "x.ics", activities=["meal"])
    assert got.bad["row"].to_list() == [1] * 2  # phone is not known: only the two before the change are left
    got = read(calendar(event("RRULE:FREQ=DAILY;COUNT=5"), later), "schedule", "x.ics")
    assert [(s.day, s.hour, e.hour) for s, e in spans(got)] == [
        (2, 8, 9),
        (3, 8, 9),
        (4, 10, 13),
        (5, 10, 13),
        (6, 10, 13),
    ]
    assert got.frame["row_no"].to_list() == [1, 1, 2, 2, 2]


def test_this_and_future_ends_at_next_and_exdates(read):
    got = read(
        calendar(
            event("RRULE:FREQ=DAILY;COUNT=7", "EXDATE:20260305T080000Z"),
            override("20260304T080000Z", "20260304T100000Z", "20260304T110000Z"),
            override("20260306T080000Z", "20260306T070000Z", "20260306T073000Z"),
            override("20260307T080000Z", "20260307T200000Z", "20260307T210000Z", range_=""),
        ),
        "schedule",
        "x.ics",
    )
    assert sorted((s.day, s.hour, e.minute) for s, e in spans(got)) == [
        (2, 8, 0),
        (3, 8, 0),
        (4, 10, 0),
        (6, 7, 30),
        (7, 20, 0),
        (8, 7, 30),
    ]


def test_this_and_future_follows_clock_on_the_wall(read):
    series = event(
        "RRULE:FREQ=DAILY;COUNT=4",
        start=f"DTSTART;TZID={ZONE}:20260325T080000",
        end=f"DTEND;TZID={ZONE}:20260325T160000",
    )
    later = override("20260326T060000Z", "20260326T070000Z", "20260326T150000Z")
    got = read(calendar(series, later), "schedule", "x.ics")
    assert [s for s, _ in spans(got)] == [
        utc(2026, 3, 25, 6),
        utc(2026, 3, 26, 7),
        utc(2026, 3, 27, 6),  # still at 09:00, summer time
        utc(2026, 3, 28, 6),
    ]


def test_a_cancelled_this_and_future_ends_the_series(read):
    gone = override("20260304T080000Z", "20260304T080000Z", "20260304T090000Z", "STATUS:CANCELLED")
    got = read(calendar(event("RRULE:FREQ=DAILY;COUNT=5"), gone), "schedule", "x.ics")
    assert [s.day for s, _ in spans(got)] == [2, 3]


def test_this_and_future_stays_within_until(read):
    later = override("20260303T080000Z", "20260303T120000Z", "20260303T130000Z")
    got = read(calendar(event("RRULE:FREQ=DAILY;UNTIL=20260304T080000Z"), later), "schedule", "x.ics")
    assert [(s.day, s.hour) for s, _ in spans(got)] == [(2, 8), (3, 12), (4, 12)]


def test_dates_and_periods_are_added_to_a_rule(read):
    got = read(
        calendar(
            event(
                "RRULE:FREQ=WEEKLY;COUNT=2",
                "RDATE:20260304T080000Z,20280301T080000Z",
                "RDATE;VALUE=PERIOD:20260305T100000Z/20260305T103000Z,20260306T100000Z/PT2H",
                "EXDATE:20260309T080000Z",
            )
        ),
        "schedule",
        "x.ics",
    )
    assert [(s.day, s.hour, (e - s).seconds) for s, e in spans(got)] == [
        (2, 8, 3600),
        (4, 8, 3600),
        (5, 10, 1800),
        (6, 10, 7200),
        (1, 8, 3600),
    ]


def test_an_exdate_excludes_its_instant_in_any_zone(read):
    start, end = f"DTSTART;TZID={ZONE}:20260302T080000", f"DTEND;TZID={ZONE}:20260302T090000"
    rule = "RRULE:FREQ=DAILY;COUNT=3"
    got = read(calendar(event(rule, "EXDATE:20260303T060000Z", start=start, end=end)), "schedule", "x.ics")
    assert [s.day for s, _ in spans(got)] == [2, 4]
    # the same digits in another zone, and the digits in UTC of another time of day, are no occurrence
    for other in ("EXDATE:20260303T080000Z", f"EXDATE;TZID={ZONE}:20260303T100000"):
        got = read(calendar(event(rule, other, start=start, end=end)), "schedule", "x.ics")
        assert [s.day for s, _ in spans(got)] == [2, 3, 4]


def test_the_days_of_a_rule_are_the_schedule(read):
    got = read(calendar(event("RRULE:FREQ=WEEKLY;BYDAY=TU;COUNT=2")), "schedule", "x.ics")
    assert [s.day for s, _ in spans(got)] == [3, 10]  # not the Monday of DTSTART


@pytest.mark.parametrize(
    ("more", "options", "column", "said"),
    [
        ({"end": "X-NONE:1"}, {}, "end_at", "a DTEND or DURATION"),
        ({"start": "X-NONE:1"}, {}, "start_at", "a DTSTART"),
        ({"start": "DTSTART:20260302T080000"}, {}, "start_at", "naive time; give --timezone"),
        (
            {"start": "DTSTART:20260327T023000", "end": "DURATION:PT1H"},
            {"timezone": ZONE},
            "start_at",
            "does not exist in Asia/Jerusalem",
        ),
        (
            {"start": "DTSTART:20261025T013000", "end": "DURATION:PT1H"},
            {"timezone": ZONE},
            "start_at",
            "comes twice",
        ),
        (
            {"start": "DTSTART;TZID=Mars/Olympus:20260302T080000"},
            {"timezone": ZONE},
            "start_at",
            "a TZID that is an IANA timezone",
        ),
        ({"end": "DTEND:20260302T070000Z"}, {}, "end_at", "an instant after start_at"),
        ({"start": "DTSTART:soon"}, {}, "start_at", ""),
    ],
)
def test_what_is_unclear_is_a_bad_row(read, more, options, column, said):
    got = read(calendar(event(), event(**more)), "schedule", "x.ics", **options)
    assert got.frame["row_no"].to_list() == [1]
    assert got.bad.select("row", "column").rows() == [(2, column)]
    assert said in got.bad["expected"][0]
    assert got.bad_rows["row_no"].to_list() == [2]


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1",
        "FREQ=DAILY;COUNT=9999",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;COUNT=-1",
        "FREQ=DAILY;UNTIL=20200101",
        "FREQ=DAILY;COUNT=2\nEXRULE:FREQ=WEEKLY",
        "FREQ=DAILY;COUNT=2\nRECURRENCE-ID;RANGE=THISANDPRIOR:20260302T080000Z",
    ],
)
def test_rules_that_are_refused(read, rule):
    got = read(calendar(event(f"RRULE:{rule}")), "schedule", "x.ics")
    assert got.frame.is_empty()
    assert got.bad.select("row", "column").rows() == [(1, "start_at")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("hello", "no events|not a calendar"),
        (calendar(), "no events"),
        ("BEGIN:VCALENDAR\r\nBEGIN:VEVENT", "not a calendar|no events"),
    ],
)
def test_whole_file_problems(read, content, said):
    with pytest.raises(InputError, match=said):
        read(content, "schedule", "x.ics")
