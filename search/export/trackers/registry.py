"""The trackers; a new one is one entry of TRACKERS and a module with a function `build(folder) -> Tracker`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.errors import UsageError

if TYPE_CHECKING:  # the command line reads the entries, and must not import Optuna
    from search.export.trackers.tracker import Tracker

HERE = "search.export.trackers"
NONE = "none"


@dataclass(frozen=True, kw_only=True)
class TrackerKind:
    """One tracker."""

    home: str
    """The module with its `build`; it imports the tracker's package, and is imported when the tracker is built."""
    package: str
    """What is imported."""
    install: str
    """What `pip install` installs."""
    variables: str
    """Its own environment variables, by which it is configured, with defaults of ours in brackets; Markdown."""
    description: str
    """What it makes of a study; Markdown."""


TRACKERS: dict[str, TrackerKind] = {
    "tensorboard": TrackerKind(
        home=f"{HERE}.tensorboard",
        package="tensorboard",
        install="tensorboard",
        variables="`TENSORBOARD_LOGGING_DIR` (`runs`)",
        description="event files in `runs/<study>-<id>/trial-0000/`; parameters and results on its page HPARAMS",
    ),
    "mlflow": TrackerKind(
        home=f"{HERE}.mlflow",
        package="mlflow",
        install="mlflow-skinny",
        variables="`MLFLOW_TRACKING_URI`, `MLFLOW_EXPERIMENT_NAME` (`depthsearch`)",
        description="a parent run, and a run nested in it for each trial: FINISHED, KILLED if it was pruned, or FAILED",
    ),
    "wandb": TrackerKind(
        home=f"{HERE}.wandb",
        package="wandb",
        install="wandb",
        variables="`WANDB_MODE`, `WANDB_DIR`, `WANDB_ENTITY`, `WANDB_API_KEY`, `WANDB_PROJECT` (`depthsearch`)",
        description="a group of runs, one of job type `study`, the others of job type `trial`",
    ),
    "trackio": TrackerKind(
        home=f"{HERE}.trackio",
        package="trackio",
        install="trackio",
        variables="`TRACKIO_DIR`, `TRACKIO_SPACE_ID`, `TRACKIO_PROJECT` (`depthsearch`)",
        description="a group of runs; the last row of each says how it ended",
    ),
}


def read_names(given: Sequence[str] | None, setting: str | None) -> tuple[str, ...]:
    """Return the trackers that the flag names or, without it, the setting; each may hold several, after commas.

    Raises:
        UsageError: a name is unknown, or its package is not installed.
    """
    texts = given if given is not None else [setting or ""]
    names = tuple(dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip()))
    if names == (NONE,):
        return ()
    for name in names:
        check_name(name)
    return names


def check_all(trackers: Sequence[str | Tracker]) -> None:
    """Check those that are named.

    Raises:
        UsageError: a name is unknown, or its package is not installed.
    """
    for tracker in trackers:
        if isinstance(tracker, str):
            check_name(tracker)


def check_name(name: str) -> None:
    """Check that a tracker can be built, without importing its package.

    Raises:
        UsageError: the name is unknown, or its package or file is not there.
    """
    kind = TRACKERS.get(name)
    if kind is not None:
        if importlib.util.find_spec(kind.package) is None:
            raise UsageError(f"{name} is not installed; run `pip install {kind.install}`, or leave it out of --track")
        return
    home, _, attribute = name.rpartition(":")
    if not home or not attribute.isidentifier():
        from spaces.suggestions import suggest_and_list  # which imports Optuna, and `search --help` reads this module

        own = "your own is file.py:Class or module:Class"
        raise UsageError(f"unknown tracker {name!r}; {suggest_and_list(name, TRACKERS)}; {own}")
    if home.endswith(".py") and not Path(home).is_file():
        raise UsageError(f"tracker {name!r} names {home}, which is not a file")


def make_absolute(name: str) -> str:
    """Return a tracker's name as it holds in a process with another working folder, too."""
    home, colon, attribute = name.rpartition(":")
    return f"{Path(home).resolve()}{colon}{attribute}" if home.endswith(".py") else name


def build_tracker(name: str, folder: Path) -> Tracker:
    """Build a tracker by its name: an entry of TRACKERS, `file.py:Class` or `module:Class`.

    folder: where it may keep what it must know at the next run.
    """
    kind = TRACKERS.get(name)
    if kind is not None:
        built: Tracker = importlib.import_module(kind.home).build(folder)
        return built
    home, _, attribute = name.rpartition(":")
    module: Any = _load_file(Path(home)) if home.endswith(".py") else importlib.import_module(home)
    own: Tracker = getattr(module, attribute)()
    return own


def _load_file(path: Path) -> Any:
    sys.path.append(str(path.parent))  # it may import the modules beside it
    spec = importlib.util.spec_from_file_location(f"_tracker_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
