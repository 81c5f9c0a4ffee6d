"""What a claim of a test set records about the network that it was made for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from search.evaluation.results.confirmation import Confirmation, read_confirmation
from search.evaluation.results.fields import known_fields
from search.evaluation.results.retraining import RetrainingPlan
from search.evaluation.results.variants import VariantEffect


@dataclass(frozen=True, kw_only=True)
class ClaimedWinner:
    """The trial that a test set was claimed for, how it was chosen, and how its network is scored."""

    trial: int
    seed: int | None = None
    """The seed of the retraining; None if the claim does not tell."""
    configuration: Mapping[str, object] = field(default_factory=dict)
    finished: int | None = None
    """How many trials of the study had finished; None if the claim does not tell."""
    confirmation: Confirmation | None = None
    """None if the winner is simply the best trial."""
    snapshots_sha256: str | None = None
    """Of the networks at the dips of the learning rate; None if no variant needs them."""
    retraining: RetrainingPlan = field(default_factory=RetrainingPlan)
    variants: tuple[str, ...] = ()
    variant_effects: tuple[VariantEffect, ...] = ()
    """Empty without variants."""

    def to_json(self) -> dict[str, object]:
        """Return the winner as the ledger stores it."""
        return {
            "trial": self.trial,
            "seed": self.seed,
            "configuration": dict(self.configuration),
            "finished": self.finished,
            "confirmation": None if self.confirmation is None else self.confirmation.to_json(),
            **({} if self.snapshots_sha256 is None else {"snapshots_sha256": self.snapshots_sha256}),
            **({} if self.retraining == RetrainingPlan() else {"retraining": self.retraining.to_json()}),
            "variants": list(self.variants),
            "variant_effects": [effect.to_json() for effect in self.variant_effects],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ClaimedWinner:
        """Return the winner that the ledger stores."""
        nested = {
            "confirmation": read_confirmation(document),
            "retraining": RetrainingPlan.from_json(document.get("retraining")),
            "variants": tuple(document.get("variants", ())),
            "variant_effects": tuple(map(VariantEffect.from_json, document.get("variant_effects", ()))),
        }
        return cls(**{**known_fields(cls, document), **nested})
