"""Refused credentials are counted across processes and end in a lock-out."""

from __future__ import annotations

import asyncio

import pytest

from helpers.http_processes import SECRET, ended, process
from helpers.misbehaving_server import reply
from wfm.core.errors import AuthError
from wfm.http import Client
from wfm.http.lockout import LOCKOUT_S, CredentialLockout
from wfm.http.shared_state import SharedStateFile


# --- refusals -----------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_refusals_across_processes_end_in_lockout(server, ask, tmp_path):
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


def test_many_tasks_with_bad_credentials_are_refused_twice(server):
    async def run() -> list[object]:
        async with Client("ncc", secrets=[SECRET], concurrent=8) as client:
            return await asyncio.gather(*(client.get(server.url) for _ in range(50)), return_exceptions=True)

    server.always = lambda _: reply(b"", 401)
    assert all(isinstance(one, AuthError) for one in asyncio.run(run()))
    assert len(server.asked) == 2


@pytest.mark.slow
def test_success_clears_refusals_and_expected_401_is_none(server, ask, tmp_path):
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


def test_cool_down_allows_one_try_despite_clock_changes():
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
