"""The state of a study as frozen values: what `search status --json` prints and `Study.status()` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from objectives.base.plurals import count_noun
from objectives.diagnosis.faults import Fault
from search.evaluation.results.score import Score
from search.strategies.pruners.audit import PruningAudit
from search.strategies.repeated.comparison import Comparison
from search.study.spec import PolicyPeriod
from search.study.trials import MachinePart
from spaces import Scalar


@dataclass(frozen=True, kw_only=True)
class TrialCounts:
    """How many trials are in each of Optuna's states."""

    complete: int
    pruned: int
    running: int
    waiting: int
    fail: int

    @property
    def finished(self) -> int:
        """Trials that count towards the budget: complete or pruned."""
        return self.complete + self.pruned


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What the study may spend: a number of finished trials, of stored epochs, or both, whichever is reached first."""

    trials: int | None
    """How many finished trials the study is to have; None for any number."""
    left: int | None
    """How many trials are still to finish; None if only the budget of epochs tells, which is not spent yet."""
    epochs: int | None
    """The stored epochs at which no new trial begins; None for any number."""


@dataclass(frozen=True, kw_only=True)
class BestTrial:
    """The completed trial with the highest value; with --repeats, the first trial of the best configuration."""

    trial: int
    value: float
    """Validation accuracy at the trial's best epoch; with --repeats, the mean over the configuration's trials."""
    epoch: int | None
    """That epoch, counted from 0; None if the trial has no curve."""
    params: Mapping[str, Scalar]
    machines: tuple[MachinePart, ...] = ()
    """What trained it, if another kind of machine resumed it; empty otherwise."""


@dataclass(frozen=True, kw_only=True)
class WorkerState:
    """A worker that sent a heartbeat in the last two minutes."""

    id: str
    host: str
    device: str
    trial: int | None
    epoch: int | None
    """The last epoch that it stored of its trial, counted from 0."""
    beat_s: float
    """Seconds since its last heartbeat."""
    leaves: bool = False
    """Whether `search drain` has asked it to leave."""
    epoch_s: float | None = None
    """Seconds of an epoch: the mean of its trial's last five; None if none is stored, or does not say."""


@dataclass(frozen=True, kw_only=True)
class TrialError:
    """A trial that an error in the objective ended."""

    trial: int
    error: str | None
    traceback: str | None


@dataclass(frozen=True, kw_only=True)
class VoidedTrial:
    """A trial that `search void` took out: it is kept, and nothing counts it or learns from it."""

    trial: int
    """Its number."""
    reason: str
    was: str
    """What it had been: `complete`, `running`, `pruned (pruner)`, ..."""


@dataclass(frozen=True, kw_only=True)
class TrialDiagnosis:
    """What went wrong inside the network of a trial that did not learn."""

    trial: int
    """Its number."""
    faults: tuple[Fault, ...]
    """Causes before effects, mostly one."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """The state of a study at one moment."""

    study: str
    objective: str
    direction: str
    """Always `maximize`."""
    states: TrialCounts
    reasons: Mapping[str, int]
    """How many trials ended early, by the reason: `pruner`, `diverged`, `out of memory`, ..."""
    budget: Budget
    epochs_trained: int
    best: BestTrial | None
    """None until a trial has completed."""
    workers: tuple[WorkerState, ...]
    final: Score | None
    """The study's score on the test set; None before the final step."""
    control: str
    """`run`, or why workers take no more trials: `pause`, `stop`, `failed`, `moved`."""
    stop_reason: str | None
    errors: tuple[TrialError, ...]
    """The last ten trials that failed."""
    pruning: PruningAudit
    policies: tuple[PolicyPeriod, ...]
    """What chose and stopped the trials: one search policy, unless `search study upgrade` changed it."""
    comparison: Comparison | None = None
    """The configurations compared, in a study with --repeats or --sampler grid; None in any other."""
    faults: Mapping[str, int] = field(default_factory=dict)
    """How many trials did not learn, by the fault inside their networks: `vanishing`, `rate too high`, ..."""
    diagnoses: tuple[TrialDiagnosis, ...] = ()
    """The last ten of these trials, and the best trial if it is one of them."""
    priority: int = 0
    """Workers that serve every study serve higher ones first."""
    voided: tuple[VoidedTrial, ...] = ()
    """The trials that were voided."""

    def to_json(self) -> dict[str, object]:
        """Return the document that `search status --json` prints."""
        return {**asdict(self), "final": None if self.final is None else self.final.to_json()}

    @property
    def progress(self) -> str:
        """How much of the budget is spent, for people: `12 of 30 trials, 80 of 400 epochs`."""
        return self.describe_progress()

    def describe_progress(self, of: str = " of ") -> str:
        """Return how much of the budget is spent, with `of` between what is spent and what there is."""
        trials, epochs = self.budget.trials, self.budget.epochs
        finished = self.states.finished
        done = count_noun(finished, "trial") if trials is None else f"{finished}{of}{trials} trials"
        return done if epochs is None else f"{done}, {self.epochs_trained}{of}{epochs} epochs"

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {state}" for state, count in asdict(self.states).items() if count)
        best = f"; best {self.best.value:.4f} (trial {self.best.trial})" if self.best else ""
        return f"{self.study}: {self.progress} ({counts or 'none yet'}){best}"
