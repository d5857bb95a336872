"""What the two vendors say, held against the structure of the documents' samples."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from itertools import islice
from xml.etree import ElementTree

import httpx
import polars as pl
import pytest

from helpers.call_log_server import CallLogServer
from helpers.sandbox_client import BASIC
from wfm.sandbox import SimulatedClock, build_settings_lines, run_sandbox, serve_sandbox
from wfm.sandbox.server.app import build_app
from wfm.sandbox.server.serve import run_server
from wfm.sandbox.vendors.behaviour import VendorBehaviour

SPACE = "{http://schema.broadsoft.com/xsi}"
ORDER = (
    "countryCode",
    "callLogId",
    "callId",
    "subscriberType",
    "dialedNumber",
    "calledNumber",
    "networkTranslatedAddress",
    "callingAssertedNumber",
    "callingPresentationNumber",
    "callingPresentationNumberSource",
    "callingPresentationName",
    "callingPresentationIndicator",
    "callingGroupId",
    "calledDirectoryName",
    "calledGroupId",
    "connectedNumber",
    "connectedNumberSource",
    "connectedName",
    "connectedPresentationIndicator",
    "connectedGroupId",
    "typeOfNetwork",
    "callCategory",
    "basicCallType",
    "configurableCallType",
    "alternateCallIndicator",
    "virtualOnNetCallType",
    "time",
    "startTime",
    "answerTime",
    "releaseTime",
    "detachedTime",
    "detachedAnswerTime",
    "outgoingDnis",
    "serviceInvocationDisposition",
    "serviceInvocationDialedNumber",
    "serviceInvocationCalledNumber",
    "redirectingNumber",
    "redirectingName",
    "redirectingPresentationIndicator",
    "redirectingReason",
)
REQUIRED = {
    "callLogId",
    "callId",
    "subscriberType",
    "callingPresentationIndicator",
    "basicCallType",
    "time",
    "startTime",
}


# --- NCC ------------------------------------------------------------------------------------------------
def test_token_names_its_location_and_expiry(sandbox):
    reply = sandbox.sign_in()
    assert {"location", "token", "clientLocation"} <= set(reply)
    assert reply["location"] == f"{sandbox.url}/ncc/cluster-1"
    claims = reply["token"].split(".")[1]
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert decoded["exp"] == int(sandbox.clock.now() + 3600)


def test_wrong_credentials_get_an_error_in_json(sandbox):
    reply = sandbox.http.get("/ncc/provider/token", auth=("somebody", "else"))
    assert (reply.status_code, reply.json()) == (401, {"code": 401, "message": "Bad credentials"})
    assert sandbox.http.get("/ncc/provider/token", headers={"Authorization": "Basic !"}).status_code == 401


def test_a_token_runs_out_by_virtual_time(sandbox):
    assert sandbox.ncc("/wfm/realTime").status_code == 200
    sandbox.clock.advance(3600)
    assert sandbox.ncc("/wfm/realTime").json() == {"code": 401, "message": "Token expired"}


@pytest.mark.parametrize(
    ("accepts", "raw", "bearer"), [("raw", 200, 401), ("bearer", 401, 200), ("both", 200, 200)]
)
def test_raw_or_bearer(truth, accepts, raw, bearer):
    with (
        run_sandbox(truth, behaviour=VendorBehaviour(accepts=accepts)) as url,
        httpx.Client(base_url=url) as http,
    ):
        reply = http.get("/ncc/provider/token-with-authorities", auth=BASIC).json()
        for value, status in ((reply["token"], raw), (f"Bearer {reply['token']}", bearer)):
            told = http.get(reply["location"] + "/wfm/realTime", headers={"Authorization": value})
            assert told.status_code == status


def test_login_host_and_other_clusters_answer_in_html(sandbox):
    sandbox.sign_in()
    for path in ("/ncc/wfm/realTime", "/ncc/cluster-2/wfm/realTime"):
        reply = sandbox.http.get(path, headers={"Authorization": sandbox.token})
        assert reply.status_code == 404
        assert reply.headers["content-type"].startswith("text/html")


def test_historical_has_row_per_queue_and_quarter_hour(sandbox):
    begin = sandbox.truth.begins
    body = sandbox.ncc("/wfm/historical", start=begin, end=begin + 1800).json()
    assert list(body) == ["historical"]
    assert len(body["historical"]) == 2 * 3
    names = {"queueId", "intervalStart", "sumHandleTime", "enteredCount", "abandonedCount"}
    assert all(set(row) == names and row["intervalStart"] % 900 == 0 for row in body["historical"])
    in_ms = sandbox.ncc("/wfm/historical", start=begin * 1000, end=(begin + 1800) * 1000).json()
    assert in_ms == body
    for params in ({}, {"start": 1, "end": "x"}):
        assert sandbox.ncc("/wfm/historical", **params).json()["code"] == 400


def test_real_time_tells_every_agent(sandbox):
    sandbox.clock.move_to(sandbox.truth.begins + 11 * 3600)
    body = sandbox.ncc("/wfm/realTime").json()
    assert list(body) == ["realTime"]
    assert [row["agent-id"] for row in body["realTime"]] == [a.ncc for a in sandbox.truth.agents]
    assert all(set(row) == {"agent-id", "agent-status"} for row in body["realTime"])
    assert {"Available", "Busy", "Logged out"} <= {row["agent-status"] for row in body["realTime"]}


def test_absent_agents_and_since_can_be_switched(truth):
    clock = SimulatedClock(truth.begins + 11 * 3600)
    behaviour = VendorBehaviour(list_logged_out=False, since_field="since", time_unit="ms")
    with run_sandbox(truth, clock, behaviour=behaviour) as url, httpx.Client(base_url=url) as http:
        reply = http.get("/ncc/provider/token-with-authorities", auth=BASIC).json()
        rows = http.get(reply["location"] + "/wfm/realTime", headers={"Authorization": reply["token"]}).json()
    assert 0 < len(rows["realTime"]) < len(truth.agents)
    assert all(row["agent-status"] != "Logged out" for row in rows["realTime"])
    assert all(0 <= clock.now() * 1000 - row["since"] < 12 * 3_600_000 for row in rows["realTime"])


def test_types_are_paged_from_zero(sandbox):
    seen = []
    for start in range(0, 30, 10):
        page = sandbox.ncc("/data/api/types/user", q="", rows=10, start=start).json()
        assert (page["count"], page["total"]) == (len(page["objects"]), 24)
        seen += page["objects"]
    assert [one["userId"] for one in seen] == [agent.ncc for agent in sandbox.truth.agents]
    assert {"_id", "userId", "username", "firstName", "lastName", "name"} <= set(seen[0])
    queues = sandbox.ncc("/data/api/types/queue").json()["objects"]
    assert [(one["queueId"], one["name"]) for one in queues] == [
        ("q-1", "Sales"),
        ("q-2", "Support"),
        ("q-3", "Billing"),
    ]
    assert sandbox.ncc("/data/api/types/topic").json()["code"] == 404
    assert sandbox.ncc("/data/api/types/user", start=-1).json()["code"] == 400
    assert sandbox.ncc("/data/api/types/user", rows="x").json()["code"] == 400


# --- XSI ------------------------------------------------------------------------------------------------
def test_log_is_xml_in_order_of_the_schema(sandbox, busiest):
    reply = sandbox.xsi(busiest, "EnhancedCallLogs", results=1000)
    root = ElementTree.fromstring(reply.content)
    assert root.tag == SPACE + "EnhancedCallLogs"
    assert [child.tag for child in root] == [
        SPACE + name for name in ("startIndex", "numberOfRecords", "placed", "received", "missed")
    ]
    entries = root.findall(f"./*/{SPACE}enhancedCallLogsExtendedEntry")
    assert len(entries) > 100
    for entry in entries:
        names = [field.tag.removeprefix(SPACE) for field in entry]
        assert [ORDER.index(name) for name in names] == sorted(ORDER.index(name) for name in names)
        assert set(names) >= REQUIRED
        start = datetime.fromisoformat(entry.findtext(SPACE + "time", ""))
        assert start.utcoffset() is not None
        assert round(start.timestamp() * 1000) == int(entry.findtext(SPACE + "startTime", ""))


def test_json_is_badgerfish(sandbox, busiest):
    one = sandbox.xsi(busiest, "EnhancedCallLogs", results=1, format="json").json()["EnhancedCallLogs"]
    assert one["@xmlns"] == {"$": "http://schema.broadsoft.com/xsi"}
    assert (one["startIndex"], one["numberOfRecords"]) == ({"$": "1"}, {"$": "1"})
    assert isinstance(one["received"]["enhancedCallLogsExtendedEntry"], dict)
    assert all(isinstance(v["$"], str) for v in one["received"]["enhancedCallLogsExtendedEntry"].values())
    two = sandbox.xsi(busiest, results=2, format="json").json()["EnhancedCallLogs"]
    assert isinstance(two["received"]["enhancedCallLogsExtendedEntry"], list)
    none = sandbox.xsi(busiest, start=9999, format="json").json()["EnhancedCallLogs"]
    assert none["received"] == {}
    accepted = sandbox.http.get(
        str(sandbox.xsi(busiest).request.url), headers={"Accept": "application/json"}, auth=BASIC
    )
    assert accepted.headers["content-type"].startswith("application/json")


def test_pages_start_at_one_and_are_clamped(sandbox, busiest):
    everything = sandbox.entries(busiest, results=1000)
    starts = [int(entry["startTime"]) for entry in everything]
    assert starts == sorted(starts, reverse=True)
    paged = [
        e
        for start in range(1, len(starts) + 1, 40)
        for e in sandbox.entries(busiest, start=start, results=40)
    ]
    assert paged == everything
    for asked, echoed in ((5, "5"), (100_000, "1000")):
        echo = sandbox.xsi(busiest, results=asked, format="json").json()["EnhancedCallLogs"]
        assert echo["numberOfRecords"]["$"] == echoed
    for params in ({"start": 0}, {"results": 0}, {"start": "x"}, {"startTime": "yesterday"}):
        reply = sandbox.xsi(busiest, **params)
        assert reply.status_code == 400
        root = ElementTree.fromstring(reply.content)
        assert [child.tag for child in root] == [
            SPACE + n for n in ("summary", "summaryEnglish", "errorCode")
        ]


def test_window_is_inclusive_and_selects_on_the_start(sandbox, busiest):
    everything = sandbox.entries(busiest, results=1000)
    first, last = int(everything[30]["startTime"]), int(everything[10]["startTime"])
    edges = [
        datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds") for ms in (first, last)
    ]
    told = sandbox.entries(busiest, results=1000, startTime=edges[0], endTime=edges[1].replace("+00:00", "Z"))
    assert told == everything[10:31]
    assert sandbox.entries(busiest, results=1000, startTime="2026-03-02", nonsense=1) == everything
    sandbox.clock.move_to(sandbox.truth.ends + 70 * 86400)
    assert sandbox.entries(busiest) == []


def test_filters_are_served_by_the_server(sandbox, busiest):
    served = sandbox.entries(busiest, results=1000, basicCallType="Network")
    assert served
    assert all(entry["basicCallType"] == "Network" for entry in served)
    assert not sandbox.entries(
        busiest, results=1000, basicCallType="Network", serviceInvocationDisposition="NONE"
    )
    assert len(sandbox.entries(busiest, results=1000, serviceInvocationDisposition="ANY")) == len(served)


def test_logs_tell_what_happened_to_the_millisecond(sandbox):
    missed = 0
    for agent in sandbox.truth.agents:
        legs = sandbox.truth.leg.filter(pl.col("agent_id") == agent.agent_id).sort(
            "started_at", descending=True
        )
        told = sorted(
            (
                (int(entry["startTime"]), kind, entry)
                for kind in ("Placed", "Received", "Missed")
                for entry in sandbox.entries(agent.xsi, kind, results=1000)
            ),
            key=lambda row: row[0],
            reverse=True,
        )
        assert len(told) == legs.height
        for (start, kind, entry), leg in zip(told, legs.iter_rows(named=True), strict=True):
            assert start // 1000 == leg["started_at"].timestamp()
            over = entry.get("releaseTime") or entry["detachedTime"]
            assert int(over) // 1000 == leg["ended_at"].timestamp()
            assert ("answerTime" in entry) is (leg["answered_at"] is not None)
            if leg["answered_at"]:
                assert int(entry["answerTime"]) // 1000 == leg["answered_at"].timestamp()
            if leg["queue_id"] and leg["outcome"] == "answered":
                assert kind == "Received"
                assert entry["serviceInvocationDisposition"] == "Distribution from Call Center"
            if leg["queue_id"] and leg["outcome"] == "no_answer":
                assert kind == "Missed"
                missed += "detachedTime" in entry
    assert missed > 0


def test_internal_call_is_told_twice_with_two_ids(sandbox):
    pair = sandbox.truth.leg.filter(pl.col("direction") == "internal").sort("call_id", "started_at").head(2)
    placed, received = (
        [e for e in sandbox.entries(login, kind, results=1000) if e["basicCallType"] == "Group"]
        for login, kind in zip(pair["login"], ("Placed", "Received"), strict=True)
    )
    second = int(pair["answered_at"][0].timestamp())
    ends = [next(e for e in part if int(e["answerTime"]) // 1000 == second) for part in (placed, received)]
    assert ends[0]["callId"] != ends[1]["callId"]
    assert ends[0]["calledNumber"] == ends[1]["calledNumber"]
    assert ends[0]["callingPresentationNumber"] == ends[1]["callingPresentationNumber"]


def test_every_request_needs_basic_and_user_who_exists(sandbox, busiest):
    url = str(sandbox.xsi(busiest).request.url)
    bare = sandbox.http.get(url)
    assert bare.status_code == 401
    assert ElementTree.fromstring(bare.content).tag == SPACE + "ErrorInfo"
    assert sandbox.xsi("wfm@centre.example").status_code == 404
    assert sandbox.xsi(busiest, "EnhancedCallLogs/Lost").status_code == 404
    assert sandbox.xsi(busiest.upper()).status_code == 200
    assert sandbox.xsi(busiest, "CallLogs").status_code == 404


def test_the_directory_is_paged_and_counts_everybody(sandbox):
    seen = []
    for start in (1, 11, 21):
        reply = sandbox.xsi("wfm@centre.example", "Enterprise", start=start, results=10)
        root = ElementTree.fromstring(reply.content)
        assert root.findtext(SPACE + "totalAvailableRecords") == "24"
        seen += root.findall(f".//{SPACE}directoryDetails")
    assert [one.findtext(SPACE + "userId") for one in seen] == [agent.xsi for agent in sandbox.truth.agents]
    assert seen[1].findtext(SPACE + "firstName") == "Änn"


def test_what_must_not_be_asked_is_noted(sandbox, busiest):
    path = httpx.URL(str(sandbox.xsi(busiest).request.url)).path
    assert sandbox.http.delete(path, auth=BASIC).status_code == 405
    assert sandbox.http.post(path, auth=BASIC).status_code == 405
    sandbox.http.get(path, auth=BASIC)
    assert [violation.split()[0] for violation in sandbox.faults.violations] == ["DELETE", "POST"]


# --- serving --------------------------------------------------------------------------------------------
def test_settings_name_both_sources_and_no_other_host(sandbox):
    lines = build_settings_lines(sandbox.url, "Asia/Jerusalem")
    values = dict(line.split("=", 1) for line in lines)
    assert values["WFM_SOURCES__NCC__VENDOR"] == "nextiva_ncc"
    assert values["WFM_SOURCES__XSI__BASE_URL"] == f"{sandbox.url}/xsi"
    assert all("127.0.0.1" in value for name, value in values.items() if "URL" in name)


def test_the_command_gives_settings_and_then_serves():
    serving = serve_sandbox(
        port=0, speed=60, seed=2, faults=["html:1x"], agents=6, queues=1, days=2, timezone="UTC"
    )
    values = dict(line.split("=", 1) for line in islice(serving, 18))
    with httpx.Client(auth=BASIC) as http:
        url = values["WFM_SOURCES__NCC__BASE_URL"] + values["WFM_SOURCES__NCC__TOKEN_PATH"]
        kinds = [http.get(url).headers["content-type"].split(";")[0] for _ in range(2)]
        clock = http.get(url.replace("/ncc/provider/token-with-authorities", "/control/clock")).json()
    serving.close()
    assert kinds == ["text/html", "application/json"]
    assert clock["speed"] == 60
    assert clock["begins"] < clock["now"] < clock["ends"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_the_call_log_server_serves_pages_from_memory():
    server = CallLogServer(users=3, entries=500)
    with run_server(server) as url, httpx.Client(base_url=url) as http:
        user = list(server.users)[1]
        path = f"/xsi/com.broadsoft.xsi-actions/v2.0/user/{user}/directories/EnhancedCallLogs/Received"
        ids = []
        for start in (1, 201, 401, 601):
            root = ElementTree.fromstring(http.get(path, params={"start": start, "results": 200}).content)
            ids += [node.text for node in root.iter(SPACE + "callLogId")]
        assert len(set(ids)) == len(ids) == server.served_rows == 500
        assert http.get(path.replace("agent", "nobody")).status_code == 404
        users = http.get(path.replace("EnhancedCallLogs/Received", "Enterprise"))
        assert len(list(ElementTree.fromstring(users.content).iter(SPACE + "userId"))) == 3


def test_port_that_is_taken_is_error_in_words(sandbox, truth):
    port = int(sandbox.url.rpartition(":")[2])
    with pytest.raises(Exception, match=f"Port {port} cannot be used"), run_sandbox(truth, port=port):
        pass
    assert callable(build_app(truth, SimulatedClock(0)))
