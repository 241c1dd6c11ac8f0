"""The command line: commands found in rooms of ours and among installed entry points, loaded when run.

A command is a function that typer understands, in a module of its name; `import_.py` holds `import`. Ours lie in
`candleray.commands` and `cluster.operations`, other packages add theirs in the entry point group
`candleray.commands`. The list of commands is read from their sources, so that `candleray --help` imports none of
them, and one that cannot be imported does not hurt the others.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from candleray.errors import CandlerayError, InvalidInput, NotFound, PayloadTooLarge, first_line, in_words
from candleray.terminal.exit_codes import ExitCode

ENTRY_POINTS = "candleray.commands"
ROOMS = ("candleray.commands", "cluster.operations")
"""Packages whose modules are commands. They are looked at, not imported."""
DEBUG = "--debug"

_WRONG_INPUT = (InvalidInput, NotFound, PayloadTooLarge)


@dataclass(frozen=True)
class CommandSource:
    """The place of a command: a function, a `typer.Typer` or a click command of that module."""

    name: str
    module: str
    attribute: str

    def summary(self) -> str:
        """The first line of the function's docstring, read without running the module."""
        try:
            source = _source_file(self.module)
            if source is None:
                return "(not installed)"
            tree = ast.parse(source.read_bytes())
        except (OSError, SyntaxError, ValueError) as error:
            return f"(not available: {first_line(error)})"
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == self.attribute:
                return (ast.get_docstring(node) or "").partition("\n")[0]
        return (ast.get_docstring(tree) or "").partition("\n")[0]

    def load(self) -> Any:
        """The command itself.

        Raises:
            CandlerayError: its module cannot be imported.
        """
        try:
            command = getattr(import_module(self.module), self.attribute)
        except Exception as exc:
            raise CandlerayError(f"the command {self.name!r} cannot be loaded: {first_line(exc)}") from exc
        if isinstance(command, typer.Typer):
            return typer.main.get_group(command)
        if not callable(command) or hasattr(command, "make_context"):
            return command
        app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
        app.command(self.name)(command)
        return typer.main.get_command(app)


def _source_file(module: str) -> Path | None:
    """Find a module's source; not even the packages around it are imported for that."""
    name, origin, locations = "", None, None
    for part in module.split("."):
        name = f"{name}.{part}".lstrip(".")
        spec = PathFinder.find_spec(name, locations)
        if spec is None:
            return None
        origin, locations = spec.origin, spec.submodule_search_locations
    return Path(origin) if origin else None


def find_commands() -> dict[str, CommandSource]:
    """Every command by name; ours cannot be replaced by an entry point."""
    commands = {
        point.name: CommandSource(point.name, point.module, point.attr)
        for point in entry_points(group=ENTRY_POINTS)
    }
    for room in ROOMS:
        source = _source_file(room)
        for module in iter_modules([str(source.parent)] if source else []):
            name = module.name.rstrip("_").replace("_", "-")
            commands[name] = CommandSource(name, f"{room}.{module.name}", module.name)
    return dict(sorted(commands.items()))


def leaf_commands() -> dict[str, Any]:
    """Every command that does something, by what a person types: `job list`. Loads all of them."""
    leaves: dict[str, Any] = {}
    for name, source in find_commands().items():
        command = source.load()
        below = getattr(command, "commands", None)
        leaves |= {f"{name} {inner}": one for inner, one in below.items()} if below else {name: command}
    return leaves


class CommandGroup(TyperGroup):
    """`candleray`: its commands are known by name, and loaded by the one that runs."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._sources = find_commands()
        for name in self._sources:
            self.add_command(TyperCommand(name))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        source = self._sources.get(cmd_name)
        return source and TyperCommand(cmd_name, help=source.summary())

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        return name, self._sources[name].load() if name else None, rest

    def main(self, args: Sequence[str] | None = None, *positional: Any, **settings: Any) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        debug = DEBUG in given
        try:
            return super().main([arg for arg in given if arg != DEBUG], *positional, **settings)
        except Exception as error:
            if debug:
                raise
            sys.exit(_report(error))


def _report(error: Exception) -> int:
    """Print what went wrong, without a traceback, and return the exit code."""
    from pydantic import ValidationError

    from candleray.terminal.console import show_error
    from candleray.validation import invalid_from

    if isinstance(error, ValidationError):
        error = invalid_from(error.errors(include_url=False), error.title)
    if not isinstance(error, CandlerayError):
        error = CandlerayError(f"{in_words(error)} (the same command with {DEBUG} shows where)")
    show_error(error)
    return ExitCode.WRONG_INPUT if isinstance(error, _WRONG_INPUT) else ExitCode.FAILED


def _show_version(wanted: bool) -> None:
    if wanted:
        from candleray import __version__
        from candleray.build import own_commit

        commit = own_commit()
        typer.echo(f"candleray {__version__}" + (f" (commit {commit[:12]})" if commit else ""))
        raise typer.Exit


app = typer.Typer(
    cls=CommandGroup, no_args_is_help=True, rich_markup_mode="markdown", pretty_exceptions_enable=False
)


@app.callback()
def candleray(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option(DEBUG, help="Show the traceback of an error; works anywhere.")] = False,
) -> None:
    """Search, save and run crypto trading strategies on Ray: exact grids over one-minute candles.

    Start everything with `candleray up`, then bring candles in with `candleray import` or `candleray backfill`,
    and search with `candleray backtest`.
    """


def main() -> None:
    from candleray.terminal.streams import make_streams_readable

    make_streams_readable()
    app(prog_name="candleray")
