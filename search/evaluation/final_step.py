"""A study at its final step: everything that choosing, retraining and scoring its winner needs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

import torch
from optuna.trial import FrozenTrial
from sqlalchemy import Engine

from objectives.base.device import read_uuids, resolve_devices
from objectives.base.seeds import derive_seed
from objectives.core.objective import Objective
from objectives.data import seal
from objectives.data.batches.examples import TrainValidation, load
from objectives.data.cache import locate_training_part
from objectives.data.catalogue import find_dataset
from objectives.discovery import make_importable
from objectives.reuse.context import Source
from search.errors import NothingToDo
from search.evaluation.racing import Race
from search.evaluation.reopening import Reopening
from search.evaluation.request import FinalTask
from search.evaluation.results.retraining import RetrainingPlan
from search.settings import Settings
from search.study.outline import measure_budget
from search.study.plan import ResolvedStudy, StudyRequest, resolve_stored
from search.study.source_networks import fetch_sources
from search.study.spec import StudySpec
from search.workers.machine.energy import EnergyMeter
from spaces import Choice
from storage.database import Database
from storage.errors import format_command
from storage.records.studies import StudyRecord


def _ignore(line: str) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class FinalStep:
    """A study at its final step, on this machine, in a process that is sealed like a worker."""

    database: Database
    record: StudyRecord
    plan: ResolvedStudy
    trials: tuple[FrozenTrial, ...]
    """All of the study's, in any state."""
    settings: Settings
    device: torch.device
    out: Path
    """The folder for the weights and their description."""
    lifted: Event = field(default_factory=Event)
    """Lifts the seal of this process, if it has one, while it is set; see `lift_seal`."""
    variants: tuple[Choice, ...] | None = None
    """What is applied to the network before it is scored; None if the request does not say, as to continue a claim."""
    retraining: RetrainingPlan | None = None
    """What the winner is retrained on, and for how long; None if the request does not say."""
    reopening: Reopening | None = None
    """The request to score a test set that was claimed before again; None without one."""
    race: Race | None = None
    """How the winner is chosen among the best trials; None to take the best one."""
    energy: EnergyMeter = field(default_factory=EnergyMeter)
    """Measures what is trained."""
    tell: Callable[[str], None] = _ignore
    """Receives one line of progress at a time."""

    @property
    def engine(self) -> Engine:
        """The storage's connections."""
        return self.database.engine

    @property
    def spec(self) -> StudySpec:
        """What the study was created with."""
        return self.plan.spec

    @property
    def objective(self) -> Objective:
        """The study's objective, as this machine has it."""
        return self.plan.found.objective

    @contextmanager
    def lift_seal(self) -> Iterator[None]:
        """Let this process look at the test part within the block, in which none of the objective's code may run."""
        self.lifted.set()
        try:
            yield
        finally:
            self.lifted.clear()

    def trial_seed(self, trial: FrozenTrial) -> int:
        """Return the seed that the trial was trained with."""
        return int(trial.user_attrs.get("seed", derive_seed(self.spec.seed, trial.number)))

    def load_data(self, *, merge_validation: bool, all_images: bool = False) -> TrainValidation:
        """Load the study's training and validation images onto the device.

        all_images: adds the training images that a study of a part of them (`--train-examples`) left out.
        """
        plan, split = self.plan, self.plan.split
        return load(
            plan.prepared,
            replace(split, train=split.pool) if all_images else split,
            self.device,
            classes=self.objective.classes,
            merge_validation=merge_validation,
        )

    def load_sources(self) -> dict[str, Source]:
        """Load the networks of other studies and files of weights that this study's trials reuse, by their names."""
        return fetch_sources(self.engine, self.record.name, self.spec, self.objective, self.settings.data)

    def no_completed_trial(self) -> NothingToDo:
        """Return the error to raise if no trial could win, with a command that trains more."""
        name = self.record.name
        if measure_budget(self.record, list(self.trials)).left != 0:
            remedy = f"train some with `{format_command('run', '--study', name)}`"
        else:
            more = format_command("resume", "--study", name, *self._double_budget())
            remedy = f"its budget is spent{self._describe_reasons()}; raise it, for instance with `{more}`"
        return NothingToDo(f"study {name!r} has no completed trial; {remedy}")

    def _double_budget(self) -> list[str]:
        trials, epochs = self.record.trials, self.record.epoch_budget
        more = [] if trials is None else ["--trials", str(2 * trials)]
        return more if epochs is None else [*more, "--budget", f"{math.ceil(2 * epochs / self.spec.epochs)}R"]

    def _describe_reasons(self) -> str:
        reasons = Counter(str(trial.user_attrs["reason"]) for trial in self.trials if "reason" in trial.user_attrs)
        counted = ", ".join(f"{count} of {len(self.trials)} {reason}" for reason, count in reasons.most_common())
        return f" ({counted})" if counted else ""


def prepare_final_step(task: FinalTask, reopening: Reopening | None) -> FinalStep:
    """Seal this process, then find the study's objective, data and device on this machine.

    Raises:
        DataError: the training images are missing.
        UsageError: something differs from what the study was created with.
    """
    record, request, settings = task.view.record, task.request, task.settings
    lifted = _seal(settings, task.view.spec.dataset)
    own = StudyRequest(study=record.name, objective=task.objective)
    plan = resolve_stored(record, own, settings, task.decoding, searches=False)
    make_importable(plan.found)
    status = task.view.status()
    if status.budget.left != 0:
        task.tell(f"note: the study's budget is not spent yet: {status.progress}")
    device = torch.device(resolve_devices(settings.device)[0])
    return FinalStep(
        database=task.database,
        record=record,
        plan=plan,
        trials=tuple(task.view.trials()),
        settings=settings,
        device=device,
        energy=EnergyMeter(read_uuids(device)),
        out=request.out,
        lifted=lifted,
        variants=request.choices,
        retraining=request.retraining,
        reopening=reopening,
        race=request.race,
        tell=task.tell,
    )


def _seal(settings: Settings, dataset: str) -> Event:
    """Seal this process before it reads the objective's file, which is to run it; return what lifts the seal.

    A download has test files in it, so what is missing of the training part is fetched first.
    """
    lifted = Event()
    locate_training_part(find_dataset(dataset, settings.data), settings.data, settings.cache)
    seal.install(seal.find_sealed_paths(settings.data, settings.cache), lifted)
    return lifted
