"""The page docs/exercises.md, made of the catalogue and of what its commands printed here."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from tests.exercises.catalogue import EXERCISES, Command, Exercise

PAGE = Path(__file__).parent.parent.parent / "docs" / "exercises.md"
PRINTED = Path(__file__).parent / "printed.json"
HEAD = """<!-- Made by `python -m tests.exercises`; edit tests/exercises, not this page. -->

# The exercises

What two textbooks' chapters on training deep networks ask their readers to do, each answered by commands: those called
`a` are of the first book, `b` of the second. `--set` fixes what an exercise holds constant; `--sampler grid --repeats
3` trains every combination of the rest with three seeds, and the table at the end says which differences exceed the
noise. Networks and budgets are small, to run in minutes on a laptop; longer trainings are in [Textbook claims
tested](textbook.md).

Printed by `python -m tests.exercises --data DIR` on {machine}, without the line that
each trial prints. `DIR` holds Fashion-MNIST and CIFAR-10. Accuracies are of validation images except where `search
final` says otherwise, in the last two.
"""


def read_printed() -> dict[str, list[str]]:
    """Return what each exercise's commands printed, in order."""
    printed: dict[str, list[str]] = json.loads(PRINTED.read_text(encoding="utf-8"))
    return printed


def write_page() -> str:
    """Return the text of the page."""
    printed = read_printed()
    parts = [HEAD.format(machine=printed["machine"][0])]
    parts += [_describe(name, exercise, printed[name]) for name, exercise in EXERCISES.items() if name in printed]
    return "\n".join(parts)


def format_command(command: Command) -> str:
    """Return a command as it is typed, in lines of at most 120 characters."""
    lines, line = [], "search"
    flags: list[str] = []
    for part in map(shlex.quote, command):
        if part.startswith("--") or not flags:
            flags.append(part)
        else:
            flags[-1] += f" {part}"
    for flag in flags:
        if len(line) + len(flag) > 110:
            lines.append(f"{line} \\")
            line = f"    {flag}"
        else:
            line += f" {flag}"
    return "\n".join([*lines, line])


def _describe(name: str, exercise: Exercise, printed: list[str]) -> str:
    blocks = [
        f"```sh\n{format_command(command)}\n```\n\n```text\n{text.rstrip()}\n```\n"
        for command, text in zip(exercise.commands, printed, strict=True)
    ]
    answer = f"\n{exercise.answer}\n" if exercise.answer else ""
    return f"## {name}: {exercise.asks}\n\n" + "\n".join(blocks) + answer
