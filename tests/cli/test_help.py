"""Help: an example for every command, readable names of values, 80 columns, and nothing loaded to print it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from helpers.cli_answers import HEAVY_MODULES
from wfm.cli.app import COMMANDS, app

GROUP = typer.main.get_command(app)


def walk_commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every command that is not a group of others, by its words."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from walk_commands(command, (*before, name))
        else:
            yield " ".join((*before, name)), command


LEAVES = dict(walk_commands(GROUP))


@pytest.mark.parametrize("command", LEAVES)
def test_every_command_has_help_with_an_example(run, command):
    done = run(*command.split(), "--help")
    assert done.code == 0
    assert re.search(rf"Example: wfm {command}\b", done.out)
    assert done.err == ""


@pytest.mark.parametrize("command", LEAVES)
def test_every_example_can_be_parsed(command):
    (example,) = re.findall(r"Example: wfm (.+)", LEAVES[command].help)
    words = shlex.split(example.partition(" > ")[0])
    depth = len(command.split())
    assert " ".join(words[:depth]) == command
    LEAVES[command].make_context(command, words[depth:])


@pytest.mark.parametrize("command", ["", *COMMANDS["Ask"], *LEAVES])
def test_help_fits_80_columns_and_names_values(run, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    lines = run(*command.split(), "--help").out.splitlines()
    assert max(len(line) for line in lines if not line.startswith("Example: ")) <= 80
    assert not re.search(r"<\w|\bTEXT\b(?! +[A-Z])|\bINTEGER\b", "\n".join(lines))


def test_every_option_has_help():
    for name, command in LEAVES.items():
        assert [one.name for one in command.params if not one.help] == [], name


@pytest.mark.parametrize("group", COMMANDS)
def test_the_list_of_commands_repeats_their_first_line(run, group):
    shown = run("--help").out
    assert f"{group}:\n" in shown
    for name, line in COMMANDS[group].items():
        assert re.search(rf"^  {name} +{re.escape(line)}$", shown, re.MULTILINE)
        assert GROUP.commands[name].help.splitlines()[0] == line


def test_an_unknown_command_suggests_the_nearest(run):
    assert "Did you mean 'adherence'?" in run("adherance").err
    assert "Did you mean 'revoke'?" in run("exempt", "revok").err


def test_the_version_is_printed(run):
    assert re.fullmatch(r"wfm \d+\.\d+\S*\n", run("--version").out)


HELP = (["--help"], ["--version"], ["nonsense"], *([*name.split(), "--help"] for name in LEAVES))


@pytest.mark.parametrize(
    ("commands", "completing"),
    [
        (HELP, ""),
        ([[]], "wfm "),
        ([[]], "wfm exempt "),
        ([[]], "wfm adherence --from 2026-03-02 --agent ann --by team,w"),
    ],
    ids=["help", "commands", "subcommands", "values"],
)
def test_help_and_completion_load_nothing_heavy(commands, completing):
    script = (
        f"import sys; from wfm.cli import main; [main(words) for words in {list(commands)!r}];"
        f"print([name for name in {HEAVY_MODULES!r} if name in sys.modules], file=sys.stderr)"
    )
    words = completing.split(" ")
    shell = {"_WFM_COMPLETE": "complete_bash", "COMP_WORDS": completing, "COMP_CWORD": str(len(words) - 1)}
    environment = {**os.environ, **(shell if completing else {})}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert done.stderr.splitlines()[-1] == "[]"
    assert done.stdout
