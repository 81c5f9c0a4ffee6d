"""The application: finds the commands and gives them to Typer."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from search import commands
from search.cli.error_handling import run_guarded
from search.commands.command import Command
from search.display.documents import open_closed_streams, reserve_stdout
from search.errors import SearchError


def find_commands(package: ModuleType = commands) -> list[Command]:
    """Return the `COMMAND` of every module in the sub-packages of `package`, in the order of the help."""
    return sorted(_scan(package), key=lambda command: (command.order, command.name))


def _scan(package: ModuleType) -> Iterator[Command]:
    for part in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if part.ispkg:
            for module in pkgutil.iter_modules(importlib.import_module(part.name).__path__, f"{part.name}."):
                yield importlib.import_module(module.name).COMMAND


def build_app() -> typer.Typer:
    """Return the application with every command."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Hyperparameter search for deep networks, with a test set that stays sealed until the end.",
    )
    app.callback()(_configure)
    for command in find_commands():
        app.command(command.name)(command.run)
    return app


def _configure(
    config: Annotated[
        Path | None, typer.Option("--config", help="File with settings. Default: SEARCH_CONFIG.", metavar="FILE")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug messages.")] = False,
) -> None:
    from search.logs import configure

    try:
        os.getcwd()
    except FileNotFoundError:
        raise SearchError("the working folder no longer exists; change to another folder, then try again") from None
    if config is not None:
        os.environ["SEARCH_CONFIG"] = str(config)
    configure(debug)


def main() -> int:
    """Run the command line and return its exit code."""
    open_closed_streams()
    if "--json" in sys.argv:
        reserve_stdout()
    return run_guarded(build_app())
