"""Arguments of the Python API, turned into what requests and workers understand."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from objectives import studies
from objectives.core.objective import Objective
from objectives.discovery import ATTRIBUTE, ENTRY_POINTS
from objectives.importing.reading import stop_if_reading
from search.api.session import Session, open_session
from search.errors import UsageError
from search.errors.messages import user_message
from search.settings import Settings, load
from search.study.options import parse_budget
from storage.errors import UnknownStudy


def load_settings(storage: str | None, data: str | Path | None) -> Settings:
    """Return the settings with these arguments.

    A script may define an objective and then search it: if a process is reading the objective from that script now,
    the reading ends here.

    Raises:
        UsageError: a value breaks its rule.
    """
    stop_if_reading()
    return load(storage=storage, data=None if data is None else Path(data))


def find_reference(objective: str | Path | Objective | None) -> str | None:
    """Return the name or path by which any process on this machine finds an objective; None stays None.

    An `Objective` itself is found by the module whose OBJECTIVE it is.

    Raises:
        UsageError: it is not the OBJECTIVE of any file.
    """
    if not isinstance(objective, Objective):
        return None if objective is None else str(objective)
    homes = [
        module
        for module in list(sys.modules.values())
        if isinstance(module, ModuleType) and vars(module).get(ATTRIBUTE) is objective and _has_file(module)
    ]
    if not homes:
        raise UsageError(
            "workers are processes of their own and read an objective from a file, but this one is not the "
            f"{ATTRIBUTE} of any file; write `{ATTRIBUTE} = Objective(...)` into a file and pass its path"
        )
    # Other modules may have imported it: the one that defines its functions comes first, the script last.
    code = objective.build_model or objective.train
    home = min(homes, key=lambda module: (module.__name__ != getattr(code, "__module__", ""), _is_script(module)))
    if home.__name__.startswith(f"{studies.__name__}."):
        return home.__name__.rpartition(".")[2].replace("_", "-")
    for point in entry_points(group=ENTRY_POINTS):
        if (point.module, point.attr or ATTRIBUTE) == (home.__name__, ATTRIBUTE):
            return point.name
    return str(Path(home.__file__ or "").resolve())


def open_named(
    name: str, objective: str | Path | Objective | None, storage: str | None, data: str | Path | None
) -> Session:
    """Open a study that exists.

    Raises:
        UnknownStudy: there is no such study; the message has names that are close.
        UsageError: an argument breaks a rule.
    """
    settings = load_settings(storage, data)
    try:
        return open_session(name, settings, find_reference(objective))
    except UnknownStudy as error:
        raise UnknownStudy(error.name, error.known, user_message(error)) from None


def check_epochs(budget: str | None) -> str | None:
    """Return the budget of a new study.

    Raises:
        UsageError: it is a time, which counts from the start of a run.
    """
    if budget is not None and parse_budget(budget).seconds is not None:
        raise UsageError(
            f"a study is created with a budget of epochs, such as '20R', but got {budget!r}; a time is the run's: "
            f"study.run(budget={budget!r})"
        )
    return budget


def list_overrides(overrides: Mapping[str, object] | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return changes of a space as the command line writes them: `width=16:512`.

    Raises:
        UsageError: they are one string, not a mapping or a sequence.
    """
    if overrides is None:
        return None
    if isinstance(overrides, str):
        raise UsageError(f"overrides are a mapping or a list, but got {overrides!r}; write [{overrides!r}]")
    if isinstance(overrides, Mapping):
        return tuple(f"{name}={value}" for name, value in overrides.items())
    return tuple(overrides)


def _has_file(module: ModuleType) -> bool:
    return Path(getattr(module, "__file__", None) or "").is_file()


def _is_script(module: ModuleType) -> bool:
    return module.__name__ == "__main__"
