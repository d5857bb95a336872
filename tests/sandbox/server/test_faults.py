"""Every fault does what its name says, as often as it was told, and is counted."""

from __future__ import annotations

import gzip
from xml.etree import ElementTree

import httpx
import pytest

from helpers.sandbox_client import BASIC
from wfm.core.errors import UsageError
from wfm.sandbox.server.faults import FAULT_DEFAULTS, InjectedFaults


def test_specs_are_read():
    faults = InjectedFaults(["throttle:3x@xsi=2", "html:0.25", "late"])
    assert faults.on["throttle"].count == 3
    assert (faults.on["throttle"].vendor, faults.on["throttle"].value) == ("xsi", 2)
    assert faults.on["html"].probability == 0.25
    assert faults.on["late"].value == FAULT_DEFAULTS["late"]
    wrong_ones = (
        "rain",
        "html:x",
        "html:2",
        "html@mars",
        "html:ax",
        "hang=nan",
        "hang=inf",
        "late=-1",
        "html:-3x",
    )
    for wrong in wrong_ones:
        with pytest.raises(UsageError):
            InjectedFaults([wrong])


def test_probability_is_drawn_from_the_seed():
    drawn = [
        [InjectedFaults(["html:0.3"], seed).strikes("html", "ncc") is not None for _ in range(1)]
        for seed in range(400)
    ]
    assert 80 < sum(one for (one,) in drawn) < 160
    faults, again = InjectedFaults(["html:0.3"], 5), InjectedFaults(["html:0.3"], 5)
    struck = [faults.strikes("html", "ncc") for _ in range(50)]
    assert struck == [again.strikes("html", "ncc") for _ in range(50)]
    assert faults.hits["html"] == sum(one is not None for one in struck)


def test_throttle_asks_for_patience_and_ends(sandbox, busiest):
    sandbox.faults.add_spec("throttle:2x=7")
    for _ in range(2):
        reply = sandbox.xsi(busiest)
        assert (reply.status_code, reply.headers["retry-after"]) == (429, "7")
    assert sandbox.xsi(busiest).status_code == 200
    assert sandbox.faults.hits["throttle"] == 2


def test_a_fault_can_be_one_vendors(sandbox, busiest):
    sandbox.faults.add_spec("server_error@ncc=502")
    assert sandbox.xsi(busiest).status_code == 200
    reply = sandbox.http.get("/ncc/provider/token", auth=BASIC)
    assert (reply.status_code, reply.json()["code"]) == (502, 502)


def test_an_expired_token_stays_expired(sandbox):
    assert sandbox.ncc("/wfm/realTime").status_code == 200
    sandbox.faults.add_spec("expired_token:1x")
    assert [sandbox.ncc("/wfm/realTime").status_code for _ in range(2)] == [401, 401]
    sandbox.sign_in()
    assert sandbox.ncc("/wfm/realTime").status_code == 200


def test_a_storm_of_401(sandbox, busiest):
    sandbox.faults.add_spec("unauthorized")
    assert sandbox.xsi(busiest).status_code == 401
    assert sandbox.http.get("/ncc/provider/token", auth=BASIC).json()["code"] == 401


def test_a_login_page_with_200(sandbox, busiest):
    sandbox.faults.add_spec("html")
    reply = sandbox.xsi(busiest)
    assert reply.status_code == 200
    assert reply.text.startswith("<!DOCTYPE html>")


def test_a_body_cut_short(sandbox, busiest):
    whole = sandbox.xsi(busiest).content
    sandbox.faults.add_spec("truncated=0.3")
    part = sandbox.xsi(busiest).content
    assert part == whole[: int(len(whole) * 0.3)]
    with pytest.raises(ElementTree.ParseError):
        ElementTree.fromstring(part)


def test_latin_declared_and_not(sandbox):
    asked = ("wfm@centre.example", "Enterprise")
    sandbox.faults.add_spec("latin1")
    declared = sandbox.xsi(*asked)
    assert "ISO-8859-1" in declared.headers["content-type"]
    assert "Änn".encode("iso-8859-1") in declared.content
    assert ElementTree.fromstring(declared.content) is not None
    sandbox.faults.switch_off()
    sandbox.faults.add_spec("latin1_undeclared")
    with pytest.raises(ElementTree.ParseError):
        ElementTree.fromstring(sandbox.xsi(*asked).content)


def test_gzip_and_drip_change_no_content(sandbox, busiest):
    whole = sandbox.xsi(busiest)
    sandbox.faults.add_spec("gzip")
    sandbox.faults.add_spec("drip=0.001")
    with sandbox.http.stream("GET", str(whole.request.url), auth=BASIC) as reply:
        assert reply.headers["content-encoding"] == "gzip"
        raw = b"".join(reply.iter_raw())
    assert gzip.decompress(raw) == whole.content
    assert sandbox.faults.hits["drip"] == 1


def test_a_hang_is_left_by_the_client(sandbox, busiest):
    sandbox.faults.add_spec("hang:1x=5")
    with pytest.raises(httpx.ReadTimeout):
        sandbox.http.get("/xsi/nothing", timeout=0.1)
    assert sandbox.xsi(busiest).status_code == 200


