"""How a winner was chosen among a study's best trials, by training them again with other seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search.evaluation.results.fields import known_fields, pair


@dataclass(frozen=True, kw_only=True)
class ConfirmedCandidate:
    """One of the best trials, trained again with further seeds; accuracies are from 0 to 1."""

    trial: int
    value: float | None
    """The trial's value in the search."""
    accuracies: tuple[float, ...]
    """One validation accuracy for each further seed, in the order of the rounds."""
    mean: float | None
    """None without an accuracy."""
    sd: float | None
    """Sample standard deviation; None with fewer than two accuracies."""
    lower_bound: float | None
    """One-sided 95% bound of the mean over all seeds; None with fewer than two accuracies."""
    dropped_in_round: int | None = None
    """The round, counted from 1, after which it was dropped; None if it was not."""
    reason: str | None = None
    """Why it was dropped: `behind`, or how its training failed."""

    @property
    def seeds(self) -> int:
        """The number of trainings that succeeded."""
        return len(self.accuracies)

    def to_json(self) -> dict[str, object]:
        """Return the candidate as `final --json` prints it."""
        return {
            "trial": self.trial,
            "value": self.value,
            "accuracies": list(self.accuracies),
            "seeds": self.seeds,
            "mean": self.mean,
            "sd": self.sd,
            "lower_bound": self.lower_bound,
            "dropped_in_round": self.dropped_in_round,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ConfirmedCandidate:
        """Return the candidate that was stored."""
        return cls(**{**known_fields(cls, document), "accuracies": tuple(document["accuracies"])})


@dataclass(frozen=True, kw_only=True)
class SelectionOptimism:
    """By how much the search's best value exceeds what the chosen configuration reaches on average."""

    best_value: float
    """The highest validation accuracy of the search, of whichever trial."""
    fresh_accuracies: tuple[float, ...]
    """Validation accuracies of the chosen configuration with seeds that played no part in choosing it."""
    fresh_mean: float
    fresh_sd: float
    interval_95: tuple[float, float]
    """For `value`."""

    @property
    def value(self) -> float:
        """The difference, a fraction of the validation images; below 0 if the search's best value was too low."""
        return self.best_value - self.fresh_mean

    def to_json(self) -> dict[str, object]:
        """Return the fields that a confirmation's JSON has for the optimism."""
        return {
            "best_value": self.best_value,
            "fresh_accuracies": list(self.fresh_accuracies),
            "fresh_mean": self.fresh_mean,
            "fresh_sd": self.fresh_sd,
            "selection_optimism": self.value,
            "selection_optimism_interval_95": list(self.interval_95),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SelectionOptimism:
        """Return the optimism from the JSON of the confirmation that it belongs to."""
        return cls(
            best_value=document["best_value"],
            fresh_accuracies=tuple(document["fresh_accuracies"]),
            fresh_mean=document["fresh_mean"],
            fresh_sd=document["fresh_sd"],
            interval_95=pair(document["selection_optimism_interval_95"]),
        )


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """How the winner was chosen among the best trials, and how much of the search's best value was luck."""

    asked: int
    """How many trials were to take part; fewer do if fewer have completed."""
    seeds: int
    """How many further seeds each was to be trained with."""
    candidates: tuple[ConfirmedCandidate, ...]
    """The highest value in the search first."""
    chosen: int
    """The winner's trial."""
    optimism: SelectionOptimism

    def to_json(self) -> dict[str, object]:
        """Return the confirmation as `final --json` prints it."""
        return {
            "asked": self.asked,
            "seeds": self.seeds,
            "candidates": [candidate.to_json() for candidate in self.candidates],
            "chosen": self.chosen,
            **self.optimism.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Confirmation:
        """Return the confirmation that was stored."""
        return cls(
            asked=document["asked"],
            seeds=document["seeds"],
            candidates=tuple(map(ConfirmedCandidate.from_json, document["candidates"])),
            chosen=document["chosen"],
            optimism=SelectionOptimism.from_json(document),
        )


def read_confirmation(document: Mapping[str, Any]) -> Confirmation | None:
    """Return the confirmation in a stored score or claim; None if its winner is simply the best trial."""
    stored = document.get("confirmation")
    return None if stored is None else Confirmation.from_json(stored)
