"""A study's score: the accuracy of its winner on the held-out test set, and how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from search.evaluation.results.abstention import AbstentionPoint, read_abstention
from search.evaluation.results.confirmation import Confirmation, read_confirmation
from search.evaluation.results.fields import known_fields, pair
from search.evaluation.results.retraining import RetrainingPlan
from search.evaluation.results.variants import VariantEffect

Parameter: TypeAlias = bool | int | float | str | None


@dataclass(frozen=True, kw_only=True)
class OpeningSummary:
    """One claim of the test set for the study, and its score if it led to one; times are ISO 8601."""

    opening: int
    """1 for the study's first."""
    reason: str | None
    """Why the test set was scored again; None for the first opening."""
    look: int | None
    """The number of the score among all of this test set in the storage; None if it was not scored."""
    test_accuracy: float | None
    scored_at: str | None
    claimed_at: str

    def to_json(self) -> dict[str, object]:
        """Return the opening as `final --json` prints it."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> OpeningSummary:
        """Return the opening that the ledger describes."""
        return cls(**known_fields(cls, document))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What scoring a test set found; accuracies are from 0 to 1. The ledger turns it into a `Score`."""

    study: str
    trial: int
    """The winner's number."""
    params: Mapping[str, Parameter]
    """Its parameters, as Optuna stores them."""
    validation_accuracy: float
    """Its value in the search."""
    test_accuracy: float
    test_interval_95: tuple[float, float]
    """Wilson's interval for the test accuracy."""
    test_examples: int
    test_examples_in_training: int | None = None
    """How many of the test images equal an image of the training part, pixel by pixel; None if the score does not
    tell."""
    class_accuracy: Mapping[str, float | None] = field(default_factory=dict)
    """The test accuracy (recall) of each class, null for one without test images; empty if the score does not tell."""
    macro_f1: float | None = None
    calibration_error: float | None = None
    """Expected calibration error over 15 bins."""
    mean_deviation: float | None = None
    """The mean standard deviation of the predicted classes' probabilities over the samples of Monte Carlo dropout; None
    for a network that does not sample."""
    abstention: tuple[AbstentionPoint, ...] = ()
    """The test accuracy over the images that the network is most certain about: by the predicted class's probability,
    less its deviation if the network samples; empty if the score does not tell."""
    epochs: int
    """How many the winner was retrained for."""
    seed: int
    """The seed of the retraining."""
    retrained_on: Literal["train + validation", "train"] = "train + validation"
    retrained_examples: int | None = None
    """How many images it was retrained on; None if the score does not tell."""
    retraining: RetrainingPlan = field(default_factory=RetrainingPlan)
    """Whether on all images of a study of a part of them, and whether for all epochs."""
    confirmation: Confirmation | None = None
    """How the winner was chosen; None if it is simply the best trial."""
    variants: tuple[str, ...] = ()
    """What was applied to the retrained network before it was scored."""
    variant_effects: tuple[VariantEffect, ...] = ()
    """What they did to the winner on validation images; empty without variants."""
    weights_sha256: str
    """Of the retrained network, before any variant."""
    energy_wh: float | None = None
    """What the GPU took from the choice of the winner to the score; None if it did not tell. What an interrupted final
    step took before is not in it."""

    @property
    def classes_without_examples(self) -> list[str]:
        """The classes that the test set has no image of."""
        return [name for name, accuracy in self.class_accuracy.items() if accuracy is None]

    @property
    def retrained_images(self) -> str:
        """The images that it was retrained on, in words, such as `8,000 training and validation images`."""
        kind = "training images" if self.retrained_on == "train" else "training and validation images"
        counted = kind if self.retrained_examples is None else f"{self.retrained_examples:,} {kind}"
        return f"all {counted}" if self.retraining.all_images else counted

    @property
    def selection_gap(self) -> float:
        """The validation accuracy in the search less the test accuracy."""
        return self.validation_accuracy - self.test_accuracy

    def to_json(self) -> dict[str, object]:
        """Return the outcome as the ledger stores it; what later programs added is left out if it does not tell."""
        known = self.test_examples_in_training
        trained = self.retrained_examples
        uncertain: dict[str, object] = {}
        if self.abstention:
            uncertain["abstention"] = [point.to_json() for point in self.abstention]
        if self.mean_deviation is not None:
            uncertain["mean_deviation"] = self.mean_deviation
        return {
            "study": self.study,
            "trial": self.trial,
            "params": dict(self.params),
            "validation_accuracy": self.validation_accuracy,
            "test_accuracy": self.test_accuracy,
            "test_interval_95": list(self.test_interval_95),
            "selection_gap": self.selection_gap,
            "test_examples": self.test_examples,
            **({} if known is None else {"test_examples_in_training": known}),
            "class_accuracy": dict(self.class_accuracy),
            "macro_f1": self.macro_f1,
            "calibration_error": self.calibration_error,
            **uncertain,
            "epochs": self.epochs,
            "seed": self.seed,
            "retrained_on": self.retrained_on,
            **({} if trained is None else {"retrained_examples": trained, "retraining": self.retraining.to_json()}),
            "confirmation": None if self.confirmation is None else self.confirmation.to_json(),
            "variants": list(self.variants),
            "variant_effects": [effect.to_json() for effect in self.variant_effects],
            "weights_sha256": self.weights_sha256,
            **({} if self.energy_wh is None else {"energy_wh": self.energy_wh}),
        }


