"""The sandbox as a server: its settings, its command, its port."""

from __future__ import annotations

from itertools import islice
from xml.etree import ElementTree

import httpx
import pytest

from helpers.call_log_server import CallLogServer
from helpers.sandbox_client import BASIC, SPACE
from wfm.sandbox import SimulatedClock, build_settings_lines, run_sandbox, serve_sandbox
from wfm.sandbox.server.app import build_app
from wfm.sandbox.server.serve import run_server


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
