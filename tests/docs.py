"""The pages of docs/reference, made from the registries and the command line; `python -m tests.docs` writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from objectives.data.catalogue import DATASETS
from objectives.discovery import find_objective, objective_names
from search.api.setup.catalogue import list_techniques
from search.cli.app import build_app
from search.errors import Exit
from search.export.trackers.registry import TRACKERS
from search.settings import HARMLESS, Settings
from search.strategies.registry import DEFAULT_PRUNER, DEFAULT_SAMPLER, PRUNERS, SAMPLERS
from tests.json_documents import read_field_docs, write_page
from tests.markdown import format_table

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
NOTICE = "<!-- Made by `python -m tests.docs`; edit the code, not this page. -->"
EXIT_CODES = {
    Exit.DONE: "done",
    Exit.FAILED: "failed; the last line on stderr says why",
    Exit.USAGE: "a flag, a URL or a space override is wrong, or the study's name is misspelled",
    Exit.NOTHING: "there is nothing to do that for: no such study in the storage, or no completed trial",
    Exit.INTERRUPTED: "interrupted (Ctrl-C)",
    Exit.TERMINATED: "terminated (SIGTERM, SIGUSR1 or SIGUSR2)",
}


def pages() -> dict[str, str]:
    """Return the text of every generated page by its file name."""
    made = {
        "commands.md": _commands(),
        "objectives.md": _objectives(),
        "techniques.md": _techniques(),
        "samplers-and-pruners.md": _samplers_and_pruners(),
        "settings.md": _settings(),
        "json.md": write_page(),
    }
    return {name: f"{NOTICE}\n\n{text.strip()}\n" for name, text in made.items()}


def write() -> None:
    """Write every generated page."""
    for name, text in pages().items():
        (REFERENCE / name).write_text(text)


def commands() -> dict[str, Any]:
    """Return the commands of the application by name, in the order of its help."""
    group: Any = typer.main.get_command(build_app())
    return dict(group.commands)


def _commands() -> str:
    found = commands()
    summary = [
        format_table(("command", "what it does"), ((f"[`{name}`](#{name})", it.help) for name, it in found.items()))
    ]
    text = [
        "# Commands and exit codes",
        "Every command answers `--help`. A command with `--json` prints one JSON document on stdout and everything "
        "else on stderr. `search --debug COMMAND` shows tracebacks and debug messages.",
        *summary,
        "## Exit codes",
        format_table(("code", "meaning"), ((str(int(code)), EXIT_CODES[code]) for code in Exit)),
    ]
    for name, command in found.items():
        text += [f"## {name}", command.help, format_table(("flag", "value", "what it is"), _flags(command))]
    return "\n\n".join(text)


def _flags(command: Any) -> Iterator[tuple[str, str, str]]:
    for flag in command.params:
        if flag.param_type_name == "argument":
            name = f"`{(flag.metavar or flag.name).upper()}`"
        else:
            name = ", ".join(f"`{opt}`" for opt in (*flag.opts, *flag.secondary_opts))
        takes_value = not getattr(flag, "is_flag", False) and flag.param_type_name == "option"
        value = f"`{flag.metavar or flag.name.split('_')[-1].upper()}`" if takes_value else ""
        needed = " Required." if flag.required else ""
        shown = takes_value and flag.default is not None
        yield name, value, f"{flag.help}{needed}" + (f" Default: {flag.default}." if shown else "")


def _objectives() -> str:
    found = {name: find_objective(name).objective for name in objective_names()}
    shown = (
        (f"`{name}`", it.data, it.model or "its own", str(it.epochs), str(it.trials), it.description)
        for name, it in found.items()
    )
    return "\n\n".join(
        [
            "# Objectives and data sets",
            "An objective names a data set, a network and a space. `search space --objective NAME` shows the space, "
            "`search run --objective NAME --study STUDY` searches it. [Your own objective](../own-objectives.md) "
            "is a file.",
            format_table(("objective", "data", "network", "epochs", "trials", "what is searched"), shown),
            "## Data sets",
            "`search data` lists them and says which are on this machine; `search data NAME` downloads and decodes "
            "one. Any folder with the layout of [your own data](../own-objectives.md#a-data-set-of-your-own) is a "
            "data set, too.",
            format_table(("name", "what it is"), ((f"`{name}`", it.description) for name, it in DATASETS.items())),
        ]
    )


def _techniques() -> str:
    text = [
        "# Techniques",
        "Everything that a study can search over; `search space --catalogue` prints the same. A range is what a "
        "study searches by default. `= value` is a default that stays fixed unless the space or `--set` opens it. "
        "Conditions are checked when a space is defined or changed: a combination that they rule out is refused in "
        "one sentence that names both sides.",
    ]
    found = list_techniques()
    for group in dict.fromkeys(row.group for row in found):
        title, _, where = group.removesuffix(")").partition(" (")
        cells = ((f"`{row.name}`", row.options, row.conditions, row.description) for row in found if row.group == group)
        shown = format_table(("name", "options", "conditions", "what it is"), cells)
        text += [f"## {title}", f"`{where}`" if "." in where else f"{where.capitalize()}.", shown]
    return "\n\n".join(text)


def _samplers_and_pruners() -> str:
    text = [
        "# Samplers and pruners",
        "`search run --sampler NAME --pruner NAME` chooses them for a new study. [How it "
        "searches](../how-it-searches.md) explains the defaults, "
        "[measurements](../measurements.md#search-policies) compares them.",
    ]
    for title, entries, default in (("Samplers", SAMPLERS, DEFAULT_SAMPLER), ("Pruners", PRUNERS, DEFAULT_PRUNER)):
        described = {name: entry.description for name, entry in entries.items()}
        text += [f"## {title}", format_table(("name", "what it does"), _with_default(described, default))]
    return "\n\n".join(text)


def _with_default(described: Mapping[str, str], default: str) -> Iterator[tuple[str, str]]:
    for name, description in described.items():
        yield f"`{name}`" + (" (default)" if name == default else ""), description


def _settings() -> str:
    documented = read_field_docs(Settings)
    shown = (
        (f"`{name}`", f"`SEARCH_{name.upper()}`", _default(field), documented[name])
        for name, field in Settings.model_fields.items()
    )
    trackers = ((f"`{name}`", it.variables, it.description) for name, it in TRACKERS.items())
    return "\n\n".join(
        [
            "# Settings",
            "A flag of the same name comes first, then the environment variable, then the file of `search --config "
            "FILE` (or `SEARCH_CONFIG`) or, without one, `search.toml` in the working folder, then the file of your "
            "own configuration folder (`~/.config/depthsearch/search.toml` on Linux), then the default.",
            "A `search.toml` in the working folder may have come with somebody else's project. It may set "
            f"{', '.join(f'`{name}`' for name in HARMLESS)}; what says where things are is refused there and belongs "
            "into your own file, or one that you name with `--config`.",
            format_table(("in search.toml", "in the environment", "default", "what it is"), shown),
            "## Trackers",
            "What `track` and `--track` take; [trackers](../trackers.md) says more. Each has its own environment "
            "variables, and its package is installed by the extra of its name (`pip install 'depthsearch[mlflow]'`).",
            format_table(("name", "its environment variables", "what it makes of a study"), trackers),
        ]
    )


def _default(field: Any) -> str:
    if field.default_factory is not None:
        return "by platform; `search storage` shows it"
    return "" if field.default is None else f"`{field.default}`"


if __name__ == "__main__":
    write()
