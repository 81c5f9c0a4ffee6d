"""What the winner is retrained on, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from search.evaluation.results.fields import known_fields


@dataclass(frozen=True, kw_only=True)
class RetrainingPlan:
    """The images and epochs of the retraining for the score."""

    all_images: bool = False
    """Whether a study of a part of the training images (`--train-examples`) retrains on all of them."""
    full: bool = False
    """Whether to train all epochs of the study, as its schedule was made for, and not only up to the winner's best."""

    def __str__(self) -> str:
        images = "all training images" if self.all_images else "the study's training images"
        epochs = "all epochs" if self.full else "the epochs up to the best one"
        return f"{images} for {epochs}"

    def to_json(self) -> dict[str, object]:
        """Return the plan as the ledger stores it."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any] | None) -> RetrainingPlan:
        """Return the plan that was stored; the default one for a claim made before there was a choice."""
        return cls(**known_fields(cls, document or {}))
