"""What the command line needs to know about a command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command. Its module holds it as `COMMAND` and must import quickly: `search --help` imports every one."""

    name: str
    order: int
    """Position in the help, lowest first; equal ones are sorted by name."""
    run: Callable[..., None]
    """A function whose parameters are the flags, as Typer reads them, and whose docstring is the help text."""
