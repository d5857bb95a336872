"""Nextiva XSI in the sandbox, held against the structure of the vendor's samples."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree

import httpx
import polars as pl
import pytest

from helpers.sandbox_client import BASIC, SPACE

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


@pytest.mark.slow
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
