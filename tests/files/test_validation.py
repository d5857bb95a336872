"""What one row may hold, table by table; and that a rule names row, column, value and expectation."""

from __future__ import annotations

import pytest

T8, T9 = "2026-03-02T08:00:00Z", "2026-03-02T09:00:00Z"
LEG = "source,leg_id,started_at,answered_at,ended_at\n"
VOLUME = "source,queue_id,interval_start,entered,abandoned,sum_handle_time_s\n"


@pytest.mark.parametrize(
    ("table", "text", "column", "value", "expected"),
    [
        ("agent", "agent_id,name\n ,x\n", "agent_id", "", "a value: agent_id must not be empty"),
        ("agent", "agent_id,timezone\n1,Jerusalem\n", "timezone", "Jerusalem", "an IANA timezone"),
        (
            "schedule",
            f"agent_id,start_at,end_at,activity\n1,{T8},{T8},x\n",
            "end_at",
            T8,
            f"an instant after start_at {T8}",
        ),
        ("coverage", f"source,start_at,end_at\n1,{T9},{T8}\n", "end_at", T8, "an instant after start_at"),
        (
            "login",
            f"source,login,agent_id,from_at,to_at\ns,1,a,{T9},{T8}\n",
            "to_at",
            T8,
            "an instant after from_at",
        ),
        ("exemption", f"start_at,end_at,kind\n{T8},{T9},nice\n", "kind", "nice", "one of approved, system"),
        ("activity", "activity,category\nyoga,fun\n", "category", "fun", "one of on_queue, off_queue_work"),
        (
            "activity",
            "activity,category,shrinkage\nyoga,break,maybe\n",
            "shrinkage",
            "maybe",
            "one of planned, unplanned, none",
        ),
        ("activity", "activity,category,paid\nyoga,break,2\n", "paid", "2", "true, false, yes, no, 1 or 0"),
        ("state_map", "source,vendor_state,state\n*,x,unknown\n", "state", "unknown", "one of busy, hold"),
        ("state_map", "source,vendor_state,state\n*,x,unmapped\n", "state", "unmapped", "one of busy, hold"),
        ("rule", "category,state,in_adherence\nbreak,nap,yes\n", "state", "nap", "one of busy, hold"),
        ("rule", "category,state,in_adherence\nbreak,meal,\n", "in_adherence", "", "a value"),
        ("holiday", "on_date,name\n02.03.2026,x\n", "on_date", "02.03.2026", "a day such as 2026-03-02"),
        ("holiday", "on_date,name\n2026-02-30,x\n", "on_date", "2026-02-30", "a day such as 2026-03-02"),
        ("holiday", "on_date,name\n1812-02-03,x\n", "on_date", "1812-02-03", "from 1970 to 2199"),
        ("call_leg", LEG + f"s,1,{T9},{T8},\n", "answered_at", T8, f"an instant not before started_at {T9}"),
        ("call_leg", LEG + f"s,1,,{T9},{T8}\n", "ended_at", T8, "an instant not before answered_at"),
        ("call_leg", LEG + f"s,1,{T9},,{T8}\n", "ended_at", T8, "an instant not before started_at"),
        (
            "call_leg",
            "source,leg_id,direction\ns,1,inbound\n",
            "direction",
            "inbound",
            "one of in, out, internal, unknown",
        ),
        ("call_leg", "source,leg_id,talk_s\ns,1,-1\n", "talk_s", "-1", "a number of seconds, 0 or more"),
        ("call_leg", "source,leg_id,talk_s\ns,1,inf\n", "talk_s", "inf", "a number of seconds, 0 or more"),
        ("call_leg", "source,leg_id,talk_s\ns,1,nan\n", "talk_s", "nan", "a number of seconds, 0 or more"),
        (
            "call_leg",
            "source,leg_id,talk_s\ns,1,1e999\n",
            "talk_s",
            "1e999",
            "a number of seconds, 0 or more",
        ),
        (
            "call_leg",
            "source,leg_id,talk_s\ns,1,00:03:20\n",
            "talk_s",
            "00:03:20",
            "a number of seconds, 0 or more",
        ),
        (
            "interval_volume",
            VOLUME + "s,q,2026-03-02T08:05:00Z,1,0,1\n",
            "interval_start",
            "2026-03-02T08:05:00Z",
            "the start of a quarter",
        ),
        ("interval_volume", VOLUME + f"s,q,{T8},1,2,1\n", "abandoned", "2", "at most entered, 1"),
        ("interval_volume", VOLUME + f"s,q,{T8},1.5,1,1\n", "entered", "1.5", "a whole number, 0 or more"),
        ("interval_volume", VOLUME + f"s,q,{T8},-1,,1\n", "entered", "-1", "a whole number, 0 or more"),
        (
            "interval_volume",
            VOLUME + f's,q,{T8},"1,000",1,1\n',
            "entered",
            "1,000",
            "a whole number, 0 or more",
        ),
        ("interval_volume", VOLUME + f"s,q,{T8},1,1,\n", "sum_handle_time_s", "", "a value"),
    ],
)
def test_a_rule_names_the_cell(read, table, text, column, value, expected):
    got = read(text, table)
    assert got.frame.is_empty()
    row, named, shown, wanted = got.bad.row(got.bad["column"].to_list().index(column))
    assert (row, named, shown) == (2, column, value)
    assert wanted.startswith(expected) or expected in wanted
    assert got.bad_rows["row_no"].to_list() == [2]
    assert f"{column}: expected {wanted}" in got.bad_rows["problem"][0]


