"""Build `data/sample/` from the anonymous bank's call log.

    python data/build_sample.py --bank DIRECTORY --out data/sample

DIRECTORY holds `calls.parquet`, `volume_15min.parquet` and `calendar.csv` of the Technion "Anonymous Bank"
(January to July 1999). Volume and calls are real and copied; the bank never recorded states and schedules,
so both are derived from the calls by the rules written beside each function (and in `data/README.md`). No
real call is ever changed. The result is the same on every run: where people differ from one another the
difference comes from `draw`, a fixed function of the agent and the shift, not from a random number.

Words: a *block* is a span in which an agent served one or more overlapping calls; a *stint* is a run of
blocks with less than three hours between them; a stint long enough to have been scheduled is a *shift*.
"""

import argparse
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

ZONE = "Asia/Jerusalem"
FIRST_DAY, LAST_DAY = date(1999, 6, 20), date(1999, 7, 3)
PUBLISHED = {  # first day of the week -> when its schedule was published
    date(1999, 6, 20): datetime(1999, 6, 10, 9, tzinfo=UTC),
    date(1999, 6, 27): datetime(1999, 6, 17, 9, tzinfo=UTC),
}
QUEUES = {
    "PS": "Regular banking",
    "PE": "Regular banking in English",
    "IN": "Internet support",
    "NE": "Stocks",
    "NW": "New customers",
    "TT": "Callback",
}
TEAM_QUEUES = ("NE", "NW", "IN")
TEAM_LIFT = 1.5
"""An agent is in a special queue's team if they serve it this many times as often as the centre does."""

NEW_LOGIN = ("agent-009", datetime(1999, 6, 26, 21, tzinfo=UTC), "ext-2109")
"""One agent gets a new phone at the start of the second week (local midnight)."""

LONGEST_SERVICE = timedelta(hours=2)
"""A longer service is not believed; the bank's own 15-minute volume leaves such services out as well."""

STINT_GAP = timedelta(hours=3)
WRAPUP = timedelta(seconds=15)
WRAPUP_ONLY = timedelta(seconds=30)
"""Up to this long a pause between two calls is wrap-up from end to end; a longer one has `WRAPUP` of it."""

BACK_EARLY = timedelta(seconds=20)
"""An agent who rested is available again this long before the next call."""

OUTAGE_TEAM = "Regular banking"
OUTAGE = (datetime(1999, 6, 27, 17, 0, tzinfo=UTC), datetime(1999, 6, 27, 18, 0, tzinfo=UTC))
"""27 June, 20:00 to 21:00 local: a real lull, 13 calls where 50 are usual. The sample calls it an outage."""

RESTATED_DAY = date(1999, 6, 23)
RESTATED_AT = datetime(1999, 6, 24, 12, tzinfo=UTC)
UNMAPPED_STATE = "Quality review"
LABELS_PER_REASON = 4
SECOND, MINUTE, QUARTER, HOUR = "1s", "1m", "15m", "1h"


# --- small helpers ----------------------------------------------------------------------------------------
def seconds(n: int | pl.Expr) -> pl.Expr:
    """Return a duration of n seconds."""
    return pl.duration(seconds=n, time_unit="us")


def local_date(instant: str) -> pl.Expr:
    """Return the local day of an instant."""
    return pl.col(instant).dt.convert_time_zone(ZONE).dt.date()


def rounded(instant: pl.Expr, every: str, minutes: int) -> pl.Expr:
    """Round an instant to the nearest multiple of `every`, which is that many minutes."""
    return (instant + pl.duration(minutes=minutes, time_unit="us") / 2).dt.truncate(every)


def draw(salt: int, below: int) -> pl.Expr:
    """Return a fixed whole number in [0, below) that looks arbitrary, from columns `agent` and `first_at`."""
    number = pl.col("agent").str.extract(r"(\d+)$").cast(pl.Int64)
    minute = pl.col("first_at").dt.epoch("s") // 60
    mixed = (number * 7919 + minute * 104729 + salt * 15485863) % 2147483647
    return ((mixed * 48271) % 2147483647) // 64 % below


def at_local(day: date, hour: int, minute: int = 0) -> datetime:
    """Return a local wall-clock time as an instant."""
    return datetime.combine(day, time(hour, minute), ZoneInfo(ZONE)).astimezone(UTC)


def days() -> list[date]:
    """Return the local days of the two weeks."""
    return [FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1)]


