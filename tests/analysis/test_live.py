"""A live day that follows a database while others go on storing: the same as scoring it anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import wfm
from wfm.analysis.live import LiveFollower
from wfm.core import schema
from wfm.core.errors import NoDataError
from wfm.settings import load_settings
from wfm.storage.batches import retire_missing_rows, store_batch

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
DAY = ("2026-03-02", "2026-03-03")
MINUTE = timedelta(minutes=1)
AGENTS = ("ann", "bob", "cid", "dee")


@pytest.fixture
def centre(tmp_path: Path) -> wfm.Centre:
    made = wfm.Centre(load_settings(database=tmp_path / "live.duckdb"))
    plan = [(0, 240, "on_queue"), (60, 75, "break"), (120, 150, "meal")]
    rows = [
        {"agent_id": who, "start_at": START + a * MINUTE, "end_at": START + b * MINUTE, "activity": what}
        for who in AGENTS
        for a, b, what in plan
    ]
    store(made, "schedule", rows)
    store(made, "agent", [{"agent_id": who, "team": "red" if who < "c" else "blue"} for who in AGENTS])
    return made


def store(centre: wfm.Centre, table: str, rows: list[dict[str, object]]) -> None:
    known = schema.get_table(table).own_columns
    frame = pl.DataFrame([{c: row.get(c) for c in known} for row in rows], schema=known)
    centre.database.write_table(table, frame, source="pbx", origin="import")


def collect(centre: wfm.Centre, poll: int, **tables: list[dict[str, object]]) -> None:
    frames = {}
    for table, rows in tables.items():
        known = schema.get_table(table).own_columns
        frames[table] = pl.DataFrame([{c: r.get(c) for c in known} for r in rows], schema=known)
    store_batch(
        centre.database,
        name=f"poll-{poll}",
        source="pbx",
        feed="agent_state",
        window=None,
        result="complete",
        note="",
        payloads=(),
        tables=frames,
    )


def state(who: str, minute: float, word: str) -> dict[str, object]:
    return {"source": "pbx", "login": who, "at": START + minute * MINUTE, "vendor_state": word}


def seen(start: float, end: float) -> dict[str, object]:
    return {"source": "pbx", "start_at": START + start * MINUTE, "end_at": START + end * MINUTE}


def leg(number: int, who: str, answered: float, ended: float) -> dict[str, object]:
    return {
        "source": "pbx",
        "leg_id": f"leg-{number}",
        "login": who,
        "answered_at": START + answered * MINUTE,
        "ended_at": START + ended * MINUTE,
    }


def same(following: LiveFollower, centre: wfm.Centre) -> None:
    whole = centre.score(*DAY)
    assert following.live.adherence().rows() == whole.adherence().rows()
    assert (
        following.live.adherence(["team", "category"]).rows() == whole.adherence(["team", "category"]).rows()
    )
    assert following.live.exceptions().rows() == whole.exceptions().rows()
    assert following.live.slices().rows() == whole.slices().rows()


@pytest.mark.slow
def test_a_live_day_follows_what_is_collected(centre: wfm.Centre) -> None:
    collect(centre, 0, agent_state=[state(who, -5, "Available") for who in AGENTS], coverage=[seen(-60, 1)])
    following = centre.live(*DAY)
    same(following, centre)
    polls: list[dict[str, list[dict[str, object]]]] = [
        {"agent_state": [state("ann", 30, "Break"), state("ann", 33, "Available")]},
        {"agent_state": [state("bob", 55, "Busy")], "call_leg": []},
        {"agent_state": [state("bob", 64, "Break"), state("ann", 12, "away")]},  # late
        {"call_leg": [leg(1, "bob", 55, 62)]},
        {"call_leg": [leg(1, "bob", 55, 64)]},  # another version
        {"agent_state": [state("eve", 70, "Available"), state("cid", 71, "Logged out")]},  # never heard of
        {},
    ]
    for number, tables in enumerate(polls, 1):
        collect(centre, number, coverage=[seen(1 + 13 * (number - 1), 1 + 13 * number)], **tables)
        following.refresh()
        same(following, centre)
    assert following.live.board(START + 90 * MINUTE)["agent_id"].to_list() == [*AGENTS, "eve"]


@pytest.mark.slow
def test_a_poll_touches_those_it_is_about(centre: wfm.Centre) -> None:
    collect(centre, 0, agent_state=[state(who, -5, "Available") for who in AGENTS], coverage=[seen(-60, 10)])
    following = centre.live(*DAY)
    following.live.adherence()
    assert following.refresh() == 0
    collect(centre, 1, agent_state=[state("ann", 11, "away")], coverage=[seen(10, 12)])
    assert following.refresh() == 1
    assert following.refresh() == 0
    same(following, centre)


@pytest.mark.slow
def test_schedules_exemptions_and_their_revocation_are_followed(centre: wfm.Centre) -> None:
    collect(
        centre, 0, agent_state=[state("ann", 0, "away"), state("cid", 5, "away")], coverage=[seen(-60, 50)]
    )
    following = centre.live(*DAY)
    same(following, centre)
    excused = {
        "start_at": START,
        "end_at": START + 20 * MINUTE,
        "kind": "approved",
        "team": "red",
        "code": "fire",
    }
    store(centre, "exemption", [excused])
    assert following.refresh() == 2
    same(following, centre)
    store(centre, "exemption", [{**excused, "revoked_at": START + 30 * MINUTE}])
    assert following.refresh() == 2
    same(following, centre)
    late = {"start_at": START + 300 * MINUTE, "end_at": START + 360 * MINUTE, "activity": "on_queue"}
    store(centre, "schedule", [{"agent_id": "zoe", **late, "published_at": START}])
    following.refresh()
    same(following, centre)


@pytest.mark.slow
def test_another_login_or_mapping_begins_the_day_anew(centre: wfm.Centre) -> None:
    collect(
        centre,
        0,
        agent_state=[state("2001", 0, "At lunch"), state("ann", 3, "Available")],
        coverage=[seen(-60, 90)],
    )
    following = centre.live(*DAY)
    same(following, centre)
    store(centre, "login", [{"source": "pbx", "login": "2001", "agent_id": "bob"}])
    following.refresh()
    same(following, centre)
    store(centre, "state_map", [{"source": "*", "vendor_state": "At lunch", "state": "meal"}])
    following.refresh()
    same(following, centre)
    assert following.live.board(START + 5 * MINUTE)["state"].to_list()[:2] == ["available", "meal"]


@pytest.mark.slow
def test_rows_that_are_retired_are_followed(centre: wfm.Centre) -> None:
    collect(
        centre,
        0,
        agent_state=[state("ann", 0, "Available"), state("bob", 0, "Busy")],
        coverage=[seen(-9, 90)],
    )
    collect(
        centre,
        1,
        agent_state=[state("bob", 40, "away")],
        call_leg=[leg(1, "bob", 1, 62), leg(2, "ann", 1, 2)],
    )
    following = centre.live(*DAY)
    same(following, centre)
    for table in ("call_leg", "agent_state", "coverage"):
        key = schema.get_table(table).key
        kept = centre.read_table(table).select(key).clear()
        assert retire_missing_rows(centre.database, table, "pbx", [4 if table != "coverage" else 3], kept)
        following.refresh()
        same(following, centre)


def test_a_live_day_without_a_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match="No database"):
        wfm.Centre(load_settings(database=tmp_path / "none.duckdb")).live(*DAY)


def test_frames_alone_make_a_live_day() -> None:
    plan = {"agent_id": ["a"], "start_at": [START], "end_at": [START + 60 * MINUTE], "activity": ["on_queue"]}
    said = {"login": ["a"], "at": [START + 6 * MINUTE], "vendor_state": ["Available"]}
    live = wfm.live(schedule=pl.DataFrame(plan), agent_state=pl.DataFrame(said), window=DAY)
    assert live.adherence([])["adherence"].item() == 0.9
    live.take(agent_state=pl.DataFrame(said).with_columns(at=pl.lit(START)))
    assert live.adherence([])["adherence"].item() == 1.0
