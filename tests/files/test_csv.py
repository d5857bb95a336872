"""How text is cut into rows, how columns are found, and what is refused as a whole."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from wfm import files
from wfm.core import schema
from wfm.core.errors import BadRowsError, InputError

STATES = "source,login,at,vendor_state,vendor_reason\n"
ROW = "ncc,2007,2026-03-02T08:00:00Z,Available,\n"


def test_a_plain_file(read):
    got = read(STATES + ROW, "agent_state")
    assert got.frame.schema == schema.get_table("agent_state").own_columns | {"row_no": pl.Int64()}
    assert got.frame.rows() == [("ncc", "2007", datetime(2026, 3, 2, 8, tzinfo=UTC), "Available", None, 2)]
    assert got.bad.schema == {"row": pl.Int64, "column": pl.String, "value": pl.String, "expected": pl.String}
    assert got.bad.is_empty()
    assert got.bad_rows.is_empty()
    assert got.note == ()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_every_dialect_reads_the_same(read, delimiter, end, encoding, quote):
    rows = [["Agent ID", "Name", "Team"], ["1", "Zoé", "A"], ["2", "Müller", ""]]
    text = "".join(delimiter.join(f"{quote}{cell}{quote}" for cell in row) + end for row in rows)
    got = read(text.encode(encoding), "agent")
    assert got.frame.select("agent_id", "name", "team", "row_no").rows() == [
        ("1", "Zoé", "A", 2),
        ("2", "Müller", None, 3),
    ]


def test_the_notes_say_what_was_decided(read):
    got = read("agent_id;name;shoe size\n1;Zoé;42\n\n".encode("cp1252") + b"2;x;1\n", "agent")
    assert got.note == (
        "not UTF-8: read as Windows-1252; check names with accents",
        "cells are separated by semicolon",
        "1 blank row skipped",
        "ignored columns: shoe size",
    )


def test_excels_own_first_line_names_the_delimiter(read):
    got = read("sep=;\r\nagent_id;name\r\n1;a,b\r\n", "agent")
    assert got.frame.select("name", "row_no").rows() == [("a,b", 3)]


@pytest.mark.parametrize("blank", ["", "   ", ",,,,", '"","","","",""'])
def test_row_no_is_the_line_an_editor_shows(read, blank):
    got = read(f"{blank}\n{STATES}{blank}\n{ROW}{blank}\n{blank}\nx,1,bad,A,\n", "agent_state")
    assert got.frame["row_no"].to_list() == [4]
    assert got.bad["row"].to_list() == [7]


def test_line_breaks_and_quotes_inside_cells(read):
    got = read('agent_id,name\n1,"a\nb"\n2,"say ""hi"", then"\n', "agent")
    assert got.frame.select("name", "row_no").rows() == [("a\nb", 2), ('say "hi", then', 4)]


def test_rows_of_another_length_are_bad_rows(read):
    got = read(
        STATES + ROW + "ncc,1\nncc,1,2026-03-02T08:00:00Z,A,r,more,again\n" + ROW.replace("2007", "8"),
        "agent_state",
    )
    assert got.frame["row_no"].to_list() == [2, 5]
    assert got.bad.rows() == [
        (3, "at", "", "5 cells as in the header: this row has 2"),
        (4, "(surplus cells)", "more,again", "5 cells as in the header: this row has 7"),
    ]
    assert got.bad_rows.drop("problem").rows() == [
        ("ncc", "1", "", "", "", 3, ""),
        ("ncc", "1", "2026-03-02T08:00:00Z", "A", "r", 4, "more,again"),
    ]


def test_bad_rows_can_be_corrected_and_read_again(read, tmp_path):
    got = read(STATES + ROW + "ncc,1,yesterday,A,x\n", "agent_state")
    files.write_table(got.bad_rows, tmp_path / "bad.csv", "csv")
    text = (tmp_path / "bad.csv").read_text().replace("yesterday", "2026-03-02T08:00:00Z", 1)
    again = read(text, "agent_state", "again.csv")
    assert again.bad.is_empty()
    assert again.note == ()
    assert again.frame.height == 1


def test_what_an_export_adds_is_ignored_in_silence(read):
    header = "leg_id,source,agent_id,row_no,collection_id,recorded_at,replaced_at"
    text = f"{header}\nL1,s,a,1,2,2026-03-02T08:00:00Z,\n"
    assert read(text, "call_leg").note == ()


def test_the_error_shows_the_bad_rows(read):
    got = read(STATES + "ncc,1,02/03/2026 08:00,A,\n", "agent_state")
    said = str(BadRowsError("x.csv", got.bad))
    assert "row 2, at: '02/03/2026 08:00' - expected a date and time with offset" in said


def test_columns_are_found_under_other_spellings(read):
    got = read(
        "\ufeffLOGIN , Vendor-State,VENDOR_REASON,At\n7,Busy,,2026-03-02T08:00:00Z\n",
        "agent_state",
        defaults={"source": "bank"},
    )
    assert got.frame.select("source", "login", "vendor_state").rows() == [("bank", "7", "Busy")]


def test_renames(read):
    text = "User,login,at,vendor_state\nanna,7,2026-03-02T08:00:00Z,Busy\n"
    options = {"defaults": {"source": "s"}}
    with pytest.raises(InputError, match=r"two columns for login: 'User' and 'login'"):
        read(text, "agent_state", renames={"User": "login"}, **options)
    with pytest.raises(InputError, match=r"no column 'Usr' to take as login. The file has: 'User', 'login'"):
        read(text, "agent_state", renames={"Usr": "login"}, **options)
    with pytest.raises(InputError, match=r"agent_state has no column 'person'. It has: source, login"):
        read(text, "agent_state", renames={"User": "person"}, **options)
    got = read(text.replace("login", "phone"), "agent_state", renames={"user": "login"}, **options)
    assert got.frame["login"].to_list() == ["anna"]
    assert got.note == ("ignored columns: phone",)


def test_doubled_name_that_nobody_wants_is_no_matter(read):
    assert read("agent_id,x,x,row_no\n1,2,3,4\n", "agent").frame["agent_id"].to_list() == ["1"]


def test_a_missing_column_is_named_with_the_nearest(read):
    with pytest.raises(InputError) as error:
        read("source,login id,at,vendor_state\ns,1,2026-03-02T08:00:00Z,A\n", "agent_state")
    assert str(error.value).endswith(
        "agent_state needs the column login. The file has: 'source', 'login id', 'at', 'vendor_state'. "
        "Did you mean 'login id'? Then give --map \"login id=login\"."
    )
    with pytest.raises(InputError, match=r"needs the columns source, login, at"):
        read("a,b\n1,2\n", "agent_state")


def test_defaults_fill_only_gaps_and_are_checked(read):
    assert read("agent_id,team\n1,\n", "agent", defaults={"team": "A"}).frame["team"].to_list() == [None]
    span = "start_at,end_at\n2026-03-02T08:00:00Z,2026-03-02T09:00:00Z\n"
    assert read(span, "exemption", defaults={"kind": "system"}).frame["kind"].to_list() == ["system"]
    with pytest.raises(InputError, match=r"made_at was given as 'soon'; expected a date and time"):
        read(span, "exemption", defaults={"kind": "system", "made_at": "soon"})
    with pytest.raises(InputError, match="needs the column kind"):
        read(span, "exemption", defaults={"kind": " "})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty: it has no header"),
        (b"\n \n\r\n", "is empty: it has no header"),
        (b"\xff\xfe", "is empty: it has no header"),
        (b"agent_id,name\n", "has a header but no rows"),
        (b"agent_id,name\n\n  \n", "has a header but no rows"),
        (b'agent_id,name\n"",""\n', "has a header but no rows"),
        (b"agent_id\x00name\n1\n", "is not text"),
        (b"agent_id\n\x81\x8d\n", "is not text in UTF-8, UTF-16 or Windows-1252"),
        (b"\xff\xfea", "is not text in UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x05", "is not text"),
        (b'agent_id,name\n1,"a\n2,b\n', "line 2 cannot be split into cells"),
        (b'agent_id,name\n1,"a"b\n', "line 2 cannot be split into cells"),
    ],
)
def test_whole_file_problems(read, content, said):
    with pytest.raises(InputError, match=said):
        read(content, "agent")


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        files.read_table(tmp_path / "no.csv", "agent")
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(InputError, match="is a directory"):
        files.read_table(tmp_path / "d.csv", "agent")
    with pytest.raises(InputError, match="cannot be read"):
        files.read_table("a\0.csv", "agent")


def test_a_file_that_is_nobodys_business(public, as_nobody):
    (public / "secret.csv").write_text("agent_id\n1\n")
    (public / "secret.csv").chmod(0)
    with as_nobody(), pytest.raises(InputError, match="cannot be read: Permission denied"):
        files.read_table(public / "secret.csv", "agent")


@pytest.mark.parametrize(
    ("name", "table", "said"),
    [
        (
            "x.pdf",
            "agent",
            r"\.pdf files are not read. Supported are .csv, .parquet, .xlsx and, for schedule, .ics",
        ),
        ("x.xls", "agent", r"Save it as .xlsx"),
        ("x", "agent", "no ending"),
        ("x.ics", "agent", "calendars are read into schedule only"),
        ("x.csv", "agents", r"no table 'agents' to import into. There are: agent, login"),
        ("x.csv", "report_row", "no table 'report_row'"),
        ("x.csv", "migration", "no table 'migration'"),
    ],
)
def test_unsupported(read, name, table, said):
    with pytest.raises(InputError, match=said):
        read("agent_id\n1\n", table, name)


def test_an_unknown_timezone_is_refused(read):
    with pytest.raises(InputError, match=r"unknown timezone 'Asia/Jerusalm'. Did you mean Asia/Jerusalem"):
        read("agent_id\n1\n", "agent", timezone="Asia/Jerusalm")


def test_repeats_are_dropped_the_last_stays(read):
    text = STATES + "".join(f"s,1,2026-03-02T08:00:00Z,{state},\n" for state in "ABAAC")
    got = read(text, "agent_state")
    assert got.frame.select("vendor_state", "row_no").rows() == [("B", 3), ("A", 5), ("C", 6)]
    assert got.note == ("2 exact repeats of another row dropped",)


def test_the_last_row_of_a_key_counts(read):
    got = read("agent_id,name\n1,a\n2,b\n1,c\n2,b\n", "agent")
    assert got.frame.select("agent_id", "name", "row_no").rows() == [("1", "c", 4), ("2", "b", 5)]
    assert got.note == (
        "1 exact repeat of another row dropped",
        "1 row dropped for a later row with the same agent_id: the last one counts",
    )


def test_the_fast_and_the_exact_way_agree(read):
    lines = [f"s,{i % 5},2026-03-02T08:{i % 60:02}:00Z,st {i},{'' if i % 3 else 'x'}" for i in range(9000)]
    plain = read(STATES + "\n".join(lines), "agent_state")
    exact = read(STATES + "\n".join([*lines, "ragged"]), "agent_state")
    assert exact.bad.height == 1
    assert plain.frame.equals(exact.frame)
