"""Nextiva NCC in the sandbox, held against the structure of the vendor's samples."""

from __future__ import annotations

import base64
import json

import httpx
import pytest

from helpers.sandbox_client import BASIC
from wfm.sandbox import SimulatedClock, run_sandbox
from wfm.sandbox.vendors.behaviour import VendorBehaviour


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
