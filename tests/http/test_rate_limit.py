"""The rate holds across processes, tasks and restarts, and a rest that a server asks for holds for all."""

from __future__ import annotations

import signal
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.http_processes import ended, process
from helpers.misbehaving_server import reply
from wfm.core.errors import ThrottledError
from wfm.http import RetryPolicy, rate_limit


def busiest(times: list[float], window_s: float) -> int:
    return max(sum(start <= at < start + window_s for at in times) for start in times)


@pytest.mark.slow
def test_the_rate_holds_across_processes(server, tmp_path):
    # 1,200 a minute: one every 50 ms, whoever sends it
    assert ended(*(process(server.url, tmp_path, rate=1200, n=10) for _ in range(3))) == ["", "", ""]
    times = sorted(one.at for one in server.asked)
    assert len(times) == 30
    assert times[-1] - times[0] >= 29 * 0.05 - 0.2
    # 10 and a half by the rate; a busy machine pushes arrivals together, but no process has a rate of its own
    assert busiest(times, 0.475) <= 18


@pytest.mark.slow
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


# --- a source that wants to be left alone -------------------------------------------------------------------
def test_long_retry_after_holds_for_every_process(server, ask, tmp_path):
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
        left = rate_limit.get_pause_left_s({"pause": noted}, now)
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
