"""The application: every command's name, in the order in which help shows them."""

from __future__ import annotations

from typing import Annotated

import typer

from search.cli import results, searching, surroundings
from search.cli.error_handling import guarded

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Hyperparameter search for deep networks, with a test set that stays sealed until the end.",
)


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug messages.")] = False,
) -> None:
    """Flags of every command."""
    from search.logs import configure

    configure(debug)


app.command("run")(searching.run)
app.command("resume")(searching.resume)
app.command("worker")(searching.worker)
app.command("stop")(searching.stop)
app.command("status")(results.status)
app.command("list")(results.list_)
app.command("final")(results.final)
app.command("dashboard")(results.dashboard)
app.command("storage")(surroundings.storage)
app.command("space")(surroundings.space)
app.command("data")(surroundings.data)
app.command("doctor")(surroundings.doctor)


def main() -> int:
    """Run the command line and return its exit code."""
    return guarded(app)
