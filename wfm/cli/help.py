"""Write help as plain text of at most 80 columns, without rich, which is slow to load."""

from __future__ import annotations

from functools import partial
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
EXAMPLE = "Example: "


class HelpfulCommand(TyperCommand):
    """A command whose help names what each value is and ends with an example to copy."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the arguments and options, which convert a value only if one was given."""
        return _convert_given_values_only(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what follows the command's name in the usage line."""
        return [self.options_metavar or "", *(_describe_argument(one) for one in _arguments(self, ctx))]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write what the command does; the example comes last."""
        text, _ = _split_example(self.help or "")
        if text:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(text)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options."""
        _write_parameters(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the example on one line, however long: a copied line break would cut the command."""
        _, example = _split_example(self.help or "")
        if example:
            formatter.write_paragraph()
            formatter.write(f"{example}\n")


class HelpfulGroup(TyperGroup):
    """A command that consists of commands, such as `wfm exempt`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the arguments and options, which convert a value only if one was given."""
        return _convert_given_values_only(super().get_params(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, then the commands."""
        _write_parameters(self, ctx, formatter)
        self.format_commands(ctx, formatter)


def make_group(description: str) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(
        cls=HelpfulGroup,
        help=description,
        add_completion=False,
        rich_markup_mode=None,
        context_settings=CONTEXT,
    )


def make_command(name: str, run: Any) -> Any:
    """Return the command that a function's signature and docstring describe."""
    single = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=CONTEXT)
    single.command(name, cls=HelpfulCommand)(run)
    return typer.main.get_command(single)


def _convert_given_values_only(parameters: list[Any]) -> list[Any]:
    """Let parameters convert a value only if there is one and it is needed.

    typer converts with pydantic, which help and completion would otherwise load for options that nobody gave.
    """
    for parameter in parameters:
        if "process_value" not in vars(parameter):
            parameter.process_value = partial(_process_value, parameter, parameter.process_value)
    return parameters


def _process_value(parameter: Any, convert: Any, ctx: Any, value: Any) -> Any:
    if value is None and not parameter.required:
        return parameter.callback(ctx, parameter, value) if parameter.callback else value
    return value if ctx.resilient_parsing else convert(ctx, value)


def _arguments(command: Any, ctx: Any) -> list[Any]:
    return [one for one in command.get_params(ctx) if one.param_type_name == "argument"]


def _describe_argument(argument: Any) -> str:
    name = f"{_metavar(argument)}{'' if argument.nargs == 1 else '...'}"
    return name if argument.required else f"[{name}]"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _write_parameters(command: Any, ctx: Any, formatter: Any) -> None:
    shown = [one for one in command.get_params(ctx) if not getattr(one, "hidden", False)]
    rows = {
        "Arguments": [(_metavar(one), one.help or "") for one in shown if one.param_type_name == "argument"],
        "Options": [_describe_option(one) for one in shown if one.param_type_name == "option"],
    }
    for title, lines in rows.items():
        if lines:
            with formatter.section(title):
                formatter.write_dl(lines)


def _describe_option(option: Any) -> tuple[str, str]:
    names = ", ".join(sorted(option.opts, key=len))
    value = "" if option.is_flag or option.count else f" {_metavar(option)}"
    remark = " [required]" if option.required else _describe_default(option)
    return f"{names}{value}", f"{option.help or ''}{remark}".strip()


def _describe_default(option: Any) -> str:
    default = option.default
    if default in (None, "", False, True, []) or callable(default) or not option.show_default:
        return ""
    return f" [default: {getattr(default, 'value', default)}]"


def _split_example(text: str) -> tuple[str, str]:
    """Split a docstring into what it says and its last paragraph, the example."""
    said, mark, example = text.partition(EXAMPLE)
    return said.strip(), f"{mark}{example.strip()}" if mark else ""