def spread(frame: pl.DataFrame, agent: str, day: str, n: int) -> pl.DataFrame:
    """Return at most n rows, each of another agent and another day, over the whole time."""
    mixed = (pl.col(agent).str.tail(3).cast(pl.Int64) * 31 + pl.col(day).dt.ordinal_day() * 17) % 101
    one = (
        frame.sort(mixed, agent, day)
        .unique(day, keep="first", maintain_order=True)
        .unique(agent, keep="first", maintain_order=True)
        .sort(day)
    )
    return one.gather_every(max(1, one.height // n)).head(n) if one.height else one


# --- the real part ----------------------------------------------------------------------------------------
def interval_volume(bank: Path) -> pl.DataFrame:
    """Return seven months of 15-minute volume per queue, as the bank's calls add up to it."""
    return (
        pl.read_parquet(bank / "volume_15min.parquet")
        .select(
            pl.col("queue").alias("queue_id"), "interval_start", "entered", "abandoned", "sum_handle_time_s"
        )
        .sort("queue_id", "interval_start")
    )


def two_weeks(bank: Path) -> pl.DataFrame:
    """Return the calls of the two weeks that asked for an agent, with all instants they need.

    A few answered calls have a service of 0 s without instants; theirs is when the call left the queue.
    """
    left = pl.coalesce("left_queue_at", pl.col("offered_at") + seconds(pl.col("wait_s")))
    return (
        pl.read_parquet(bank / "calls.parquet")
        .filter(
            "offered",
            pl.col("outcome") != "PHANTOM",
            local_date("offered_at").is_between(FIRST_DAY, LAST_DAY),
        )
        .with_columns(
            answered_at=pl.when("abandoned").then(None).otherwise(pl.coalesce("answered_at", left)),
            ended_at=pl.when("abandoned").then(left).otherwise(pl.coalesce("ended_at", left)),
        )
        .sort("offered_at", "call_id")
    )


def call_leg(calls: pl.DataFrame) -> pl.DataFrame:
    """Return the calls as rows of table call_leg: one leg each, `started_at` = entered the queue."""
    answered = ~pl.col("abandoned")
    return calls.select(
        pl.col("call_id").alias("leg_id"),
        "call_id",
        login("agent", "answered_at").alias("login"),
        pl.col("queue").alias("queue_id"),
        pl.lit("in").alias("direction"),
        pl.col("offered_at").alias("started_at"),
        "answered_at",
        "ended_at",
        pl.when(answered).then(pl.col("wait_s").cast(pl.Float64)).alias("ring_s"),
        pl.when(answered).then(pl.col("handle_s").cast(pl.Float64)).alias("talk_s"),
        pl.when(answered).then(pl.lit("answered")).otherwise(pl.lit("abandoned")).alias("outcome"),
    )


def login(agent: str, instant: str) -> pl.Expr:
    """Return what the phone system calls the agent at an instant: agent-017 -> ext-2017."""
    who, since, new = NEW_LOGIN
    usual = pl.col(agent).str.replace("agent-", "ext-2", literal=True)
    return pl.when((pl.col(agent) == who) & (pl.col(instant) >= since)).then(pl.lit(new)).otherwise(usual)


def agent_table(bank: Path, calls: pl.DataFrame) -> pl.DataFrame:
    """Return everybody who answered in the two weeks, with the team their calls of June and July put them in.

    Nearly everybody answers the regular queue most. A team is therefore the special queue that the agent
    serves most beyond its share of all calls, if that is at least `TEAM_LIFT` times the share; else regular
    banking.
    """
    served = (
        pl.read_parquet(bank / "calls.parquet")
        .filter(
            pl.col("outcome") == "AGENT",
            pl.col("local_date") >= date(1999, 6, 1),
            pl.col("agent").is_not_null(),
        )
        .group_by("agent", "queue")
        .len()
        .with_columns(
            own=pl.col("len") / pl.col("len").sum().over("agent"),
            centre=pl.col("len").sum().over("queue") / pl.col("len").sum(),
        )
        .with_columns(lift=pl.col("own") / pl.col("centre"))
        .filter(pl.col("queue").is_in(TEAM_QUEUES), pl.col("lift") >= TEAM_LIFT)
        .sort("agent", "lift", descending=[False, True])
        .unique("agent", keep="first", maintain_order=True)
    )
    return (
        calls.select("agent")
        .drop_nulls()
        .unique()
        .sort("agent")
        .join(served, on="agent", how="left")
        .select(
            pl.col("agent").alias("agent_id"),
            ("Agent " + pl.col("agent").str.tail(2)).alias("name"),
            pl.col("queue").fill_null("PS").replace_strict(QUEUES).alias("team"),
            pl.lit("Bank").alias("site"),
            pl.lit(ZONE).alias("timezone"),
        )
        .sort("agent_id")
    )


def login_table(agents: pl.DataFrame) -> pl.DataFrame:
    """Return one login for each agent, and two in turn for the one whose phone changed."""
    who, since, new = NEW_LOGIN
    usual = agents.select(
        pl.lit("bank").alias("source"),
        pl.col("agent_id").str.replace("agent-", "ext-2", literal=True).alias("login"),
        "agent_id",
        pl.lit(None, pl.Datetime("us", "UTC")).alias("from_at"),
        pl.when(pl.col("agent_id") == who).then(pl.lit(since)).alias("to_at"),
    )
    changed = pl.DataFrame(
        {"source": ["bank"], "login": [new], "agent_id": [who], "from_at": [since], "to_at": [None]},
        schema=usual.schema,
    )
    return pl.concat([usual, changed]).sort("agent_id", "login")


def holiday_table(bank: Path) -> pl.DataFrame:
    """Return the holidays the bank's calendar names; closed = not one call."""
    return (
        pl.read_csv(bank / "calendar.csv", try_parse_dates=True)
        .filter(pl.col("holiday").is_not_null())
        .select(
            pl.col("date").alias("on_date"),
            pl.col("holiday").alias("name"),
            (pl.col("entered").fill_null(0) == 0).alias("closed"),
        )
        .sort("on_date")
    )


# --- what the calls say of a person's day -----------------------------------------------------------------
def blocks(calls: pl.DataFrame) -> pl.DataFrame:
    """Return per agent the spans on the phone: overlapping services are one, those of 0 s leave no trace.

    A service of more than `LONGEST_SERVICE` is cut there.
    """
    return (
        calls.filter(pl.col("agent").is_not_null())
        .select(
            "agent", "answered_at", pl.min_horizontal("ended_at", pl.col("answered_at") + LONGEST_SERVICE)
        )
        .filter(pl.col("ended_at") > pl.col("answered_at"))
        .sort("agent", "answered_at", "ended_at")
        .with_columns(reached=pl.col("ended_at").cum_max().shift().over("agent"))
        .with_columns(
            block=(pl.col("answered_at") > pl.col("reached")).fill_null(True).cum_sum().over("agent")
        )
        .group_by("agent", "block", maintain_order=True)
        .agg(
            pl.col("answered_at").min().alias("busy_at"),
            pl.col("ended_at").max().alias("free_at"),
        )
        .drop("block")
        .with_columns(next_at=pl.col("busy_at").shift(-1).over("agent"))
        .with_columns(
            starts=(pl.col("busy_at") - pl.col("free_at").shift().over("agent") > STINT_GAP).fill_null(True)
        )
        .with_columns(stint=pl.col("starts").cum_sum().over("agent"))
        .with_columns(
            next_at=pl.when(~pl.col("starts").shift(-1).over("agent").fill_null(True)).then("next_at")
        )
        .with_columns(pause=pl.col("next_at") - pl.col("free_at"))
        .drop("starts")
    )


def stints(block: pl.DataFrame) -> pl.DataFrame:
    """Return one row per stint with sign-in, sign-out and, if it is a shift, its scheduled start and end.

    A stint is a shift if it has nine blocks in three hours or more, or a dozen in two (a Saturday night
    lasts two); the others are people who helped out. Sign-in is 20 to 180 s before the first call, sign-out
    20 to 260 s after the last. The schedule's start and end are the full hours nearest to them, as that is
    how these agents evidently worked, or the quarter-hours when no full hour is within a quarter of an
    hour.
    """

    def habit(instant: str) -> pl.Expr:
        hour = rounded(pl.col(instant), HOUR, 60)
        near = (hour - pl.col(instant)).abs() <= timedelta(minutes=15)
        return pl.when(near).then(hour).otherwise(rounded(pl.col(instant), QUARTER, 15))

    return (
        block.group_by("agent", "stint")
        .agg(
            first_at=pl.col("busy_at").min(),
            last_at=pl.col("free_at").max(),
            blocks=pl.len(),
            usual_pause=pl.col("pause").median(),
        )
        .with_columns(
            sign_in=pl.col("first_at") - seconds(20 + draw(1, 160)),
            sign_out=pl.col("last_at") + seconds(20 + draw(2, 240)),
            hours=(pl.col("last_at") - pl.col("first_at")).dt.total_seconds() / 3600,
        )
        .with_columns(
            is_shift=((pl.col("hours") >= 3) & (pl.col("blocks") >= 9))
            | ((pl.col("hours") >= 1.9) & (pl.col("blocks") >= 12))
        )
        .with_columns(start_at=habit("sign_in"), end_at=habit("sign_out"))
        .with_columns(workday=local_date("start_at"))
        .sort("agent", "stint")
    )


def pauses(block: pl.DataFrame, stint: pl.DataFrame) -> pl.DataFrame:
    """Return every pause between two blocks of a stint with what the sample says was done in it (`doing`).

    Of a shift: the longest pauses are rests, as many as the shift's length earns (none below three hours,
    one below five, two below seven, else three), if they last seven minutes and three times the agent's
    usual pause of that shift. The longest of them is a meal if it has 18 minutes and the shift six hours.
    Pauses of 50 minutes (and four usual ones) are meetings, coaching or desk work. Other pauses of 15
    minutes and four usual ones are time away that nobody scheduled. The rest is waiting for a call. Of a
    helper's stint: pauses of 15 minutes and more are spent logged out.
    """
    usual = pl.col("usual_pause")
    off_phone = (pl.col("pause") >= timedelta(minutes=50)) & (pl.col("pause") >= 4 * usual)
    may_rest = ~off_phone & (pl.col("pause") >= timedelta(minutes=7)) & (pl.col("pause") >= 3 * usual)
    earned = (
        pl.when(pl.col("hours") < 3)
        .then(0)
        .when(pl.col("hours") < 5)
        .then(1)
        .when(pl.col("hours") < 7)
        .then(2)
        .otherwise(3)
    )
    place = pl.col("pause").rank("ordinal", descending=True).over("agent", "stint", "may_rest")
    meal = (pl.col("place") == 1) & (pl.col("pause") >= timedelta(minutes=18)) & (pl.col("hours") >= 6)
    away = (pl.col("pause") >= timedelta(minutes=15)) & (pl.col("pause") >= 4 * usual)
    off_phone_word = draw(3, 3).replace_strict({0: "meeting", 1: "coaching", 2: "email"})
    return (
        block.filter(pl.col("pause").is_not_null())
        .join(stint.drop("blocks", "last_at"), on=["agent", "stint"])
        .with_columns(may_rest=may_rest, off_phone=off_phone)
        .with_columns(place=place)
        .with_columns(
            doing=pl.when(~pl.col("is_shift"))
            .then(pl.when(pl.col("pause") >= timedelta(minutes=15)).then(pl.lit("logged_out")))
            .when("off_phone")
            .then(off_phone_word)
            .when(pl.col("may_rest") & (pl.col("place") <= earned))
            .then(pl.when(meal).then(pl.lit("meal")).otherwise(pl.lit("break")))
            .when(away)
            .then(pl.lit("away"))
        )
        .sort("agent", "busy_at")
    )


def rests(pause: pl.DataFrame) -> pl.DataFrame:
    """Return the pauses spent off the phone with what happened (away_at, back_at) and a schedule for it.

    The schedule puts a break or meal on the quarter-hour nearest to its real beginning, with 15 or 30
    minutes (a meal 30 or 45), and a meeting, coaching or desk work from quarter-hour to quarter-hour. What
    would touch another row or the first or last quarter of an hour of the shift is not scheduled (plan_at
    is empty) and counts as time away. An agent is back 20 s before the next call, after a break or meal at
    most six minutes over its length.
    """
    back = pl.col("next_at") - BACK_EARLY
    length = (
        pl.when(doing="meal")
        .then(pl.when(pl.col("pause") < timedelta(minutes=40)).then(30).otherwise(45))
        .when(doing="break")
        .then(pl.when(pl.col("pause") < timedelta(minutes=24)).then(15).otherwise(30))
    )
    return (
        pause.filter(pl.col("doing").is_not_null() & (pl.col("doing") != "logged_out"))
        .with_columns(away_at=pl.col("free_at") + WRAPUP, length=length)
        .with_columns(
            back_at=pl.min_horizontal(
                back,
                pl.col("away_at")
                + pl.duration(minutes=pl.col("length") + 1, time_unit="us")
                + seconds(draw(4, 300)),
            )
        )
        .with_columns(plan_at=rounded(pl.col("away_at"), QUARTER, 15))
        .with_columns(
            plan_to=pl.when(pl.col("length").is_null())
            .then(rounded(pl.col("back_at"), QUARTER, 15))
            .otherwise(pl.col("plan_at") + pl.duration(minutes="length", time_unit="us"))
        )
        .sort("agent", "away_at")
        .with_columns(taken=pl.col("plan_to").shift().over("agent", "stint"))
        .with_columns(
            fits=(pl.col("doing") != "away")
            & (pl.col("plan_at") >= pl.col("start_at") + timedelta(minutes=15))
            & (pl.col("plan_to") <= pl.col("end_at") - timedelta(minutes=15))
            & (pl.col("plan_at") > pl.col("taken")).fill_null(True)
        )
        .with_columns(
            doing=pl.when("fits").then("doing").otherwise(pl.lit("away")),
            plan_at=pl.when("fits").then("plan_at"),
            plan_to=pl.when("fits").then("plan_to"),
        )
        .drop("taken", "fits", "length")
    )


# --- the planted part -------------------------------------------------------------------------------------
def quiet_spots(pause: pl.DataFrame, rest: pl.DataFrame, taken: list[str], least: int) -> pl.DataFrame:
    """Return a few waiting pauses of `least` seconds well inside a shift and away from every scheduled row.

    Spread over agents and days; agents in `taken` are left out.
    """
    plans = (
        rest.filter(pl.col("plan_at").is_not_null())
        .group_by("agent", "stint")
        .agg(plan=pl.struct("plan_at", "plan_to").sort_by("plan_at"))
    )
    spot = (
        pause.filter(
            pl.col("doing").is_null(),
            "is_shift",
            pl.col("pause") >= timedelta(seconds=least),
            pl.col("free_at") > pl.col("start_at"),
            pl.col("next_at") < pl.col("end_at"),
            ~pl.col("agent").is_in(taken),
        )
        .join(plans, on=["agent", "stint"], how="left")
        .with_row_index("spot")
    )
    crossed = (
        spot.explode("plan")
        .unnest("plan")
        .filter(pl.col("plan_at") < pl.col("next_at"), pl.col("plan_to") > pl.col("free_at"))
        .select("spot")
    )
    clear = spot.join(crossed, on="spot", how="anti").drop("plan", "spot")
    return spread(clear.sort("free_at"), "agent", "workday", LABELS_PER_REASON)


def planted_states(spots: pl.DataFrame, word: str, after: int, length: int) -> pl.DataFrame:
    """Return a state entered `after` seconds into each pause and kept for `length` to twice that."""
    lasting = length + draw(5, length)
    return spots.with_columns(
        away_at=pl.col("free_at") + seconds(after),
        back_at=pl.col("free_at") + seconds(after) + seconds(lasting),
        word=pl.lit(word),
    )


def thrown_off(pause: pl.DataFrame, agents: pl.DataFrame) -> pl.DataFrame:
    """Return the stretches in which the outage threw the team's waiting agents off the phone system."""
    team = agents.filter(pl.col("team") == OUTAGE_TEAM)["agent_id"].to_list()
    return (
        pause.filter(pl.col("agent").is_in(team), pl.col("doing").is_null(), pl.col("is_shift"))
        .with_columns(
            away_at=pl.max_horizontal(pl.col("free_at") + WRAPUP, pl.lit(OUTAGE[0])),
            back_at=pl.min_horizontal(pl.col("next_at") - BACK_EARLY, pl.lit(OUTAGE[1]), pl.col("end_at")),
            word=pl.lit("Logged out"),
        )
        .filter(pl.col("back_at") - pl.col("away_at") >= timedelta(seconds=30))
    )


# --- the derived tables -----------------------------------------------------------------------------------
STATE_WORDS = {
    "break": "Break",
    "meal": "Lunch",
    "meeting": "Meeting",
    "coaching": "Training",
    "email": "Working",
    "away": "Away",
}


def agent_state(
    block: pl.DataFrame, stint: pl.DataFrame, pause: pl.DataFrame, off: pl.DataFrame
) -> pl.DataFrame:
    """Return every change of state in the words of a Nextiva contact centre.

    Signing in is Available; a block is Busy; after it Wrapup for 15 s (or up to the next call if that comes
    within 30 s), then Available. `off` says when somebody was in another state (`word`) from away_at to
    back_at. A helper who waits 15 minutes and more is logged out three minutes after the call until 30 s
    before the next one.
    """

    def row(instant: pl.Expr, word: str | pl.Expr) -> list[pl.Expr]:
        return [
            pl.col("agent"),
            instant.alias("at"),
            (pl.lit(word) if isinstance(word, str) else word).alias("vendor_state"),
        ]

    at = pl.col
    waits = pause.filter(at("pause") > WRAPUP_ONLY)
    helpers = pause.filter(doing="logged_out")
    changes = pl.concat(
        [
            stint.select(row(at("sign_in"), "Available")),
            block.select(row(at("busy_at"), "Busy")),
            block.select(row(at("free_at"), "Wrapup")),
            waits.select(row(at("free_at") + WRAPUP, "Available")),
            off.select(row(at("away_at"), at("word"))),
            off.select(row(at("back_at"), "Available")),
            helpers.select(row(at("free_at") + seconds(180), "Logged out")),
            helpers.select(row(at("next_at") - seconds(30), "Available")),
            stint.select(row(at("last_at") + WRAPUP, "Available")),
            stint.select(row(at("sign_out"), "Logged out")),
        ]
    )
    return (
        changes.with_row_index("order")
        .sort("agent", "at", "order")
        .unique(["agent", "at"], keep="last", maintain_order=True)
        .filter((at("vendor_state") != at("vendor_state").shift().over("agent")).fill_null(True))
        .sort("at", "agent")
        .select(login("agent", "at").alias("login"), "at", "vendor_state")
    )


def published(workday: str) -> pl.Expr:
    """Return when the schedule of a workday's week was published."""
    later = pl.col(workday) >= max(PUBLISHED)
    return pl.when(later).then(pl.lit(PUBLISHED[max(PUBLISHED)])).otherwise(pl.lit(PUBLISHED[min(PUBLISHED)]))


def schedule_rows(stint: pl.DataFrame, rest: pl.DataFrame) -> pl.DataFrame:
    """Return the derived shifts: a row on_queue over each and a row for everything planned inside it."""
    whole = stint.filter("is_shift").select(
        pl.col("agent").alias("agent_id"),
        "start_at",
        "end_at",
        pl.lit("on_queue").alias("activity"),
        "workday",
    )
    inside = rest.filter(pl.col("plan_at").is_not_null()).select(
        pl.col("agent").alias("agent_id"),
        pl.col("plan_at").alias("start_at"),
        pl.col("plan_to").alias("end_at"),
        pl.col("doing").alias("activity"),
        "workday",
    )
    return pl.concat([whole, inside]).with_columns(published_at=published("workday"))


def restated(schedule: pl.DataFrame, agent: str, workday: date) -> pl.DataFrame:
    """Return the schedule with one workday first published an hour earlier than what holds now.

    The later publication restates the whole workday, as the agent really worked it.
    """
    it = (pl.col("agent_id") == agent) & (pl.col("workday") == workday)
    hour = timedelta(hours=1)
    before = schedule.filter(it).with_columns(pl.col("start_at") - hour, pl.col("end_at") - hour)
    now = schedule.with_columns(
        pl.when(it).then(pl.lit(RESTATED_AT)).otherwise("published_at").alias("published_at")
    )
    return pl.concat([now, before])


def free_days(stint: pl.DataFrame) -> pl.DataFrame:
    """Return the Sundays to Thursdays on which a regular agent (six shifts or more) took no call at all."""
    regular = stint.filter("is_shift").group_by("agent").len().filter(pl.col("len") >= 6).select("agent")
    touched = pl.concat(
        [stint.select("agent", day=local_date(edge)) for edge in ("sign_in", "sign_out")]
    ).unique()
    weekdays = pl.DataFrame({"day": [day for day in days() if day.isoweekday() not in (5, 6)]})
    return (
        regular.join(weekdays, how="cross")
        .join(touched, on=["agent", "day"], how="anti")
        .sort("day", "agent")
    )


def absences(free: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return schedule rows of three people who did not come and three who had the day off, and the labels.

    The absent were scheduled 08:00 to 16:00 with two breaks and a meal; each stretch between is one
    exception.
    """
    picked = spread(free, "agent", "day", 6).rows()
    rows: list[tuple] = []
    labels: list[tuple] = []
    for agent, day in picked[::2]:
        rows.append((agent, at_local(day, 8), at_local(day, 16), "on_queue", day))
        edges = [(10, 0, 10, 15, "break"), (12, 0, 12, 30, "meal"), (14, 0, 14, 15, "break")]
        since = at_local(day, 8)
        for hour, minute, to_hour, to_minute, activity in edges:
            rows.append(
                (agent, at_local(day, hour, minute), at_local(day, to_hour, to_minute), activity, day)
            )
            labels.append(
                (agent, day, since, at_local(day, hour, minute), "controllable", "absent", "no call that day")
            )
            since = at_local(day, to_hour, to_minute)
        labels.append((agent, day, since, at_local(day, 16), "controllable", "absent", "no call that day"))
    rows += [(agent, at_local(day, 8), at_local(day, 16), "time_off", day) for agent, day in picked[1::2]]
    names = ["agent_id", "start_at", "end_at", "activity", "workday"]
    schedule = pl.DataFrame(rows, schema=names, orient="row").with_columns(published_at=published("workday"))
    label = pl.DataFrame(labels, schema=LABEL, orient="row")
    return _utc(schedule), _utc(label)


def _utc(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with every instant in microseconds UTC."""
    return frame.with_columns(pl.col(pl.Datetime).dt.cast_time_unit("us").dt.convert_time_zone("UTC"))


# --- the labels -------------------------------------------------------------------------------------------
LABEL = ["agent_id", "workday", "start_at", "end_at", "class", "reason", "note"]


def label(
    frame: pl.DataFrame, start: str, end: str, class_: str | None, reason: str | None, note: str
) -> pl.DataFrame:
    """Return one label per row of the frame, for the span between two of its columns."""
    return frame.select(
        pl.col("agent").alias("agent_id"),
        "workday",
        pl.col(start).alias("start_at"),
        pl.col(end).alias("end_at"),
        pl.lit(class_, pl.String).alias("class"),
        pl.lit(reason, pl.String).alias("reason"),
        pl.lit(note).alias("note"),
    )


def few(labels: pl.DataFrame) -> pl.DataFrame:
    """Return `LABELS_PER_REASON` labels of two minutes and more, of different agents and days."""
    lasting = labels.filter(pl.col("end_at") - pl.col("start_at") >= timedelta(minutes=2))
    return spread(lasting, "agent_id", "workday", LABELS_PER_REASON)


def shift_labels(shift: pl.DataFrame) -> list[pl.DataFrame]:
    """Return labels for the edges of shifts: sign-in and sign-out against the schedule."""
    late = label(shift, "start_at", "sign_in", "controllable", "late_start", "signed in late")
    early = label(shift, "sign_out", "end_at", "controllable", "early_leave", "signed out early")
    before = label(shift, "sign_in", "start_at", None, "unscheduled_work", "signed in before the shift")
    after = label(shift, "end_at", "sign_out", None, "unscheduled_work", "signed out after the shift")
    return [few(late), few(early), few(before), few(after)]


def rest_labels(rest: pl.DataFrame, calls: pl.DataFrame) -> list[pl.DataFrame]:
    """Return labels around scheduled breaks and meals and the unscheduled time away.

    A rest that began after its plan is the call's doing if exactly one call was `running` when the plan
    began and lasted until the rest.
    """
    plan = (
        rest.with_columns(
            back_before=pl.col("back_at").shift().over("agent"),
            away_again=pl.col("away_at").shift(-1).over("agent"),
        )
        .filter(pl.col("doing").is_in(["break", "meal"]))
        .with_row_index("rest")
    )
    running = (
        plan.select("rest", "agent", "plan_at")
        .join(calls.select("agent", "answered_at", "ended_at"), on="agent")
        .filter(pl.col("answered_at") < pl.col("plan_at"), pl.col("plan_at") < pl.col("ended_at"))
        .group_by("rest")
        .agg(running=pl.len(), call_end=pl.col("ended_at").max())
    )
    plan = plan.join(running, on="rest", how="left").with_columns(
        earned_to=pl.col("plan_to") + (pl.col("away_at") - pl.col("plan_at"))
    )
    inside = pl.col("away_at").is_between("plan_at", "plan_to", closed="left")
    early = plan.filter(pl.col("away_at") < pl.col("plan_at"), pl.col("back_at") > pl.col("plan_at"))
    short = plan.filter(
        pl.col("back_at").is_between("plan_at", "plan_to", closed="none"),
        (pl.col("away_again") > pl.col("plan_to")).fill_null(True),
    )
    idle = plan.filter(
        inside,
        pl.col("running").is_null(),
        pl.col("busy_at") > pl.col("plan_at") + timedelta(seconds=1),
        (pl.col("back_before") < pl.col("plan_at")).fill_null(True),
    )
    late = plan.filter(inside, pl.col("running") == 1, pl.col("call_end") == pl.col("free_at"))
    over = late.filter(pl.col("back_at") > pl.col("plan_to")).with_columns(
        shifted_to=pl.min_horizontal("back_at", "earned_to")
    )
    away = rest.filter(
        pl.col("doing") == "away",
        pl.col("away_at") > pl.col("start_at"),
        pl.col("back_at") < pl.col("end_at"),
    )
    plans = rest.filter(pl.col("plan_at").is_not_null()).select("agent", "plan_at", "plan_to")
    touched = (
        away.select("agent", "away_at", "back_at")
        .join(plans, on="agent")
        .filter(pl.col("plan_at") <= pl.col("back_at"), pl.col("plan_to") >= pl.col("away_at"))
        .select("agent", "away_at")
    )
    away = away.join(touched, on=["agent", "away_at"], how="anti")
    over_idle = idle.filter(pl.col("back_at") > pl.col("plan_to"))
    ok = "controllable"
    return [
        few(label(early, "away_at", "plan_at", ok, "early_break", "rested before the plan")),
        few(label(over_idle, "plan_to", "back_at", ok, "long_break", "rested on after the plan")),
        few(label(idle, "plan_at", "away_at", ok, "missed_break", "waited for calls into the plan")),
        few(label(short, "back_at", "plan_to", ok, "missed_break", "back before the plan ended")),
        few(label(late, "plan_at", "away_at", "call_driven", "call_overrun", "a call ran into the plan")),
        few(label(over, "plan_to", "shifted_to", "call_driven", "shifted_break", "pushed back by that call")),
        few(label(away, "away_at", "back_at", ok, "wrong_state", "away with nothing scheduled")),
    ]


def exemptions(approved: pl.DataFrame) -> pl.DataFrame:
    """Return the approvals of the labelled spans, to the quarter-hours around them, and the team's outage."""
    reasons = pl.Series("code", ["doctor", "interview", "equipment", "family"]).head(approved.height)
    personal = approved.select(
        pl.col("start_at").dt.truncate(QUARTER),
        (pl.col("end_at") + timedelta(minutes=15) - timedelta(microseconds=1)).dt.truncate(QUARTER),
        pl.lit("approved").alias("kind"),
        "agent_id",
        pl.lit(None, pl.String).alias("team"),
        reasons,
        pl.lit("agreed with the team leader").alias("note"),
        pl.lit("team leader").alias("by"),
        pl.col("workday")
        .cast(pl.Datetime("us"))
        .dt.replace_time_zone("UTC")
        .dt.offset_by("1d12h")
        .alias("made_at"),
    )
    outage = {
        "start_at": OUTAGE[0],
        "end_at": OUTAGE[1],
        "kind": "system",
        "agent_id": None,
        "team": OUTAGE_TEAM,
        "code": "outage",
        "note": "calls came in at a quarter of the usual rate",
        "by": "operations",
        "made_at": datetime(1999, 6, 28, 6, tzinfo=UTC),
    }
    return pl.concat([personal, pl.DataFrame([outage], schema=personal.schema)]).sort("start_at")


# --- all of it --------------------------------------------------------------------------------------------
def build(bank: Path) -> dict[str, pl.DataFrame]:
    """Return every table of the sample, by file name without its ending."""
    calls = two_weeks(bank)
    agents = agent_table(bank, calls)
    block = blocks(calls)
    stint = stints(block)
    shift = stint.filter("is_shift")
    pause = pauses(block, stint)
    rest = rests(pause)

    lost = thrown_off(pause, agents)
    waiting = pause.join(lost, on=["agent", "free_at"], how="anti")
    odd = planted_states(quiet_spots(waiting, rest, [], 720), UNMAPPED_STATE, 60, 240)
    ringing = planted_states(quiet_spots(waiting, rest, odd["agent"].to_list(), 300), "No Answer", 60, 90)
    off = pl.concat(
        [
            rest.with_columns(word=pl.col("doing").replace_strict(STATE_WORDS)),
            lost,
            odd,
            ringing,
        ],
        how="diagonal",
    )

    absent, absent_labels = absences(free_days(stint))
    natural = pl.concat(shift_labels(shift) + rest_labels(rest, calls))
    approved = natural.filter(pl.col("reason").is_in(["late_start", "wrong_state", "early_leave"])).unique(
        "reason", keep="last", maintain_order=True
    )
    day = ["agent_id", "workday"]
    labels = pl.concat(
        [
            natural.join(approved, on=day, how="anti"),
            approved.with_columns(pl.lit("approved").alias("class"), pl.lit(None, pl.String).alias("reason")),
            absent_labels,
            label(lost, "away_at", "back_at", "system", None, "the outage logged the agent out"),
            label(
                odd, "away_at", "back_at", "unknown", None, f"vendor state {UNMAPPED_STATE!r} has no mapping"
            ),
            label(ringing, "away_at", "back_at", "controllable", "no_answer", "the call rang out"),
        ]
    ).sort("workday", "agent_id", "start_at")
    whole = shift.filter(pl.col("workday") == RESTATED_DAY, pl.col("hours") >= 7).sort("agent")
    changed = whole.join(labels, left_on=["agent", "workday"], right_on=day, how="anti")["agent"].first()
    schedule = restated(pl.concat([schedule_rows(stint, rest), absent]), changed, RESTATED_DAY)
    return {
        "interval_volume": interval_volume(bank),
        "call_leg": call_leg(calls),
        "agent_state": agent_state(block, stint, pause, off),
        "agent": agents,
        "login": login_table(agents),
        "queue": pl.DataFrame(
            {"source": "bank", "queue_id": list(QUEUES), "name": list(QUEUES.values()), "timezone": ZONE}
        ),
        "holiday": holiday_table(bank),
        "schedule": schedule.drop("workday").sort(
            "agent_id", "published_at", "start_at", "end_at", descending=[False, False, False, True]
        ),
        "exemption": exemptions(approved),
        "labels": labels,
    }


def write(tables: dict[str, pl.DataFrame], out: Path) -> None:
    """Write the three big tables as parquet and the others as csv with instants in ISO 8601."""
    out.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        if name in ("interval_volume", "call_leg", "agent_state"):
            frame.write_parquet(out / f"{name}.parquet", compression="zstd", compression_level=19)
        else:
            frame.write_csv(out / f"{name}.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")


def main() -> None:
    """Read the arguments, build, write."""
    parser = argparse.ArgumentParser(description="Build the sample data from the anonymous bank's call log.")
    parser.add_argument("--bank", type=Path, required=True, help="directory with the bank's files")
    parser.add_argument("--out", type=Path, required=True, help="directory to write to")
    arguments = parser.parse_args()
    write(build(arguments.bank), arguments.out)


if __name__ == "__main__":
    main()
