"""The flags of `run` and `submit` that say what is asked of a study, some made from the fields of `StudyOptions`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from search.commands import options
from search.study.options import OPTIONS, StudyOptions

if TYPE_CHECKING:
    from search.study.plan import StudyRequest

PARAMETER, KEPT = "asked", "kept"


@dataclass(frozen=True, kw_only=True)
class RequestFlags:
    """What the flags say, in their order; None for each that is left out."""

    study: options.AnyStudy = None
    objective: options.Objective = None
    trials: options.Trials = None
    budget: options.Budget = None
    timeout: options.Timeout = None
    kept: StudyOptions[None]
    """One flag for each study option."""
    experience: options.Experience = None
    set_: options.Set = None
    fork: options.Fork = None
    priority: options.Priority = None

    def make_request(self) -> StudyRequest:
        """Return the request.

        Raises:
            UsageError: no study is named, or a value breaks a rule.
        """
        from search.study.plan import StudyRequest

        return StudyRequest(
            **vars(self.kept),
            study=_name_study(self.study, self.objective),
            objective=self.objective,
            trials=self.trials,
            budget=self.budget,
            timeout=self.timeout,
            experience=self.experience,
            overrides=None if self.set_ is None else tuple(self.set_),
            fork=self.fork,
            priority=self.priority,
        )


def accept_request_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the flags of `RequestFlags` in place of its parameter `asked`.

    The parameters of the command are keyword-only. Typer reads flags from a function's signature, so the signature is
    what this changes.
    """
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    own = [one.name for one in fields(RequestFlags) if one.name != KEPT]
    flags = _make_flags()

    @functools.wraps(command)
    def parse(**values: Any) -> None:
        kept: StudyOptions[None] = StudyOptions(**{name: values.pop(name) for name in OPTIONS})
        asked = RequestFlags(kept=kept, **{name: values.pop(name) for name in own})
        command(**values, **{PARAMETER: asked})

    shown = [flag for one in parameters for flag in (flags if one.name == PARAMETER else [one])]
    parse.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    parse.__annotations__ = {one.name: one.annotation for one in shown}
    return parse


def _name_study(study: str | None, objective: str | None) -> str:
    """Return the study's name: the given one, or the objective's."""
    from pathlib import Path

    from objectives.base.names import is_path
    from search.errors import UsageError

    if study is not None:
        return study
    if objective is None:
        raise UsageError("no study is named; give --study NAME (see `search list` and `search space`)")
    return Path(objective).stem.replace("_", "-") if is_path(objective) else objective


def _make_flags() -> list[inspect.Parameter]:
    """Return a flag for each field of `RequestFlags`, and those of the study options in the place of theirs."""
    kept = get_type_hints(StudyOptions)
    flags: dict[str, Any] = {}
    for name, hint in get_type_hints(RequestFlags, include_extras=True).items():
        if name != KEPT:
            flags[name] = hint
            continue
        for each, option in OPTIONS.items():
            # `int | Unset` with None for the type variable is `int | None`.
            flags[each] = Annotated[kept[each][None], typer.Option(help=option.help, metavar=option.metavar)]
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint)
        for name, hint in flags.items()
    ]
