"""What stopping trials early saved, and what it may have cost."""

from __future__ import annotations

from dataclasses import dataclass

from search.report.document.content.facts import StudyFacts
from search.statistics.curves import count_spared
from search.strategies.pruners.audit import PruningAudit


@dataclass(frozen=True, kw_only=True)
class PruningCost:
    """Epochs trained and spared, and what the trials that ran on as a check say."""

    epochs: int
    """Of a full training."""
    trained: int
    """Epochs that all trials trained."""
    stopped: int
    """Trials that the pruner stopped."""
    stopped_epochs: int
    """Epochs that these had trained."""
    spared: int
    """Epochs that these would have trained beyond, at most: early stopping could have ended them sooner."""
    audit: PruningAudit

    @property
    def full_trainings(self) -> float:
        """How many full trainings the epochs would have been enough for."""
        return self.trained / self.epochs

    @property
    def spared_share(self) -> float:
        """The share of the epochs that the same trials would have taken without a pruner."""
        return self.spared / (self.spared + self.trained) if self.spared else 0.0


def measure_pruning(facts: StudyFacts) -> PruningCost:
    """Count what was trained and what was spared."""
    full = facts.spec.epochs
    lengths = [len(trial.intermediate_values) for trial in facts.trials if trial.user_attrs.get("reason") == "pruner"]
    return PruningCost(
        epochs=full,
        trained=facts.status.epochs_trained,
        stopped=len(lengths),
        stopped_epochs=sum(lengths),
        spared=count_spared(lengths, full),
        audit=facts.status.pruning,
    )
