"""The golden day of the specification as files to import: one agent, two queues, every importable table."""

from __future__ import annotations

from pathlib import Path

DAY = "2026-03-02"
NEXT = "2026-03-03"


def rows(header: str, *lines: str) -> str:
    return "\n".join([header, *lines, ""])


FILES = {
    "activity": rows("activity,category,paid,counted,shrinkage", "chat,on_queue,true,,none"),
    "agent": rows("agent_id,name,team,site,timezone", "ann,Änn O'Neill,Bänk,Haifa,UTC"),
    "login": rows("source,login,agent_id,from_at,to_at", "pbx,2001,ann,,"),
    "queue": rows("source,queue_id,name,timezone", "pbx,sales,Sales,UTC", "pbx,night,Night,"),
    "state_map": rows(
        "source,vendor_state,vendor_reason,state", "*,At desk,,available", "pbx,Aux,lunch,meal"
    ),
    "rule": rows("category,state,in_adherence", "meeting,available,false"),
    "holiday": rows("on_date,name,closed", "2026-03-03,Purim,false"),
    "exemption": rows(
        "start_at,end_at,kind,agent_id,team,code,note,by,made_at",
        '2026-03-05T08:00:00Z,2026-03-05T09:00:00Z,system,,Bänk,outage,"a note, with a comma",ops,',
    ),
    "schedule": rows(
        "agent_id,start_at,end_at,activity",
        "ann,2026-03-02T08:00:00Z,2026-03-02T16:00:00Z,phone",
        "ann,2026-03-02T10:00:00Z,2026-03-02T10:15:00Z,break",
        "ann,2026-03-02T12:00:00Z,2026-03-02T12:30:00Z,lunch",
        "ann,2026-03-02T14:00:00Z,2026-03-02T14:15:00Z,break",
    ),
    "agent_state": rows(
        "login,at,vendor_state,vendor_reason",
        "2001,2026-03-02T08:03:00Z,Available,",
        "2001,2026-03-02T09:55:00Z,Busy,",
        "2001,2026-03-02T10:06:00Z,Break,",
        "2001,2026-03-02T10:21:00Z,Available,",
        "2001,2026-03-02T12:00:00Z,Aux,lunch",
        "2001,2026-03-02T12:30:00Z,Available,",
        "2001,2026-03-02T14:00:00Z,Break,",
        "2001,2026-03-02T14:15:00Z,Available,",
        "2001,2026-03-02T16:10:00Z,Logged out,",
    ),
    "call_leg": rows(
        "leg_id,call_id,login,queue_id,direction,started_at,answered_at,ended_at,ring_s,talk_s,wrap_s,outcome",
        "leg-1,call-1,2001,sales,in,2026-03-02T09:54:40Z,2026-03-02T09:55:00Z,2026-03-02T10:06:00Z,20,660,0,answered",
    ),
    "interval_volume": rows(
        "queue_id,interval_start,entered,abandoned,sum_handle_time_s",
        "sales,2026-03-02T09:45:00Z,1,0,660.5",
        "sales,2026-03-02T10:00:00Z,2,1,90",
    ),
    "clock": rows(
        "source,offset_s,from_at,to_at,by,note", "other,-90.25,2026-03-02T00:00:00Z,,kim,seen on the wall"
    ),
    "coverage": rows("source,start_at,end_at", "other,2026-03-02T00:00:00Z,2026-03-03T00:00:00Z"),
}
"""What is in each file; in the order in which they are imported."""


def write(directory: Path) -> None:
    """Write every file into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for table, text in FILES.items():
        (directory / f"{table}.csv").write_text(text, encoding="utf-8")
