"""Any past answer comes out again byte for byte, whatever came since; and what came since explains the difference."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wfm
from helpers.examples import slow_examples
from helpers.golden_day import rows
from wfm.centre import Centre
from wfm.core import schema
from wfm.core.errors import WfmError
from wfm.engine.adherence.classify import ADHERENCE_SUMS, CLASS_SUMS
from wfm.storage.batches import store_batch

FROM, TO = "2026-03-02", "2026-03-05"
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
AGENTS, TEAMS = ("ann", "bob", "cid"), ("red", "blue")
STATES = ("Available", "Busy", "Break", "Meal", "Wrapup", "Logged out", "Aux", "Training")
ACTIVITIES = ("phone", "break", "lunch", "training", "chat", "time_off")


class Life:
    """A centre to which things happen by chance."""

    def __init__(self, home: Path, seed: int) -> None:
        self.home, self.chance = home, random.Random(seed)
        self.centre: Centre = wfm.open(home / f"{seed}.duckdb")
        self.batches = 0
        self.put("activity", "activity,category", "chat,on_queue")
        self.put(
            "agent",
            "agent_id,name,team,timezone",
            "ann,Ann,red,UTC",
            "bob,Bob,red,",
            "cid,Cid,blue,Asia/Tokyo",
        )
        for agent in AGENTS:
            self.schedule(agent)
        self.states()
        for happening in (Life.legs, Life.exempt, Life.exempt, Life.revoke):
            happening(self)
        self.to_come = self.chance.sample(self.HAPPENINGS, 9)  # others the next time

    def put(self, table: str, header: str, *lines: str) -> None:
        path = self.home / f"{table}.csv"
        path.write_text(rows(header, *lines))
        self.centre.import_file(table, path, source="pbx")

    def at(self, hours: tuple[float, float] = (0, 72)) -> str:
        whole = self.chance.randrange(int(hours[0] * 12), int(hours[1] * 12)) * 5
        return (BEGIN + timedelta(minutes=whole)).isoformat()

    def sometime(self) -> str:
        """Give an instant in the past, or one to come, or none."""
        now = datetime.now(UTC)
        return self.chance.choice(
            ["", (now - timedelta(days=90)).isoformat(), (now + timedelta(days=90)).isoformat()]
        )

    def span(self) -> tuple[str, str]:
        one, other = sorted((self.at(), self.at()))
        return one, (datetime.fromisoformat(other) + timedelta(minutes=5)).isoformat()

    # --- what can happen ----------------------------------------------------------------------------------
    def schedule(self, agent: str | None = None) -> None:
        agent, said = agent or self.chance.choice(AGENTS), self.sometime() if agent is None else ""
        lines = []
        for day in self.chance.sample(range(3), self.chance.randint(1, 3)):
            start = BEGIN + timedelta(days=day, hours=self.chance.choice((6, 8, 9)))
            spans = [(0, 8, "phone")]
            spans += [
                (h, h + 0.5, self.chance.choice(ACTIVITIES)) for h in self.chance.sample(range(1, 7), 2)
            ]
            lines += [
                ",".join([agent, *((start + timedelta(hours=h)).isoformat() for h in (a, b)), what, said])
                for a, b, what in spans
            ]
        self.put("schedule", "agent_id,start_at,end_at,activity,published_at", *lines)

    def states(self) -> None:
        lines = [
            f"{self.chance.choice(('ann', 'bob', '77'))},{self.at()},{self.chance.choice(STATES)}"
            for _ in range(25)
        ]
        self.put("agent_state", "login,at,vendor_state", *lines)

    def legs(self) -> None:
        lines = []
        for number in self.chance.sample(range(12), 5):
            one, other = self.span()
            lines.append(f"leg-{number},{self.chance.choice(('ann', 'bob', '77'))},{one},{other}")
        self.put("call_leg", "leg_id,login,answered_at,ended_at", *lines)

    def told_legs(self) -> None:
        """Let a collector put legs together from events, and take them back when another event comes."""
        self.batches += 1
        one, other = self.span()
        event = {"source": "pbx", "event_id": f"e{self.batches}", "call_id": f"c{self.chance.randrange(2)}"}
        event |= {"at": BEGIN, "kind": self.chance.choice(("up", "gone")), "said": f"{one} {other}"}
        known = schema.get_table("call_event").own_columns
        store_batch(
            self.centre.database,
            name=f"b{self.batches}",
            source="pbx",
            feed="call_event",
            window=None,
            result="complete",
            note="",
            payloads=[],
            tables={"call_event": pl.DataFrame([event], schema=known)},
            legs=put_together,
        )

    def exemptions(self) -> None:
        one, other = self.span()
        whom = self.chance.choice(["ann,", "bob,", ",red", ",blue", ","])
        kind, made, gone = self.chance.choice(("approved", "system")), self.sometime(), self.sometime()
        header = "start_at,end_at,kind,agent_id,team,made_at,revoked_at"
        self.put("exemption", header, f"{one},{other},{kind},{whom},{made},{gone}")

    def exempt(self) -> None:
        whom: dict[str, Any] = self.chance.choice(
            [{"agents": ["ann", "cid"]}, {"teams": "red"}, {"everybody": True}]
        )
        self.centre.exempt(*self.span(), by="Dana", reason="so", **whom)

    def revoke(self) -> None:
        if ids := self.centre.exemptions()["id"].to_list():
            self.centre.revoke(self.chance.choice(ids), by="Eve", reason="no")

    def restore(self) -> None:
        if (there := self.centre.exemptions(revoked=True).filter(pl.col("state") == "revoked")).height:
            self.centre.restore(self.chance.choice(there["id"].to_list()), by="Fay")

    def mapping(self) -> None:
        self.put(
            "state_map",
            "source,vendor_state,state",
            f"*,{self.chance.choice(STATES)},{self.chance.choice(('away', 'busy', 'meal'))}",
        )

    def rule(self) -> None:
        line = (
            f"{self.chance.choice(('on_queue', 'break'))},{self.chance.choice(('available', 'busy', 'meal'))}"
        )
        self.put("rule", "category,state,in_adherence", f"{line},{self.chance.choice(('true', 'false'))}")

    def activity(self) -> None:
        name = self.chance.choice(("chat", "phone", "lunch"))
        line = f"{name},{self.chance.choice(('on_queue', 'break', 'meeting'))}"
        self.put(
            "activity", "activity,category,counted", f"{line},{self.chance.choice(('true', 'false', ''))}"
        )

    def login(self) -> None:
        end = self.chance.choice(("", self.at((24, 72))))
        self.put(
            "login", "source,login,agent_id,from_at,to_at", f"pbx,77,{self.chance.choice(AGENTS)},,{end}"
        )

    def agent(self) -> None:
        zone = self.chance.choice(("", "UTC", "America/New_York"))
        self.put(
            "agent",
            "agent_id,name,team,timezone",
            f"{self.chance.choice(AGENTS)},X,{self.chance.choice(TEAMS)},{zone}",
        )

    def coverage(self) -> None:
        one, other = self.span()
        self.put("coverage", "source,start_at,end_at", f"pbx,{one},{other}")

    def clock(self) -> None:
        offset = self.chance.choice((-300, 45, 600))
        self.put("clock", "source,offset_s,from_at,to_at,by", f"pbx,{offset},{self.at()},,Dana")

    HAPPENINGS: tuple[Callable[[Life], None], ...] = (
        schedule,
        schedule,
        states,
        legs,
        told_legs,
        exemptions,
        exempt,
        revoke,
        restore,
        mapping,
        rule,
        activity,
        login,
        agent,
        coverage,
        clock,
    )

    def go_on(self) -> str:
        happening = self.to_come.pop()
        happening(self)
        return happening.__name__


def put_together(events: pl.DataFrame) -> pl.DataFrame:
    """Make a leg of every call whose last event does not say that it was none."""
    last = events.group_by("call_id", maintain_order=True).last().filter(pl.col("kind") == "up")
    known = schema.get_table("call_leg").own_columns
    legs = [
        {"source": "pbx", "leg_id": f"{row['call_id']}-leg", "call_id": row["call_id"], "login": "ann"}
        | dict(
            zip(("answered_at", "ended_at"), map(datetime.fromisoformat, row["said"].split()), strict=True)
        )
        for row in last.iter_rows(named=True)
    ]
    return pl.DataFrame(legs, schema=known)


def written(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    lists = [name for name, dtype in frame.schema.items() if dtype == pl.List(pl.String)]
    frame.with_columns(pl.col(name).list.join(" ") for name in lists).write_csv(out)
    return out.getvalue()


def answers(centre: Centre, as_of: datetime | None) -> list[bytes]:
    scored = centre.score(FROM, TO, as_of=as_of)
    frames = [
        scored.adherence(),
        scored.adherence(["team", "activity"]),
        scored.exceptions(),
        scored.slices(),
    ]
    frames += [centre.adherence(f"{FROM}T07:11Z", f"{FROM}T17:00Z", agents="bob", as_of=as_of)]
    frames += [centre.exemptions(as_of=as_of, revoked=True), centre.read_table("schedule", as_of=as_of)]
    for agent in ("ann", "cid"):
        try:
            told = centre.explain(agent, FROM, as_of=as_of)
        except WfmError:
            continue
        frames += [told.slices, told.exceptions, told.totals, told.rows]
    return [written(frame) for frame in frames]


def lives(examples: int) -> Callable[..., Any]:
    return lambda test: slow_examples(examples)(given(seed=st.integers(0, 10**9))(test))


@pytest.mark.slow
@lives(1)
def test_every_past_answer_is_reproduced_byte_for_byte(tmp_path_factory, seed):
    life = Life(tmp_path_factory.mktemp("life"), seed)
    told = []
    while life.to_come:
        what = life.go_on()
        told.append((what, answers(life.centre, None), datetime.now(UTC)))
    for what, given_then, instant in told:
        assert answers(life.centre, instant) == given_then, what


@pytest.mark.slow
@lives(1)
def test_what_changed_adds_up_and_names_explaining_rows(tmp_path_factory, seed):
    life = Life(tmp_path_factory.mktemp("life"), seed)
    told = [(life.centre.adherence(FROM, TO), datetime.now(UTC))]
    while life.to_come:
        what = life.go_on()
        told.append((life.centre.adherence(FROM, TO), datetime.now(UTC)))
        (old, then), (new, now) = told[-2], told[-1]
        found = life.centre.what_changed(FROM, TO, then, now=now)
        assert found.unexplained.is_empty(), what
        assert found.causes.is_empty() == found.stretches.is_empty()
    (old, then), (new, now) = told[0], told[-1]
    found = life.centre.what_changed(FROM, TO, then)
    assert life.centre.what_changed(FROM, TO, then, now=now).figures.equals(found.figures)
    for name in ADHERENCE_SUMS:
        difference = (new[name].sum() or 0) - (old[name].sum() or 0)
        assert abs(found.figures[f"{name.removesuffix('_s')}_change_s"].sum() - difference) < 1e-6
    for name in (part.removesuffix("_s") for part in CLASS_SUMS):
        came, went = (
            found.stretches.filter(pl.col(f"class_{which}").cast(pl.String) == name)["seconds"].sum()
            for which in ("after", "before")
        )
        assert abs(came - went - found.figures[f"{name}_change_s"].sum()) < 1e-6


@pytest.mark.slow
def test_future_instant_decides_nothing_once_recorded(tmp_path):
    life = Life(tmp_path, 1)
    ahead = (datetime.now(UTC) + timedelta(days=400)).isoformat()
    line = f"ann,{FROM}T01:00Z,{FROM}T02:00Z,phone,{ahead}"
    life.put("schedule", "agent_id,start_at,end_at,activity,published_at", line)
    first = answers(life.centre, None)
    assert answers(life.centre, datetime.now(UTC)) == first
