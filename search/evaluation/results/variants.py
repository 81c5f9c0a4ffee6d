"""What variants of a network do to it on validation images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from search.evaluation.results.abstention import AbstentionPoint, read_abstention
from search.evaluation.results.fields import known_fields

_WITHOUT_SAMPLES = ("variant", "validation_accuracy", "validation_loss", "zeros", "parameters")


@dataclass(frozen=True, kw_only=True)
class VariantEffect:
    """A network on validation images after one more variant was applied to it."""

    variant: str | None
    """The variant as the command line writes it; None for the network before any variant."""
    validation_accuracy: float
    """From 0 to 1."""
    validation_loss: float | None
    """Mean cross entropy; None if it is not finite."""
    zeros: float
    """Share of the prunable weights that are zero, from 0 to 1."""
    parameters: int
    mean_deviation: float | None = None
    """As in the score: None for a network that does not sample."""
    abstention: tuple[AbstentionPoint, ...] = ()
    """The validation accuracy over the images that a network that samples is most certain about; else empty."""

    def to_json(self) -> dict[str, object]:
        """Return the effect as `final --json` prints it; without samples it has no deviation and no abstention."""
        document = asdict(self)
        return document if self.mean_deviation is not None else {name: document[name] for name in _WITHOUT_SAMPLES}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> VariantEffect:
        """Return the effect that was stored."""
        return cls(**{**known_fields(cls, document), "abstention": read_abstention(document)})


@dataclass(frozen=True, kw_only=True)
class MeasuredVariants:
    """The effects of variants on a study's best trial: what `final --measure` finds."""

    study: str
    trial: int
    variants: tuple[str, ...]
    variant_effects: tuple[VariantEffect, ...]
    """The trial's own network first, then one effect for each variant, applied after those before it."""

    def to_json(self) -> dict[str, object]:
        """Return the document that `final --measure --json` prints."""
        return {
            "study": self.study,
            "trial": self.trial,
            "variants": list(self.variants),
            "variant_effects": [effect.to_json() for effect in self.variant_effects],
        }
