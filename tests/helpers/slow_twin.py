"""The slow, obvious twin of the scoring engine: it walks every second of the day with dictionaries and loops.

Nothing here is clever and nothing here is fast; the engine must give the same integers. Inputs have the
columns of the import tables, as polars frames or lists of dicts, with instants on whole seconds. All
arithmetic inside is on integer epoch seconds. `step_s` walks in larger steps; that is exact as long as every
instant (and every setting) is a multiple of it, and refused where an instant is not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from wfm.core.glossary import (
    CATEGORIES,
    COUNTED_CATEGORIES,
    INTERVAL_S,
    QUEUE_STATES,
    REST_STATES,
    SHIFT_GAP_S,
    STATES,
    STATES_IN_ADHERENCE,
    UNKNOWN,
    UNMAPPED,
)

ONE_SOURCE = ""
"""The name of the source of rows that name none."""

BREAKS = ("break", "meal")
CALL_STATES = ("busy", "hold", "wrapup", "ringing")
OUT = ("system", "approved", "call_driven", "controllable")

ACTIVITIES = {name: name for name in CATEGORIES} | {
    "phone": "on_queue",
    "email": "off_queue_work",
    "lunch": "meal",
    "coaching": "training",
}
NEXTIVA = {
    "Available": "available",
    "Busy": "busy",
    "Working": "working",
    "Wrapup": "wrapup",
    "No Answer": "no_answer",
    "Logged in": "logged_in",
    "Logged out": "logged_out",
}


@dataclass
class Row:
    """One schedule row."""

    start: int
    end: int
    number: int
    activity: str
    published: int | None


@dataclass
class Segment:
    """One scheduled activity over [start, end)."""

    start: int
    end: int
    activity: str


@dataclass
class Shift:
    """The segments of one shift, in order."""

    segments: list[Segment]
    workday: date

    @property
    def start(self) -> int:
        return self.segments[0].start

    @property
    def end(self) -> int:
        return self.segments[-1].end


@dataclass
class Login:
    """One login of one agent, and when it is theirs."""

    source: str
    login: str
    start: int | None
    end: int | None

    def says(self, t: int) -> bool:
        return (self.start is None or self.start <= t) and (self.end is None or t < self.end)


@dataclass
class Score:
    """What the walk found."""

    seconds: list[dict[str, Any]]
    """Per agent and per step of every segment: agent_id team second shift (its start) segment (its start)
    workday activity category counted state class reason evidence evidence_kind. Class is None where nothing
    is counted."""
    unscheduled: list[dict[str, Any]]
    """Queue states outside the segments: agent_id team second run (its start) workday state."""
    step_s: int
    people: list[_Person]
    """Everybody, to be asked about any other second."""

    def totals(self, by: str | tuple[str, ...] | list[str] = ()) -> dict[tuple[Any, ...], dict[str, Any]]:
        """Add up the seconds per group; `by` names keys of `seconds`, or `interval`; keys are tuples."""
        by = (by,) if isinstance(by, str) else tuple(by)
        groups: dict[tuple[Any, ...], dict[str, Any]] = {}
        for record in self.seconds:
            key = tuple(
                instant(record["second"] // INTERVAL_S * INTERVAL_S) if name == "interval" else record[name]
                for name in by
            )
            if key not in groups:
                groups[key] = dict.fromkeys(SUMS, 0)
            sums = groups[key]
            if record["counted"]:
                sums["scheduled_s"] += self.step_s
                sums[record["class"] + "_s"] += self.step_s
            if record["category"] == "on_queue":
                sums["scheduled_work_s"] += self.step_s
            if record["state"] in QUEUE_STATES:
                sums["worked_s"] += self.step_s
        return {key: sums | ratios(sums) for key, sums in groups.items()}

    def exceptions(self) -> list[dict[str, Any]]:
        """Join seconds to adherence exceptions and to unscheduled work, in order of agent and start."""
        found: list[dict[str, Any]] = []
        last: dict[str, Any] | None = None
        lasted: Counter[str] = Counter()
        same = ("agent_id", "segment", "class", "reason")
        for record in self.seconds:
            if record["class"] not in OUT:
                last = None
                continue
            if (
                last is not None
                and last["second"] + self.step_s == record["second"]
                and all(last[name] == record[name] for name in same)
            ):
                found[-1]["end"] = instant(record["second"] + self.step_s)
                found[-1]["seconds"] += self.step_s
                lasted[record["state"]] += 1
                # the state that lasted longest stands for the run; of equals the one that came first
                found[-1]["state"] = lasted.most_common(1)[0][0]
                found[-1]["impact"] = impact(record["category"], found[-1]["state"])
            else:
                lasted = Counter([record["state"]])
                found.append(
                    {
                        "agent_id": record["agent_id"],
                        "workday": record["workday"],
                        "start": instant(record["second"]),
                        "end": instant(record["second"] + self.step_s),
                        "seconds": self.step_s,
                        "activity": record["activity"],
                        "state": record["state"],
                        "class": record["class"],
                        "reason": record["reason"],
                        "impact": impact(record["category"], record["state"]),
                        "evidence": record["evidence"],
                        "evidence_kind": record["evidence_kind"],
                    }
                )
            last = record
        last = None
        for record in self.unscheduled:
            if (
                last is not None
                and (last["agent_id"], last["run"]) == (record["agent_id"], record["run"])
                and last["second"] + self.step_s == record["second"]
            ):
                found[-1]["end"] = instant(record["second"] + self.step_s)
                found[-1]["seconds"] += self.step_s
            else:
                found.append(
                    {
                        "agent_id": record["agent_id"],
                        "workday": record["workday"],
                        "start": instant(record["second"]),
                        "end": instant(record["second"] + self.step_s),
                        "seconds": self.step_s,
                        "activity": None,
                        "state": record["state"],
                        "class": None,
                        "reason": "unscheduled_work",
                        "impact": "positive",
                        "evidence": [],
                        "evidence_kind": None,
                    }
                )
            last = record
        return sorted(found, key=lambda one: (one["agent_id"], one["start"]))

    def slices(self) -> list[dict[str, Any]]:
        """Join seconds that differ in nothing: agent_id start end activity state class reason."""
        found: list[dict[str, Any]] = []
        last: dict[str, Any] | None = None
        same = ("agent_id", "segment", "state", "class", "reason")
        for record in self.seconds:
            if (
                last is not None
                and last["second"] + self.step_s == record["second"]
                and all(last[name] == record[name] for name in same)
            ):
                found[-1]["end"] = instant(record["second"] + self.step_s)
            else:
                names = ("agent_id", "activity", "state", "class", "reason")
                found.append(
                    {name: record[name] for name in names}
                    | {"start": instant(record["second"]), "end": instant(record["second"] + self.step_s)}
                )
            last = record
        return found


SUMS = (
    "scheduled_s",
    "in_s",
    "approved_s",
    "call_driven_s",
    "system_s",
    "unknown_s",
    "controllable_s",
    "scheduled_work_s",
    "worked_s",
)


def ratios(sums: dict[str, Any]) -> dict[str, float | None]:
    """Divide the sums."""

    def ratio(part: int, whole: int) -> float | None:
        return part / whole if whole else None

    scheduled = sums["scheduled_s"]
    known = scheduled - sums["unknown_s"]
    return {
        "adherence": ratio(sums["in_s"], known),
        "adherence_adjusted": ratio(known - sums["controllable_s"], known),
        "adherence_low": ratio(sums["in_s"], scheduled),
        "adherence_high": ratio(sums["in_s"] + sums["unknown_s"], scheduled),
        "coverage": ratio(known, scheduled),
        "conformance": ratio(sums["worked_s"], sums["scheduled_work_s"]),
    }


def impact(category: str, state: str) -> str:
    """Say whether the agent served a queue unscheduled, or did not although scheduled."""
    if category == "on_queue" and state not in QUEUE_STATES:
        return "negative"
    if category != "on_queue" and state in QUEUE_STATES:
        return "positive"
    return "neutral"


def instant(second: int) -> datetime:
    """Turn epoch seconds into an instant."""
    return datetime.fromtimestamp(second, UTC)


def fold(text: str | None) -> str:
    """Forget case, spaces, underscores and dashes."""
    return "".join(c for c in (text or "").lower() if c not in " _-")


def table(frame: Any) -> list[dict[str, Any]]:
    """Turn a polars frame, a list of dicts or nothing into a list of dicts."""
    if frame is None:
        return []
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame.to_dicts()
    return [dict(row) for row in frame]


def slow_score(
    schedule: Any,
    agent_state: Any,
    call_leg: Any = None,
    exemption: Any = None,
    activity: Any = None,
    state_map: Any = None,
    coverage: Any = None,
    agent: Any = None,
    login: Any = None,
    rules: Any = None,
    timezone: str = "UTC",
    as_of: datetime | None = None,
    *,
    window: tuple[datetime, datetime] | None = None,
    wrapup_s: int = 120,
    delay_s: int = 0,
    stale_s: int = 16 * 3600,
    state_evidence: bool = True,
    shift_gap_s: int = SHIFT_GAP_S,
    long_off_s: int = 8 * 3600,
    step_s: int = 1,
) -> Score:
    """Score by walking. `window` only chooses which seconds are told, not how they are scored."""
    walk = _Walk(
        call_leg=table(call_leg),
        exemption=table(exemption),
        activity=table(activity),
        state_map=table(state_map),
        coverage=None if coverage is None else table(coverage),
        agent=table(agent),
        login=table(login),
        rules=table(rules),
        timezone=timezone,
        as_of=as_of,
        wrapup_s=wrapup_s,
        delay_s=delay_s,
        stale_s=stale_s,
        state_evidence=state_evidence,
        shift_gap_s=shift_gap_s,
        long_off_s=long_off_s,
        step_s=step_s,
        schedule=table(schedule),
        agent_state=table(agent_state),
    )
    seconds: list[dict[str, Any]] = []
    unscheduled: list[dict[str, Any]] = []
    people = [_Person(walk, agent_id) for agent_id in walk.agents()]
    for person in people:
        seconds += person.seconds()
        unscheduled += person.unscheduled()
    if window is not None:
        first, past = (edge.timestamp() for edge in window)
        seconds = [record for record in seconds if first <= record["second"] < past]
        unscheduled = [record for record in unscheduled if first <= record["second"] < past]
    return Score(seconds, unscheduled, step_s, people)


class _Walk:
    """What is the same for every agent."""

    def __init__(self, **inputs: Any) -> None:
        self.step = inputs["step_s"]
        self.zone = inputs["timezone"]
        # as_of may lie between two seconds or off the grid: it is only ever compared
        self.as_of: float | None = None if inputs["as_of"] is None else inputs["as_of"].timestamp()
        self.wrapup = inputs["wrapup_s"]
        self.delay = inputs["delay_s"]
        self.stale = inputs["stale_s"]
        self.state_evidence = inputs["state_evidence"]
        self.shift_gap = inputs["shift_gap_s"]
        self.long_off = inputs["long_off_s"]

        self.category = dict(ACTIVITIES)
        self.counted = {name: category in COUNTED_CATEGORIES for name, category in ACTIVITIES.items()}
        for row in inputs["activity"]:
            self.category[row["activity"]] = row["category"]
            counted = row.get("counted")
            self.counted[row["activity"]] = (
                row["category"] in COUNTED_CATEGORIES if counted is None else counted
            )

        self.rules = {category: set(states) for category, states in STATES_IN_ADHERENCE.items()}
        for row in inputs["rules"]:
            states = self.rules.setdefault(row["category"], set())
            if row["in_adherence"]:
                states.add(row["state"])
            else:
                states.discard(row["state"])

        self.team = {row["agent_id"]: row.get("team") for row in inputs["agent"]}
        self.zones = {row["agent_id"]: row.get("timezone") or self.zone for row in inputs["agent"]}

        self.coverage: dict[str, list[tuple[int, int]]] | None = None
        if inputs["coverage"] is not None:
            self.coverage = defaultdict(list)
            for row in inputs["coverage"]:
                span = (self.second(row["start_at"]), self.second(row["end_at"]))
                self.coverage[self.source(row)].append(span)

        self.state_map = inputs["state_map"]
        self.logins: dict[str, list[Login]] = defaultdict(list)
        known: set[tuple[str, str]] = set()
        for row in inputs["login"]:
            source, name = self.source(row), row["login"]
            known.add((source, name))
            span = (self.second(row.get("from_at")), self.second(row.get("to_at")))
            self.logins[row["agent_id"]].append(Login(source, name, *span))
        self.known_logins = known
        for row in inputs["agent_state"]:
            source, name = self.source(row), row["login"]
            if (source, name) not in known:
                known.add((source, name))
                self.logins[name].append(Login(source, name, None, None))

        # a login that never said anything counts only for an agent who has no other
        said = {(self.source(row), row["login"]) for row in inputs["agent_state"]}
        saying = {source for source, _ in said}
        everybody = dict(self.logins)
        self.log_sources = {
            agent_id: {one.source for one in logins} for agent_id, logins in self.logins.items()
        }
        for agent_id, logins in self.logins.items():
            heard = [one for one in logins if (one.source, one.login) in said]
            self.logins[agent_id] = heard or [one for one in logins if one.source in saying]

        # transactions: the last one of an instant counts, in order of arrival
        latest: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
        for row in inputs["agent_state"]:
            source = self.source(row)
            state = self.map_state(source, row["vendor_state"], row.get("vendor_reason"))
            latest[source, row["login"]][self.second(row["at"])] = state
        self.lines = {key: sorted(line.items()) for key, line in latest.items()}
        self.instants = {key: [at for at, _ in line] for key, line in self.lines.items()}

        self.call_sources = {self.source(row) for row in inputs["call_leg"]}
        self.legs: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
        owners = self.known_logins
        for row in inputs["call_leg"]:
            answered, ended = self.second(row.get("answered_at")), self.second(row.get("ended_at"))
            if row.get("login") is None:
                continue
            source, name = self.source(row), row["login"]
            if (source, name) not in owners:
                self.log_sources.setdefault(name, set()).add(source)
            if answered is None or ended is None:
                continue
            if (source, name) not in owners:
                self.legs[name].append((answered, ended, row["leg_id"]))
                continue
            for agent_id, logins in everybody.items():
                if any((one.source, one.login) == (source, name) and one.says(answered) for one in logins):
                    self.legs[agent_id].append((answered, ended, row["leg_id"]))

        self.exemptions = []
        for row in inputs["exemption"]:
            made, revoked = row.get("made_at"), row.get("revoked_at")
            if self.as_of is None:
                in_force = revoked is None
            else:
                in_force = (made is None or made.timestamp() <= self.as_of) and (
                    revoked is None or revoked.timestamp() > self.as_of
                )
            if in_force:
                self.exemptions.append(
                    (self.second(row["start_at"]), self.second(row["end_at"]), row["kind"], row)
                )

        self.schedule: dict[str, list[Row]] = defaultdict(list)
        for number, row in enumerate(inputs["schedule"]):
            if row["activity"] not in self.category:
                raise ValueError(f"unknown activity {row['activity']!r}")
            start, end = self.second(row["start_at"]), self.second(row["end_at"])
            published = row.get("published_at")
            if published is not None:
                published = published.timestamp()
                if self.as_of is not None and published > self.as_of:
                    continue
            if start < end:
                self.schedule[row["agent_id"]].append(Row(start, end, number, row["activity"], published))

    def agents(self) -> list[str]:
        return sorted({*self.schedule, *self.logins})

    def second(self, at: datetime | None) -> Any:
        """Turn an instant into epoch seconds; refuse what the walk would step over."""
        if at is None:
            return None
        if at.tzinfo is None:
            raise ValueError(f"naive instant {at}")
        second = int(at.timestamp())
        if at.microsecond or second % self.step:
            raise ValueError(f"{at} is not on a step of {self.step} s")
        return second

    @staticmethod
    def source(row: dict[str, Any]) -> str:
        return row.get("source") or ONE_SOURCE

    def map_state(self, source: str, vendor_state: str, vendor_reason: str | None) -> str:
        """Find our word: reason before none, source before every source, later row before earlier."""
        best: tuple[tuple[bool, bool, int], str] | None = None
        for number, row in enumerate(self.state_map):
            reason, of = fold(row.get("vendor_reason")), row.get("source") or "*"
            if fold(row["vendor_state"]) != fold(vendor_state):
                continue
            if reason and reason != fold(vendor_reason):
                continue
            if of not in ("*", source):
                continue
            rank = (bool(reason), of == source, number)
            if best is None or rank > best[0]:
                best = (rank, row["state"])
        if best is not None:
            return best[1]
        for label, state in NEXTIVA.items():
            if fold(label) == fold(vendor_state):
                return state
        for state in STATES:
            if state not in (UNMAPPED, UNKNOWN) and fold(state) == fold(vendor_state):
                return state
        return UNMAPPED

    def covered(self, source: str, t: int) -> bool:
        if self.coverage is None:
            return True
        return any(start <= t < end for start, end in self.coverage.get(source, ()))

    def all_covered(self, t: int) -> bool:
        if self.coverage is None:
            return True
        return bool(self.coverage) and all(self.covered(source, t) for source in self.coverage)

    def login_state(self, source: str, login: str, t: int) -> str:
        """Say the state of one login at t."""
        if not self.covered(source, t):
            return UNKNOWN
        line = self.lines.get((source, login), [])
        position = bisect_right(self.instants.get((source, login), []), t)
        if position == 0:
            return "logged_out"
        at, state = line[position - 1]
        if state != "logged_out" and t >= at + self.stale:
            return UNKNOWN
        return state

    def merge(self, states: list[str], good: set[str], counted: bool) -> str:
        """Choose one state out of those of several logins; `good` are in adherence at the instant."""
        if any(state in QUEUE_STATES for state in states):
            states = [state for state in states if state not in REST_STATES]
            if not counted:
                return next(state for state in STATES if state in states)
        for state in STATES:
            if state in states and state in good:
                return state
        for state in (UNMAPPED, UNKNOWN):
            if state in states:
                return state
        for state in STATES:
            if state in states:
                return state
        raise AssertionError(states)


class _Person:
    """The walk over one agent."""

    def __init__(self, walk: _Walk, agent_id: str) -> None:
        self.walk = walk
        self.step = walk.step
        self.agent_id = agent_id
        self.team = walk.team.get(agent_id)
        self.zone = ZoneInfo(walk.zones.get(agent_id, walk.zone))
        self.shifts = self.find_shifts(self.resolve(self.rows_in_force()))
        self.segment_at: dict[int, Segment] = {}
        for shift in self.shifts:
            for segment in shift.segments:
                for t in range(segment.start, segment.end, self.step):
                    self.segment_at[t] = segment
        self.states: dict[int, str] = {}

    # --- the schedule -----------------------------------------------------------------------------------
    def workday(self, t: int) -> date:
        return instant(t).astimezone(self.zone).date()

    def rows_in_force(self) -> list[Row]:
        """Drop the shifts for which a later publication has one on the same workday or at the same time."""
        publications: dict[float | None, list[Row]] = defaultdict(list)
        for row in self.walk.schedule.get(self.agent_id, []):
            publications[row.published].append(row)
        shifts: list[tuple[float, date, int, int, list[Row]]] = []
        for published, rows in publications.items():
            groups: list[list[Row]] = []
            glue, past = False, 0
            for row in sorted(rows, key=lambda row: (row.start, row.end)):
                alone = not self.walk.counted[row.activity] and row.end - row.start >= self.walk.long_off
                if not groups or alone != glue or row.start - past > self.walk.shift_gap:
                    groups.append([])
                glue, past = alone, max(past, row.end)
                groups[-1].append(row)
            for group in groups:
                first, last = group[0].start, max(row.end for row in group)
                rank = float("-inf") if published is None else published
                shifts.append((rank, self.workday(first), first, last, group))
        return [
            row
            for rank, workday, first, last, group in shifts
            if not any(
                other[0] > rank
                and abs((other[1] - workday).days) <= 1
                and (other[1] == workday or (other[2] < last and other[3] > first))
                for other in shifts
            )
            for row in group
        ]

    def resolve(self, rows: list[Row]) -> list[Segment]:
        """Flatten nested rows: what started last wins, then what ends first, then the later row."""
        winner: dict[int, Row] = {}
        for row in rows:
            for t in range(row.start, row.end, self.step):
                old = winner.get(t)
                if old is None or (row.start, -row.end, row.number) > (old.start, -old.end, old.number):
                    winner[t] = row
        segments: list[Segment] = []
        for t in sorted(winner):
            activity = winner[t].activity
            if segments and segments[-1].end == t and segments[-1].activity == activity:
                segments[-1].end = t + self.step
            else:
                segments.append(Segment(t, t + self.step, activity))
        return segments

    def find_shifts(self, segments: list[Segment]) -> list[Shift]:
        shifts: list[Shift] = []
        glue = False
        for segment in segments:
            length = segment.end - segment.start
            alone = not self.walk.counted[segment.activity] and length >= self.walk.long_off
            if not alone and glue and segment.start - shifts[-1].end <= self.walk.shift_gap:
                shifts[-1].segments.append(segment)
            else:
                shifts.append(Shift([segment], self.workday(segment.start)))
            glue = not alone
        return shifts

    def counted(self, segment: Segment) -> bool:
        return self.walk.counted[segment.activity]

    def category(self, segment: Segment) -> str:
        return self.walk.category[segment.activity]

    # --- the states -------------------------------------------------------------------------------------
    def good(self, t: int) -> set[str]:
        """Say which states are in adherence at t."""
        segment = self.segment_at.get(t)
        if segment is None or not self.counted(segment):
            return set()
        return self.walk.rules.get(self.category(segment), set())

    def state(self, t: int) -> str:
        """Say the agent's one state at t."""
        if t not in self.states:
            said = [
                self.walk.login_state(one.source, one.login, t)
                for one in self.walk.logins.get(self.agent_id, [])
                if one.says(t)
            ]
            if said:
                segment = self.segment_at.get(t)
                counted = segment is not None and self.counted(segment)
                self.states[t] = self.walk.merge(said, self.good(t), counted)
            else:
                self.states[t] = "logged_out" if self.walk.all_covered(t) else UNKNOWN
        return self.states[t]

    def working(self, t: int) -> bool:
        return self.state(t) in QUEUE_STATES

    def resting(self, t: int) -> bool:
        return self.state(t) in REST_STATES

    def runs(self, start: int, end: int, holds: Any) -> dict[int, tuple[int, int]]:
        """Map every t in [start, end) at which `holds` to the unbroken run [first, past) it lies in."""
        found: dict[int, tuple[int, int]] = {}
        run: list[int] = []
        for t in range(start, end + self.step, self.step):
            if t < end and holds(t):
                run.append(t)
                continue
            for one in run:
                found[one] = (run[0], t)
            run = []
        return found

    # --- the classes ------------------------------------------------------------------------------------
    def exempt(self, t: int, kind: str) -> bool:
        for start, end, of_kind, row in self.walk.exemptions:
            if of_kind != kind or not start <= t < end:
                continue
            if row.get("agent_id") is not None:
                hit = row["agent_id"] == self.agent_id
            elif row.get("team") is not None:
                hit = row["team"] == self.team
            else:
                hit = True
            if hit:
                return True
        return False

    def plain_class(self, t: int) -> str:
        """Say the class before calls are looked at."""
        state = self.state(t)
        if state in (UNMAPPED, UNKNOWN):
            return "unknown"
        if state in self.good(t):
            return "in"
        if self.exempt(t, "system"):
            return "system"
        if self.exempt(t, "approved"):
            return "approved"
        return "controllable"

    def overrun(self, segment: Segment) -> tuple[int, list[str], str] | None:
        """Find the end E of the calls that ran into the segment, the legs and the kind of evidence."""
        a = segment.start
        if not self.counted(segment) or self.category(segment) == "on_queue":
            return None
        sources = self.walk.log_sources.get(self.agent_id, set())
        if not sources & self.walk.call_sources:
            if not self.walk.state_evidence:
                return None
            if self.state(a - self.step) not in ("busy", "hold") or self.state(a) not in ("busy", "hold"):
                return None
            end = a
            while self.state(end) in ("busy", "hold"):
                end += self.step
            legs, kind = [], "state"
        else:
            if self.state(a) not in CALL_STATES:
                return None
            calls = [leg for leg in self.walk.legs.get(self.agent_id, []) if leg[0] < a < leg[1]]
            if not calls:
                return None
            end = max(ended for _, ended, _ in calls)
            legs, kind = sorted({leg_id for _, _, leg_id in calls}), "call"
        talked = end
        while self.state(talked) in ("busy", "hold") and talked <= end + self.walk.delay:
            talked += self.step
        if talked <= end + self.walk.delay:  # the state was told late; longer, and it is another call
            end = talked
        limit = end + self.walk.wrapup
        while end < limit and self.state(end) == "wrapup":
            end += self.step
        return end, legs, kind

    def seconds(self) -> list[dict[str, Any]]:
        return [record for shift in self.shifts for record in self.score_shift(shift)]

    def score_shift(self, shift: Shift) -> list[dict[str, Any]]:
        records: dict[int, dict[str, Any]] = {}
        for segment in shift.segments:
            for t in range(segment.start, segment.end, self.step):
                cls = self.plain_class(t) if self.counted(segment) else None
                exempted = cls in ("system", "approved")
                records[t] = {
                    "agent_id": self.agent_id,
                    "team": self.team,
                    "second": t,
                    "shift": shift.start,
                    "segment": segment.start,
                    "workday": shift.workday,
                    "activity": segment.activity,
                    "category": self.category(segment),
                    "counted": self.counted(segment),
                    "state": self.state(t),
                    "class": cls,
                    "reason": None,
                    "evidence": [],
                    "evidence_kind": "exemption" if exempted else None,
                }

        def call_driven(t: int, reason: str, legs: list[str], kind: str) -> None:
            records[t] |= {"class": "call_driven", "reason": reason, "evidence": legs, "evidence_kind": kind}

        # calls that ran into a segment, and the breaks they pushed back
        for number, segment in enumerate(shift.segments):
            hit = self.overrun(segment)
            if hit is None:
                continue
            end, legs, kind = hit
            x = 0
            for t in range(segment.start, min(segment.end, end), self.step):
                if records[t]["class"] in OUT:
                    x += self.step
                if records[t]["class"] == "controllable":
                    call_driven(t, "call_overrun", legs, kind)
            if self.category(segment) not in BREAKS or number + 1 == len(shift.segments):
                continue
            after = shift.segments[number + 1]
            if not self.counted(after) or not self.resting(after.start - self.step):
                continue
            t = after.start
            while x > 0 and t < after.end and self.resting(t):
                if records[t]["class"] in OUT:
                    x -= self.step
                if records[t]["class"] == "controllable":
                    call_driven(t, "shifted_break", legs, kind)
                t += self.step

        # reasons
        out = {t for t, record in records.items() if record["class"] in OUT}
        rests = self.runs(shift.start, shift.end, self.resting)
        breaks = [segment for segment in shift.segments if self.category(segment) in BREAKS]
        absent = not any(record["state"] in QUEUE_STATES for record in records.values()) and any(
            record["category"] == "on_queue" for record in records.values()
        )
        worked_before = self.working(shift.start - self.step)
        for segment in shift.segments:
            idle = self.runs(segment.start, segment.end, lambda t: t in out and not self.working(t))
            for t in range(segment.start, segment.end, self.step):
                record = records[t]
                if t not in out or record["class"] == "call_driven":
                    continue
                # a run at an impossible place stands for "in no such run"
                idle_first, idle_past = idle.get(t, (-1, -1))
                rest_first, rest_past = rests.get(t, (-1, -1))
                if absent:
                    reason = "absent"
                elif shift.start in (idle_first, rest_first) and not worked_before:
                    reason = "late_start"
                elif shift.end in (idle_past, rest_past):
                    reason = "early_leave"
                elif any(t < pause.start < rest_past for pause in breaks):
                    reason = "early_break"
                elif t in rests and any(rest_first < pause.end <= t for pause in breaks):
                    reason = "long_break"
                elif self.working(t) and record["category"] in BREAKS:
                    reason = "missed_break"
                elif record["state"] == "no_answer":
                    reason = "no_answer"
                else:
                    reason = "wrong_state"
                record["reason"] = reason
        return [records[t] for t in sorted(records)]

    # --- work outside the segments ----------------------------------------------------------------------
    def unscheduled(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        logins = [(one.source, one.login) for one in self.walk.logins.get(self.agent_id, [])]
        lines = [self.walk.lines[login] for login in logins if login in self.walk.lines]
        if not lines:
            return found
        # no queue state before the first transaction, nor when the last states have ended or gone stale
        first = min(line[0][0] for line in lines)
        past = max(
            at + (0 if state == "logged_out" else self.walk.stale) for at, state in (x[-1] for x in lines)
        )
        runs = self.runs(first, past, lambda t: t not in self.segment_at and self.working(t))
        for t, (first, past) in sorted(runs.items()):
            found.append(
                {
                    "agent_id": self.agent_id,
                    "team": self.team,
                    "second": t,
                    "run": first,
                    "workday": self.unscheduled_workday(first, past),
                    "state": self.state(t),
                }
            )
        return found

    def unscheduled_workday(self, first: int, past: int) -> date:
        for shift in self.shifts:
            if shift.start <= first and past <= shift.end:
                return shift.workday
        gap = self.walk.shift_gap
        before = [shift for shift in self.shifts if shift.start <= first][-1:]
        after = [shift for shift in self.shifts if shift.start >= past][:1]
        for shift in before + after:
            if first - shift.end <= gap and shift.start - past <= gap:
                return shift.workday
        return self.workday(first)
