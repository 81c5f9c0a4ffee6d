"""`search stop`."""

from __future__ import annotations

from search.commands import options
from search.commands.command import Command


def stop(study: options.Study, storage: options.Storage = None) -> None:
    """End a study's workers everywhere after their present step; `run` or `resume` continues."""
    from contextlib import closing

    from search.api.control import stop_study
    from search.api.session import open_session
    from search.commands.settings import load_settings
    from search.display.output import say
    from storage.errors import format_command

    with closing(open_session(study, load_settings(storage=storage))) as session:
        stop_study(session)
    resume = format_command("resume", "--study", study)
    say(f"study {study}: workers end after their present step; continue with: {resume}")


COMMAND = Command(name="stop", order=40, run=stop)
