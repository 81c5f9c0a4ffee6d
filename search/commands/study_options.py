"""The flags of `run` that a study keeps, made from the fields of `StudyOptions`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from search.study.options import OPTIONS, StudyOptions

PARAMETER = "kept"


def accept_study_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with one flag for each study option in place of its parameter `kept`.

    `kept` holds the values of these flags, None for each that is left out. The parameters of the command are
    keyword-only. Typer reads flags from a function's signature, so the signature is what this changes.
    """
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    flags = _make_flags()

    @functools.wraps(command)
    def parse(**values: Any) -> None:
        kept: StudyOptions[None] = StudyOptions(**{name: values.pop(name) for name in OPTIONS})
        command(**values, **{PARAMETER: kept})

    shown = [flag for one in parameters for flag in (flags if one.name == PARAMETER else [one])]
    parse.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    parse.__annotations__ = {one.name: one.annotation for one in shown}
    return parse


def name_study(study: str | None, objective: str | None) -> str:
    """Return the study's name: the given one, or the objective's.

    Raises:
        UsageError: neither is given.
    """
    from pathlib import Path

    from objectives.base.names import is_path
    from search.errors import UsageError

    if study is not None:
        return study
    if objective is None:
        raise UsageError("no study is named; give --study NAME (see `search list` and `search space`)")
    return Path(objective).stem.replace("_", "-") if is_path(objective) else objective


def _make_flags() -> list[inspect.Parameter]:
    hints = get_type_hints(StudyOptions)
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            # `int | Unset` with None for the type variable is `int | None`.
            annotation=Annotated[hints[name][None], typer.Option(help=option.help, metavar=option.metavar)],
        )
        for name, option in OPTIONS.items()
    ]
