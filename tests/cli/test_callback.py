"""`wfm callback` and `wfm recording`: asked before, sent once, and told as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from wfm.sandbox.centre.simulate import simulate_centre
from wfm.sandbox.ground_truth.ground_truth import GroundTruth
from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.faults import InjectedFaults
from wfm.sandbox.server.serve import build_settings_lines, run_sandbox, run_server
from wfm.sandbox.vendors.behaviour import TELPHIN_BASE

Run = Callable[..., Any]
CALL = ("callback", "telphin", "--src", "2000", "--dst", "+15555550177")


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    return simulate_centre(seed=3, start=date(2026, 3, 2), days=1, agents=3, queues=1, timezone="UTC")


@pytest.fixture
def faults() -> InjectedFaults:
    return InjectedFaults()


@pytest.fixture
def pbx(truth: GroundTruth, faults: InjectedFaults, place: Path) -> Iterator[str]:
    """Serve the sandbox, and write the settings that reach it."""
    with run_sandbox(truth, SimulatedClock(truth.ends), faults) as url:
        lines = [*build_settings_lines(url, "UTC"), "WFM_SOURCES__TELPHIN__REQUESTS_PER_MINUTE=0"]
        (place / "settings.env").write_text("\n".join(lines))
        yield url + TELPHIN_BASE


@pytest.mark.usefixtures("pbx")
def test_call_is_started_and_no_more_is_claimed(run: Run, faults: InjectedFaults) -> None:
    done = run(*CALL, "--yes")
    assert done.code == 0, done.err
    assert "accepted the order (call cb-1): it calls 2000 now, and +15555550177 if that answers." in done.out
    assert faults.served["telphin", "callback", 201] == 1


@pytest.mark.usefixtures("pbx")
def test_nobody_is_called_unasked(run: Run, faults: InjectedFaults) -> None:
    done = run(*CALL)
    assert done.code == 2
    assert "--yes" in done.err
    assert faults.served["telphin", "callback", 201] == 0


@pytest.mark.usefixtures("pbx")
@pytest.mark.parametrize("wrong", ["me", "", "101;102", "+", "1" * 30])
def test_what_is_no_number_is_not_called(run: Run, wrong: str) -> None:
    assert run("callback", "telphin", "--src", "2000", "--dst", wrong, "--yes").code == 2


@pytest.mark.usefixtures("pbx")
def test_an_extension_that_is_not_there(run: Run) -> None:
    done = run("callback", "telphin", "--src", "9999", "--dst", "+15555550177", "--yes")
    assert done.code == 1
    assert "No extension '9999'" in done.err


@pytest.mark.usefixtures("pbx")
def test_a_vendor_that_cannot_says_so(run: Run) -> None:
    done = run("callback", "ncc", "--src", "1010", "--dst", "+15555550177", "--yes")
    assert done.code == 2
    assert "cannot start calls at Nextiva NCC" in done.err
    assert run("recording", "xsi", "1").code == 2


@pytest.mark.usefixtures("pbx")
def test_a_recording_is_printed_and_stored_nowhere(run: Run, place: Path) -> None:
    done = run("recording", "telphin", "9002-ffee")
    assert done.code == 0, done.err
    assert done.out.startswith("https://storage.example/9002-ffee?expires=")
    assert not any(b"storage.example" in path.read_bytes() for path in place.rglob("*") if path.is_file())


def test_order_with_lost_answer_is_not_repeated(run: Run, place: Path) -> None:
    orders: list[str] = []

    async def pbx(scope: Any, _: Any, send: Any) -> None:
        path = scope["path"]
        orders.append(path)
        body: Any = [{"id": 9001, "name": "0042*101", "type": "phone"}]
        if path.endswith("/oauth/token"):
            body = {"access_token": "t0ken", "expires_in": 3600}
        status = 502 if path.endswith("/callback/") else 200
        head = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    with run_server(pbx) as url:
        names = {"VENDOR": "telphin", "BASE_URL": url, "CLIENT_ID": "me", "CLIENT_SECRET": "very-secret"}
        lines = [f"WFM_SOURCES__PBX__{name}={value}" for name, value in names.items()]
        (place / "settings.env").write_text("\n".join(lines))
        done = run("callback", "pbx", "--src", "101", "--dst", "15555550177", "--yes")
    assert done.code == 1
    assert "the call may have been started all the same" in done.err
    assert "very-secret" not in done.err
    assert sum(path.endswith("/callback/") for path in orders) == 1
