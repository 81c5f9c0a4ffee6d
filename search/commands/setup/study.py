"""`search study`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command


def study(
    action: Annotated[str, typer.Argument(help="rename, upgrade or delete.", metavar="ACTION")],
    study: options.Study,
    to: Annotated[str | None, typer.Option(help="The new name of a study that is renamed.", metavar="NAME")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking for the name again.")] = False,
    storage: options.Storage = None,
) -> None:
    """Rename or delete a study, or upgrade its search policy; test scores stay in the ledger."""
    from objectives.base.plurals import count_noun
    from search.api.studies import delete_study, rename_study, upgrade_study
    from search.commands.settings import load_settings
    from search.connection import open_storage
    from search.display.output import say
    from search.display.status_report import format_upgrade

    _check_flags(action, to=to, yes=yes)
    settings = load_settings(storage=storage)
    with open_storage(settings) as database:
        if to is not None:
            rename_study(database, study, to)
            say(f"study {study} is called {to} now")
            return
        if action == "upgrade":
            say(format_upgrade(study, upgrade_study(database, study)))
            return
        if not yes:
            _ask_again(study)
        kept = delete_study(database, study, settings)
    say(f"study {study} was deleted; {count_noun(kept, 'test score')} of it left in the ledger")


def _check_flags(action: str, *, to: str | None, yes: bool) -> None:
    """Check that an action gets the flags that it needs, and no other.

    Raises:
        UsageError: there is no such action, or it lacks a flag or has one that it does not need.
    """
    from search.errors import UsageError
    from storage.errors import format_command

    if action not in ("rename", "upgrade", "delete"):
        raise UsageError(f"`search study` knows rename, upgrade and delete, but got {action!r}")
    if action == "rename" and to is None:
        raise UsageError("`search study rename` needs --to")
    for flag, given, user in (("--to", to is not None, "rename"), ("--yes", yes, "delete")):
        if given and action != user:
            raise UsageError(f"`{format_command('study', action)}` has no use for {flag}; drop it")


def _ask_again(name: str) -> None:
    """Ask for the study's name.

    Raises:
        UsageError: there is nobody to ask, or the answer is another name.
    """
    from search.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError("this deletes trials, curves and checkpoints for good, and nobody is there to ask; give --yes")
    answer = typer.prompt("this deletes trials, curves and checkpoints for good; type the study's name again", err=True)
    if answer != name:
        raise UsageError(f"the study is called {name!r}, but got {answer!r}; nothing was deleted")


COMMAND = Command(name="study", order=205, run=study)
