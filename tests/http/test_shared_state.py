"""What processes share: the rate, and the refusals that end in a lock-out."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.misbehaving_server import reply
from helpers.paths import ROOT
from wfm.core.errors import AuthError, CollectError, ThrottledError
from wfm.http import Client, RetryPolicy, rate_limit
from wfm.http.lockout import LOCKOUT_S, CredentialLockout
from wfm.http.shared_state import SharedStateFile

SECRET = "correct horse"
HOME = str(ROOT)
PROCESS = """
import asyncio, sys
from pathlib import Path
from wfm.core.errors import CollectError
from wfm.http import Client
url, folder, rate, n, secret = sys.argv[1:]
async def run():
    async with Client("ncc", secrets=[secret], requests_per_minute=float(rate), concurrent=4,
                      state_dir=Path(folder)) as c:
        done = await asyncio.gather(*(c.get(url) for _ in range(int(n))), return_exceptions=True)
        for one in done:
            if isinstance(one, BaseException):
                print(type(one).__name__, one)
asyncio.run(run())
"""


def process(
    url: str, folder: Path, *, rate: float = 0, n: int = 1, secret: str = SECRET
) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", PROCESS, url, str(folder), str(rate), str(n), secret]
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": HOME, "HTTP_PROXY": "http://127.0.0.1:9"},
    )


def ended(*processes: subprocess.Popen[str]) -> list[str]:
    told = [one.communicate(timeout=30)[0] for one in processes]
    assert [one.returncode for one in processes] == [0] * len(processes)
    return told


def busiest(times: list[float], window_s: float) -> int:
    return max(sum(start <= at < start + window_s for at in times) for start in times)


def test_the_rate_holds_across_processes(server, tmp_path):
    # 1,200 a minute: one every 50 ms, whoever sends it
    assert ended(*(process(server.url, tmp_path, rate=1200, n=10) for _ in range(3))) == ["", "", ""]
    times = sorted(one.at for one in server.asked)
    assert len(times) == 30
    assert times[-1] - times[0] >= 29 * 0.05 - 0.2
    assert busiest(times, 0.475) <= 11  # 10 and a half, and what loopback pushes together


def test_a_killed_process_takes_no_turn_with_it(server, tmp_path):
    killed = process(server.url, tmp_path, rate=120, n=200)
    while not server.asked:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert ended(process(server.url, tmp_path, rate=120, n=1)) == [
        ""
    ]  # 199 turns taken with it would be 100 s


def test_a_stopped_task_sends_no_heap():
    """Nothing is booked ahead: after a minute of standing still the next turns are as far apart as ever."""
    state, sent, now = {}, [], 100.0
    for step in (0.0, 0.5, 60.0, 0.0, 0.4, 0.6, 0.0):
        now += step
        if not rate_limit.take_slot(state, 1.0, now):
            sent.append(now)
    assert sent == [100.0, 160.5, 161.5]


@given(
    st.floats(0.001, 60),
    st.lists(st.tuples(st.floats(0, 100), st.booleans()), min_size=1),
)
def test_no_two_turns_are_closer_than_the_gap(gap, steps):
    state, sent, now = {}, [], 1000.0
    for step, waits in steps:
        now += step
        wait = rate_limit.take_slot(state, gap, now)
        assert 0 <= wait <= gap * (1 + 1e-9)
        if wait and waits:
            now += wait
            wait = rate_limit.take_slot(state, gap, now)
        if not wait:
            sent.append(now)
    assert all(b - a >= gap * (1 - 1e-9) - 1e-9 for a, b in pairwise(sent))


def test_after_a_reboot_the_clock_begins_anew():
    state = {"sent_at": 900_000.0}
    assert rate_limit.take_slot(state, 60.0, 5.0) == 0
    assert state == {"sent_at": 5.0}


@pytest.mark.parametrize("rate", [None, 0, -1])
def test_without_a_rate_there_is_no_wait(rate):
    assert rate_limit.take_slot({}, rate_limit.compute_gap_s(rate), 1.0) == 0


@pytest.mark.parametrize(
    "found",
    [b"", b"\0garbage", b"[1]", b'{"sent_at": "x", "refused": 7}', b'{"sent_at": NaN}', b"[" * 60_000],
)
def test_a_damaged_state_file_begins_anew(ask, tmp_path, found):
    (tmp_path / "ncc.json").write_bytes(found)
    for _ in range(2):
        ask(client={"state_dir": tmp_path, "requests_per_minute": 60_000})
    assert json.loads((tmp_path / "ncc.json").read_bytes())["sent_at"] > 0


def test_a_folder_that_is_none_is_told(ask, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CollectError, match="the rate limit is stored there"):
        ask(client={"state_dir": tmp_path / "file"})


def test_two_sources_never_share_a_file(tmp_path):
    names = ["a", "A", "a/b", "a_b", "../a", "a.b", "ä", "a" * 300]
    paths = {SharedStateFile(tmp_path, name).path for name in names}
    assert len(paths) == len(names)
    assert {path.parent for path in paths if path} == {tmp_path}


def test_places_are_bounded(server):
    async def slow(_, writer):
        await asyncio.sleep(0.05)
        writer.write(reply())

    async def run() -> None:
        async with Client("ncc", concurrent=3) as client:
            await client.get(server.url)
            await asyncio.gather(*(client.get(server.url) for _ in range(9)))

    server.always = slow
    asyncio.run(run())
    assert server.most_at_once == 3


# --- a source that wants to be left alone -------------------------------------------------------------------
def test_who_asks_for_long_patience_is_left_alone_by_all(server, ask, tmp_path):
    now = [50_000.0]
    shared = {"state_dir": tmp_path, "retry_policy": RetryPolicy(total_s=120), "monotonic": lambda: now[0]}
    server.script = [lambda _: reply(b"", 429, Retry_After="600")]
    with pytest.raises(ThrottledError, match="wait for 600 s"):
        ask(client=shared)
    now[0] += 400
    with pytest.raises(ThrottledError, match=r"^ncc: .*nothing is sent for another 200 s") as caught:
        ask("/another", client=shared)
    assert caught.value.retry_after_s == 200
    ask(client={**shared, "state_dir": tmp_path / "elsewhere"})
    assert len(server.asked) == 2
    now[0] += 201
    ask(client=shared)
    assert len(server.asked) == 3


@given(
    noted=st.none() | st.text() | st.lists(st.none() | st.floats() | st.integers() | st.text(), max_size=3)
)
def test_a_rest_ends_whatever_is_noted(noted):
    for now in (-1e9, 0.0, 1e9):
        left = rate_limit.get_pause_left_s({"rests": noted}, now)
        assert left >= 0
        assert not left or noted[0] <= now < noted[1]
    state: dict[str, object] = {}
    rate_limit.record_pause(state, 600, 1000.0)
    assert [rate_limit.get_pause_left_s(state, at) for at in (999.0, 1000.0, 1599.0, 1600.0)] == [
        0,
        600,
        1,
        0,
    ]


# --- refusals -----------------------------------------------------------------------------------------------
def test_refusals_are_counted_over_processes_and_end_in_a_lock_out(server, ask, tmp_path):
    server.always = lambda _: reply(b"", 401)
    (first,) = ended(process(server.url, tmp_path))
    (second,) = ended(process(server.url, tmp_path, n=8))
    assert first.startswith("AuthError ncc: GET ")
    assert "401, the credentials were refused" in first
    assert second.count("401, the credentials were refused") == 1
    assert second.count("refused 2 times in a row") == 7
    assert len(server.asked) == 2
    with pytest.raises(AuthError, match=r"nothing is sent before \d\d:\d\d UTC.*Correct them") as caught:
        ask(client={"state_dir": tmp_path, "secrets": [SECRET]})
    assert str(tmp_path / "ncc.json") in str(caught.value)
    assert len(server.asked) == 2
    assert SECRET not in (tmp_path / "ncc.json").read_text()
    assert (tmp_path / "ncc.json").stat().st_mode & 0o077 == 0
    server.always = lambda _: reply()
    ask(client={"state_dir": tmp_path, "secrets": ["another"]})
    assert "refused" not in (tmp_path / "ncc.json").read_text()


def test_many_tasks_with_bad_credentials_are_refused_twice_only(server):
    async def run() -> list[object]:
        async with Client("ncc", secrets=[SECRET], concurrent=8) as client:
            return await asyncio.gather(*(client.get(server.url) for _ in range(50)), return_exceptions=True)

    server.always = lambda _: reply(b"", 401)
    assert all(isinstance(one, AuthError) for one in asyncio.run(run()))
    assert len(server.asked) == 2


def test_one_answer_forgets_refusals_and_an_expected_401_is_none(server, ask, tmp_path):
    shared = {"state_dir": tmp_path, "secrets": [SECRET]}
    for status in (401, 200, 401, 200, 401):
        server.always = lambda _, status=status: reply(b"{}", status)
        if status == 401:
            with pytest.raises(AuthError):
                ask(client=shared)
            assert ask(client=shared, accept_status=(401,)).status == 401
        else:
            ask(client=shared)
    assert len(server.asked) == 8


def test_it_can_be_turned_off(server, ask, tmp_path):
    server.always = lambda _: reply(b"", 401)
    for _ in range(5):
        with pytest.raises(AuthError, match="401"):
            ask(client={"state_dir": tmp_path, "stop_after_401": 0})
    assert len(server.asked) == 5


def test_the_cool_down_lets_one_try_and_survives_a_clock_that_is_set():
    now = [1_000_000.0]
    noted = CredentialLockout("ncc", SharedStateFile(None, "ncc"), [SECRET], 2, wall=lambda: now[0])
    state: dict[str, object] = {}
    for _ in range(2):
        noted.check_not_locked(state)
        noted.record_refusal(state)
    with pytest.raises(AuthError, match="refused 2 times"):
        noted.check_not_locked(state)
    now[0] += LOCKOUT_S
    noted.check_not_locked(state)
    noted.record_refusal(state)
    with pytest.raises(AuthError, match="refused 3 times"):
        noted.check_not_locked(state)
    now[0] -= 30 * 86_400  # put back: not locked for a month
    with pytest.raises(AuthError):
        noted.check_not_locked(state)
    now[0] += LOCKOUT_S
    noted.check_not_locked(state)
