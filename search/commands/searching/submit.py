"""`search submit`."""

from __future__ import annotations

from search.commands import options
from search.commands.command import Command
from search.commands.study_options import RequestFlags, accept_request_flags


@accept_request_flags
def submit(
    *,
    asked: RequestFlags,
    data: options.Data = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Create or continue a study for workers that serve every study, and return."""
    from search.commands.settings import load_settings
    from search.display.live.run_report import submit_study

    request = asked.make_request()
    settings = load_settings(storage=storage, data=data)
    submit_study(request, settings, as_json=json)


COMMAND = Command(name="submit", order=25, run=submit)
