"""The parts of README.md that are made from the code; `python -m tests.readme` writes them anew."""

from collections.abc import Iterable
from pathlib import Path

from objectives.discovery import find_objective, objective_names
from search.api.catalogue import list_techniques
from search.strategies.registry import PRUNERS, SAMPLERS

README = Path(__file__).parent.parent / "README.md"
COLUMNS = ("name", "options", "conditions", "what it is")


def parts() -> dict[str, str]:
    """The text of each part by its name, as it must stand between `<!-- name -->` and `<!-- /name -->`."""
    return {"catalogue": _catalogue(), "objectives": _objectives(), "policies": _policies()}


def current(name: str) -> str:
    """What stands in the file at present."""
    return README.read_text().partition(_begin(name))[2].partition(_end(name))[0]


def write() -> None:
    """Put the present text of every part into the file."""
    text = README.read_text()
    for name, part in parts().items():
        text = text.replace(f"{_begin(name)}{current(name)}{_end(name)}", f"{_begin(name)}{part}{_end(name)}")
    README.write_text(text)


def _begin(name: str) -> str:
    return f"<!-- {name} -->\n"


def _end(name: str) -> str:
    return f"<!-- /{name} -->"


def _catalogue() -> str:
    found = list_techniques()
    lines: list[str] = []
    for group in dict.fromkeys(row.group for row in found):
        lines += [f"**{group}**", "", _cells(COLUMNS), _cells("---" for _ in COLUMNS)]
        lines += [
            _cells((f"`{row.name}`", row.options, row.conditions, row.description))
            for row in found
            if row.group == group
        ]
        lines.append("")
    return "\n".join(lines)


def _objectives() -> str:
    lines = [_cells(("objective", "data", "network", "what is searched")), "|---|---|---|---|"]
    for name in objective_names():
        it = find_objective(name).objective
        lines.append(_cells((f"`{name}`", it.data, it.model or "its own", it.description)))
    return "\n".join(lines) + "\n"


def _policies() -> str:
    lines = []
    for flag, entries in (("--sampler", SAMPLERS), ("--pruner", PRUNERS)):
        lines += [_cells((f"`{flag}`", "what it does")), "|---|---|"]
        lines += [_cells((f"`{name}`", entry.description)) for name, entry in entries.items()]
        lines.append("")
    return "\n".join(lines)


def _cells(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    write()
