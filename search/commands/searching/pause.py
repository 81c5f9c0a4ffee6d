"""`search pause`."""

from __future__ import annotations

from search.commands import options
from search.commands.command import Command


def pause(study: options.Study, storage: options.Storage = None) -> None:
    """Let a study's workers everywhere release their trials and wait; `resume` or `submit` continues."""
    from contextlib import closing

    from search.api.control import pause_study
    from search.api.session import open_session
    from search.commands.settings import load_settings
    from search.display.output import say
    from storage.errors import format_command

    with closing(open_session(study, load_settings(storage=storage))) as session:
        pause_study(session)
    resume = format_command("resume", "--study", study)
    say(f"study {study}: workers store their trials' state and wait; continue with: {resume}")


COMMAND = Command(name="pause", order=35, run=pause)