@dataclass(frozen=True, kw_only=True)
class Score(Outcome):
    """The newest score of a study's test set, with every opening of that test set."""

    look: int
    """The number of this score among all of this test set in the storage; 1 for the first."""
    scored_at: str
    """ISO 8601, to the second."""
    openings: tuple[OpeningSummary, ...] = ()
    """Every claim of the test set for this study, oldest first."""
    looks: int
    """How often any study in the storage has scored this test set."""
    void_reason: str | None = None
    """Why the trial was voided after it had been scored; None if it counts."""
    first_time: bool | None = None
    """Whether this call opened the test set; None if it only asked for a stored score, as a status does."""

    def __str__(self) -> str:
        low, high = self.test_interval_95
        return (
            f"{self.study}: test accuracy {self.test_accuracy:.4f} (95% interval {low:.4f} to {high:.4f}, "
            f"{self.test_examples} images), trial {self.trial}; {self.validation_accuracy:.4f} in the search"
        )

    def to_json(self) -> dict[str, object]:
        """Return the document that `final --json` prints; `first_time` is left out if it is None."""
        document = {
            **super().to_json(),
            "look": self.look,
            "scored_at": self.scored_at,
            "openings": [opening.to_json() for opening in self.openings],
            "looks": self.looks,
            **({} if self.void_reason is None else {"void_reason": self.void_reason}),
        }
        return document if self.first_time is None else {**document, "first_time": self.first_time}

    @property
    def doubt(self) -> str | None:
        """What is to be said with the score of a trial that was voided since, in a sentence; None if it counts."""
        if self.void_reason is None:
            return None
        return (
            f"trial {self.trial}, whose score this is, was voided since ({self.void_reason}); the score stays in the "
            "ledger, and `search final` with --reopen REASON scores the best of the others"
        )

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Score:
        """Return the score that a ledger, or an earlier `final --json`, describes."""
        nested = {
            "test_interval_95": pair(document["test_interval_95"]),
            "retraining": RetrainingPlan.from_json(document.get("retraining")),
            "abstention": read_abstention(document),
            "confirmation": read_confirmation(document),
            "variants": tuple(document.get("variants", ())),
            "variant_effects": tuple(map(VariantEffect.from_json, document.get("variant_effects", ()))),
            "openings": tuple(map(OpeningSummary.from_json, document.get("openings", ()))),
            "looks": document.get("looks", document["look"]),
        }
        return cls(**{**known_fields(cls, document), **nested})