def test_pages_are_clamped(sandbox, busiest):
    sandbox.faults.add_spec("clamp=7")
    assert len(sandbox.entries(busiest, results=500)) == 7
    page = sandbox.ncc("/data/api/types/user", rows=500).json()
    assert (page["count"], page["total"]) == (7, 24)


def test_pages_drift(sandbox, busiest):
    calm = sandbox.entries(busiest, results=20)
    sandbox.faults.add_spec("drift=2")
    first, second = (sandbox.entries(busiest, start=start, results=10) for start in (1, 11))
    assert first == calm[2:12]
    assert second == calm[10:20]
    users = [sandbox.ncc("/data/api/types/user", rows=5, start=start).json()["objects"] for start in (0, 5)]
    assert users[0][-1] in users[1]


def test_rows_come_late(sandbox, busiest):
    newest = sandbox.entries(busiest)[0]
    sandbox.faults.add_spec("late=600")
    sandbox.clock.move_to(int(newest["releaseTime"]) / 1000 + 599)
    assert newest not in sandbox.entries(busiest)
    sandbox.clock.advance(1)
    assert newest in sandbox.entries(busiest)
    noon = sandbox.truth.begins + 12 * 3600
    sandbox.clock.move_to(noon)
    late = sandbox.historical(noon - 900, noon)
    sandbox.faults.switch_off()
    prompt = sandbox.historical(noon - 900, noon)
    assert sum(r["sumHandleTime"] for r in late.values()) < sum(r["sumHandleTime"] for r in prompt.values())


def test_rows_come_twice(sandbox, busiest):
    calm = sandbox.entries(busiest)
    sandbox.faults.add_spec("duplicates=1")
    assert sandbox.entries(busiest) == [entry for entry in calm for _ in range(2)]
    assert len(sandbox.ncc("/wfm/realTime").json()["realTime"]) == 48


def test_logs_are_pruned(sandbox, busiest):
    calm = sandbox.entries(busiest)
    sandbox.faults.add_spec("pruned=5")
    assert sandbox.entries(busiest, results=1000) == calm[:5]


def test_states_nobody_has_heard_of(sandbox, busiest):
    sandbox.faults.add_spec("unknown_state=1")
    assert {row["agent-status"] for row in sandbox.ncc("/wfm/realTime").json()["realTime"]} == {
        "Gone fishing"
    }
    assert {entry["basicCallType"] for entry in sandbox.entries(busiest)} == {"Interplanetary"}


def test_fields_are_missing(sandbox, busiest):
    sandbox.faults.add_spec("missing_fields=2")
    entries = sandbox.entries(busiest)
    assert len({tuple(entry) for entry in entries}) > 5
    assert all({"callLogId", "startTime"} <= set(entry) for entry in entries)
    rows = sandbox.ncc("/wfm/realTime").json()["realTime"]
    assert {tuple(row) for row in rows} >= {(), ("agent-id",), ("agent-status",)}


def test_served_rows_are_counted(sandbox, busiest):
    sandbox.entries(busiest, results=7)
    sandbox.ncc("/wfm/realTime")
    told = sandbox.http.get("/control/faults").json()
    assert told["rows"] == {"ncc realTime": 24, "xsi EnhancedCallLogs": 7}
    assert told["served"]["xsi Received 200"] == 1
    assert told["served"]["ncc realTime 200"] == 1


# --- control --------------------------------------------------------------------------------------------
def test_control_switches_faults(sandbox):
    told = sandbox.http.post("/control/faults", json=["html:0.5", "throttle:3x@xsi"]).json()
    assert told["on"]["throttle"] == {"probability": 1.0, "count": 3, "vendor": "xsi", "value": 1.0}
    assert sandbox.http.post("/control/faults", json=["rain"]).status_code == 400
    assert sandbox.http.post("/control/faults", content=b"?").status_code == 400
    assert sandbox.http.delete("/control/faults").json()["on"] == {}


def test_control_turns_the_clock(sandbox):
    begins = sandbox.truth.begins
    told = sandbox.http.post("/control/clock", json={"to": begins, "advance": 60, "speed": 0}).json()
    assert told == {"now": begins + 60, "speed": 0, "begins": begins, "ends": sandbox.truth.ends}
    assert sandbox.http.get("/control/clock").json() == told
    assert sandbox.http.post("/control/clock", json={"to": "noon"}).status_code == 400


def test_control_tells_the_truth(sandbox):
    csv = sandbox.http.get("/control/truth/planted").text.splitlines()
    assert csv[0] == "agent_id,workday,start_at,end_at,class,reason"
    assert len(csv) == sandbox.truth.planted.height + 1
    assert "+0000" in csv[1] or "Z" in csv[1]
    rows = sandbox.http.get("/control/truth/agent", params={"format": "json"}).json()
    assert len(rows) == 24
    assert sandbox.http.get("/control/truth/secret").status_code == 404
