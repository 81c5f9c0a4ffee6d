"""`search doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command


def doctor(
    repair: Annotated[
        bool, typer.Option("--repair", help="Release trials that dead workers hold; anything in use stays.")
    ] = False,
    grants: Annotated[
        bool,
        typer.Option("--grants", help="Print SQL that gives an owner, a worker and a reader role what each needs."),
    ] = False,
    data: options.Data = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Check the installation, storage, data and devices; say what to do."""
    if grants:
        from search.display.output import say
        from storage.connecting.grants import write_grants

        for line in write_grants().splitlines():
            say(line)
        return
    from search.api.setup.doctor import check_all, check_none_failed
    from search.commands.settings import load_settings
    from search.display.doctor_report import show_findings
    from search.display.output import present_all

    findings = check_all(load_settings(storage=storage, data=data), url_in_flag=storage, repair=repair)
    present_all(findings, show_findings, as_json=json)
    check_none_failed(findings)


COMMAND = Command(name="doctor", order=240, run=doctor)
