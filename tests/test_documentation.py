"""Every link of the documentation leads somewhere, and every command that it shows is understood."""

from __future__ import annotations

import ast
import contextlib
import re
import shlex
from pathlib import Path

import pytest
import typer

import wfm
from wfm.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") and part != ".github" for part in page.relative_to(ROOT).parts[:-1])
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE_COMMAND = re.compile(r"`(wfm [^`]+)`")
MISSING = next(error for error in typer.BadParameter.__subclasses__() if error.__name__ == "MissingParameter")
NOT_COMMANDS = ("wfm-", "wfm.", "wfm/")


def blocks(page: Path, *languages: str) -> list[str]:
    return [
        text for language, text in BLOCK.findall(page.read_text(encoding="utf-8")) if language in languages
    ]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def shown_commands(page: Path) -> list[str]:
    lines = [line for text in blocks(page, "sh", "ini") for line in text.splitlines()]
    lines += [
        line[2:] for text in blocks(page, "text") for line in text.splitlines() if line.startswith("$ wfm")
    ]
    lines += INLINE_COMMAND.findall(page.read_text(encoding="utf-8"))
    found = []
    for line in lines:
        for part in re.split(r"&&|ExecStart=", line):
            command = re.sub(r"^\S*bin/wfm ", "wfm ", part.strip()).rstrip("&").strip()
            if command.startswith("wfm ") and not command.startswith(NOT_COMMANDS):
                found.append(command.replace("\\|", "|"))
    return found


def words_of(command: str) -> list[str]:
    """Cut a command into words; what stands for something else, or goes to the shell, is left out."""
    words = []
    for word in shlex.split(command, comments=True)[1:]:
        if word == ">":
            break
        if word != "…":
            words.append(word.split("|")[0])
    return words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize(
    ("page", "command"),
    [
        pytest.param(page, command, id=f"{page.relative_to(ROOT)}: {command}")
        for page in PAGES
        for command in sorted(set(shown_commands(page)))
    ],
)
def test_every_command_shown_is_understood(page: Path, command: str) -> None:
    words = words_of(command)
    part = typer.main.get_command(app)
    context = part.make_context("wfm", words) if words and words != ["--help"] else None
    while context is not None and hasattr(part, "get_command"):
        rest = [*getattr(context, "_protected_args", []), *context.args]
        if not rest:
            return
        part = part.get_command(context, rest[0])
        assert part is not None, f"{page}: there is no command {rest[0]}"
        # a command that is only named, as in a table, has no arguments to check
        mentioned = command in INLINE_COMMAND.findall(page.read_text(encoding="utf-8"))
        with contextlib.suppress(*([MISSING] if mentioned else [])):
            context = part.make_context(rest[0], rest[1:], parent=context, resilient_parsing=len(rest) == 1)
            continue
        return


def test_the_first_screens_lead_on() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    first = next(n for n, line in enumerate(lines) if re.search(r"(?<!!)\[[^\]]+\]\(", line))
    assert first <= 2 * 50


def test_python_shown_names_what_exists() -> None:
    for page in PAGES:
        for text in blocks(page, "python"):
            tree = ast.parse(text)
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    if node.value.id == "wfm":
                        assert hasattr(wfm, node.attr), f"{page}: wfm.{node.attr}"
                    if node.value.id == "w":
                        assert hasattr(wfm.Centre, node.attr), f"{page}: {node.attr}"


FILES = {
    "agents.csv": "agent_id,name,team\nann,Ann,North\n",
    "schedule.csv": "Agent ID,Start at,End at,Activity\nann,2026-03-02 08:00,2026-03-02 16:00,phone\n",
    "states.csv": "login,at,vendor_state\nann,2026-03-02T08:03:00Z,Available\nann,2026-03-02T16:00:00Z,Logged out\n",
    "calls.csv": (
        "leg_id,login,queue_id,direction,started_at,answered_at,ended_at,outcome\n"
        "1,ann,sales,in,2026-03-02T09:00:00Z,2026-03-02T09:00:10Z,2026-03-02T09:05:00Z,answered\n"
    ),
}


def test_the_five_minutes_with_own_files_work(run, place, monkeypatch) -> None:
    (text,) = [text for text in blocks(ROOT / "README.md", "sh") if "wfm import schedule" in text]
    for name, content in FILES.items():
        (place / name).write_text(content, encoding="utf-8")
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            monkeypatch.setenv(name, value)
            continue
        assert run(*words[1:]).code == 0, line
    assert "Ann" in (place / "report.html").read_text(encoding="utf-8")
