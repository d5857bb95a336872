"""The program `wfm`: which commands there are, in which group of the help, and how errors become exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from wfm.cli.help import CONTEXT, HelpfulGroup, make_command
from wfm.cli.options import global_options
from wfm.cli.output import print_note
from wfm.core.errors import WfmError

STOPPED: Final = 130
USAGE_ERROR: Final[Any] = typer.BadParameter.__mro__[1]
"""UsageError of the click that typer uses: a package of its own, or since 0.29 a part of typer."""

COMMANDS: Final[dict[str, dict[str, str]]] = {
    "Ask": {
        "adherence": "Score adherence by agent, day, team or any other group.",
        "exceptions": "List adherence exceptions with their reason and evidence.",
        "explain": "Explain one agent's day: classes, rules and stored rows.",
        "shrinkage": "Show shrinkage, occupancy and utilisation of paid time.",
        "intervals": "Show volume, AHT, service level and occupancy per 15 minutes.",
        "forecast": "Forecast volume and AHT per interval and store the snapshot.",
        "accuracy": "Backtest the forecast against baselines and the noise floor.",
        "report": "Write the adherence report as one file: html, xlsx or csv.",
    },
    "Data": {
        "import": "Import a file into a table, all of it or nothing.",
        "export": "Export a table.",
    },
    "Collect": {
        "collect": "Collect what is due from the phone systems, or backfill.",
        "sources": "Show each feed: last success, age, gaps, spool.",
        "replay": "Read stored payloads again after a parser or unit change.",
        "recording": "Print the temporary address of a call recording.",
        "callback": "Start a call at a phone system.",
    },
    "Defend": {
        "what-changed": "Show why scores differ from those of an earlier time.",
        "bridge": "Show which seconds make the difference between two scores.",
        "dry-run": "Try a mapping, rule or option without storing anything.",
        "exempt": "Add, revoke, restore and list exemptions and outages.",
        "outages": "Propose undeclared outages, feed gaps and unmapped states.",
        "reconcile": "Compare interval volume, call log and agent states.",
        "skew": "Estimate the clock skew between call logs and agent states.",
        "audit": "Verify the audit chain of call records.",
    },
    "Run": {
        "demo": "Try wfm on a simulated contact centre; nothing to configure.",
        "serve": "Run the service: scheduled collection, webhooks, health.",
        "doctor": "Check settings, database, feeds, mappings and clocks.",
        "sandbox": "Simulate the phone systems' APIs on this machine.",
    },
}
"""Per group of the help the commands and one line about each: the first line of the command's own help."""


class LazyCommands(Mapping[str, Any]):
    """The commands by name; the module of one is imported when the command is asked for."""

    def __init__(self) -> None:
        self._names = [name for group in COMMANDS.values() for name in group]
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._loaded:
            self._loaded[name] = load_command(name)
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class LazyGroup(HelpfulGroup):
    """The program's commands, listed without loading any of them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = LazyCommands()

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the commands group by group, all in one column."""
        width = max(len(name) for group in COMMANDS.values() for name in group)
        for title, group in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), line) for name, line in group.items()])


def load_command(name: str) -> Any:
    """Import the module of a command and build the command, or the group of commands, that it describes."""
    module = import_module(
        f"wfm.cli.commands.{'import_table' if name == 'import' else name.replace('-', '_')}"
    )
    group = getattr(module, "group", None)
    if group is None:
        return make_command(name, module.run)
    built = typer.main.get_group(group)
    built.name = name
    return built


app = typer.Typer(
    name="wfm",
    cls=LazyGroup,
    help="Workforce-management adherence: what agents did against what they were scheduled to do, how adherent "
    "that was, and why not.",
    epilog="Help on one command: wfm COMMAND --help",
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"wfm {version('wfm')}")
        raise typer.Exit


@app.callback()
def configure(
    settings_file: Annotated[
        Path | None,
        typer.Option("--settings", metavar="FILE", help="Settings file to read instead of settings.env."),
    ] = None,
    database: Annotated[
        Path | None,
        typer.Option("--database", metavar="FILE", help="Database to use instead of WFM_DATABASE."),
    ] = None,
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Store the options that come before the command."""
    global_options.settings_file, global_options.database = settings_file, database


def main(argv: list[str] | None = None) -> int:
    """Run a command line; return 0 done, 1 failed, 2 wrong usage or settings, 3 partly done, 130 stopped."""
    words = sys.argv[1:] if argv is None else argv
    try:
        code = app(words or ["--help"], standalone_mode=False, prog_name="wfm")
        sys.stdout.flush()
        if code == STOPPED:  # what typer makes of Ctrl-C
            return _report_failure("Stopped.", STOPPED)
        return int(code or 0) if words else 2
    except USAGE_ERROR as error:
        where = error.ctx.command_path if error.ctx else "wfm"
        return _report_failure(f"{error.format_message()} See `{where} --help`.", 2)
    except (typer.Abort, KeyboardInterrupt):
        return _report_failure("Stopped.", STOPPED)
    except WfmError as error:
        return _report_failure(str(error), error.exit_code)
    except BrokenPipeError:
        return _discard_output()
    except SystemExit as done:  # completion ends with its own code; rich ends with 1 when the pipe is closed
        return _discard_output() if done.code == 1 else int(done.code or 0)
    except MemoryError:
        return _report_failure("Not enough memory: ask for a shorter window or fewer agents.", 1)
    except OSError as error:
        return _report_failure(f"{error.filename or 'output'}: {error.strerror or error}.", 1)
    except BaseException as error:
        if isinstance(error, Exception) or _is_polars_panic(error):
            return _report_failure(_describe_bug(error), 1)
        raise


def _is_polars_panic(error: BaseException) -> bool:
    """Say whether polars failed inside; it raises what is no Exception, and may not even be loaded."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(error, polars.exceptions.PanicException)


def _discard_output() -> int:
    """End quietly when the reader of a pipe has gone, as `head` does."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _describe_bug(error: BaseException) -> str:
    """Say in two lines what went wrong and where in wfm."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "wfm" in Path(frame.filename).parts]
    last = ours[-1] if ours else frames[-1]
    text = (str(error).strip().splitlines() or [""])[0][:200]
    return (
        f"{type(error).__name__}: {text}\n"
        f"This is a bug in wfm ({Path(last.filename).name}, line {last.lineno}): please report it."
    )


def _report_failure(text: str, code: int) -> int:
    print_note(f"error: {text}")
    return code
