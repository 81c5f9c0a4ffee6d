"""`search dashboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command


def dashboard(
    host: Annotated[str, typer.Option(help="Address to listen on; any but loopback wants a password.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for a free one.")] = 8080,
    password_file: Annotated[
        Path | None, typer.Option(help="File with the password. Default: SEARCH_DASHBOARD_PASSWORD.")
    ] = None,
    token: Annotated[
        bool, typer.Option("--token/--no-token", help="Ask for the token in the URL if there is no password.")
    ] = True,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Serve https with this certificate (PEM).")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The certificate's key. Default: the certificate's own file.")
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name under which a proxy is reached; may be given several times."),
    ] = None,
    trusted_proxy: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Believe this proxy's X-Forwarded-For and X-Forwarded-Proto."),
    ] = None,
    writable: Annotated[bool, typer.Option(help="Let the browser change notes.")] = False,
    storage: options.Storage = None,
) -> None:
    """Browse the studies in a web browser (optuna-dashboard)."""
    from search.api.dashboard import Access, open_dashboard
    from search.commands.settings import load_settings
    from search.display.output import note, say

    access = Access(
        host=host,
        port=port,
        password_file=password_file,
        token=token,
        writable=writable,
        tls_cert=tls_cert,
        tls_key=tls_key,
        trusted_proxy=trusted_proxy,
        further_hosts=tuple(allow_host or ()),
    )
    with open_dashboard(
        load_settings(storage=storage), access, lambda url: say(f"for another browser: {url}")
    ) as server:
        note("end it with Ctrl-C")
        if server.is_open:
            allowed = "read all studies and change their notes" if writable else "read all studies"
            note(f"without a token, every user and program of this machine may {allowed}")
        say(f"dashboard on {server.url} ({'writable' if writable else 'read-only'})")
        server.serve_forever()


COMMAND = Command(name="dashboard", order=140, run=dashboard)