def test_every_problem_of_a_row_is_listed_once(read):
    got = read(VOLUME + f"s,q,{T8},x,y,z\n,,,1,1,1\n", "interval_volume")
    assert got.bad.select("row", "column").rows() == [
        (2, "entered"),
        (2, "abandoned"),
        (2, "sum_handle_time_s"),
        (3, "source"),
        (3, "queue_id"),
        (3, "interval_start"),
    ]
    assert got.bad_rows.height == 2


@pytest.mark.parametrize("text", ["true", "Yes", "1", "TRUE", "yes"])
def test_true(read, text):
    assert read(f"activity,category,paid\nx,break,{text}\n", "activity").frame["paid"].to_list() == [True]


@pytest.mark.parametrize("text", ["false", "No", "0", "FALSE"])
def test_false(read, text):
    assert read(f"activity,category,paid\nx,break,{text}\n", "activity").frame["paid"].to_list() == [False]


def test_words_are_folded_and_spelt_as_ours(read):
    assert read("activity,category\nphone,On-Queue\n", "activity").frame["category"].to_list() == ["on_queue"]
    got = read(
        f"agent_id,start_at,end_at,activity\n1,{T8},{T9},ON  QUEUE\n1,{T8},{T9},yoga\n",
        "schedule",
        activities=["On_Queue", "Lunch"],
    )
    assert got.frame["activity"].to_list() == ["On_Queue"]
    assert got.bad.rows() == [
        (
            3,
            "activity",
            "yoga",
            "a known activity (known are Lunch, On_Queue); add it with `wfm import activity`",
        )
    ]


def test_without_known_activities_any_will_do(read):
    assert read(f"agent_id,start_at,end_at,activity\n1,{T8},{T9},Yoga\n", "schedule").frame[
        "activity"
    ].to_list() == ["Yoga"]


def test_clocks_within_a_minute_agree(read):
    got = read(LEG + "s,1,2026-03-02T08:01:00Z,2026-03-02T08:00:00Z,2026-03-02T08:00:00Z\n", "call_leg")
    assert got.bad.is_empty()
    got = read(LEG + "s,1,2026-03-02T08:01:00.000001Z,2026-03-02T08:00:00Z,\n", "call_leg")
    assert got.bad["column"].to_list() == ["answered_at"]


def test_decimal_comma_where_cells_are_separated_by_semicolons(read):
    text = VOLUME.replace(",", ";") + f"s;q;{T8};3,0;1;12,5\n"
    assert read(text, "interval_volume").frame.row(0)[3:6] == (3, 1, 12.5)


@pytest.mark.parametrize(
    ("text", "number"), [("+1", 1.0), ("1.", 1.0), (".5", 0.5), ("1e3", 1000.0), ("0.1", 0.1)]
)
def test_numbers(read, text, number):
    assert read(f"source,leg_id,talk_s\ns,1,{text}\n", "call_leg").frame["talk_s"].to_list() == [number]
