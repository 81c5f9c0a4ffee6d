"""What is asked of a study's final step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from objectives.data.files.decoded import Progress
from search.errors import UsageError
from search.evaluation.racing import Race, parse_race
from search.evaluation.results.retraining import RetrainingPlan
from search.evaluation.variant_args import parse_variants
from search.settings import Settings
from search.study.status import StudyView
from spaces import Choice
from storage.database import Database


@dataclass(frozen=True, kw_only=True)
class FinalRequest:
    """How a study's winner is to be chosen and scored.

    Raises:
        UsageError: a variant is malformed, or the numbers of the confirmation break a rule.
        ObjectiveError: a variant is unknown or cannot be applied.
    """

    out: Path
    """The folder for the weights and the model card."""
    variants: tuple[str, ...] = ()
    """Applied to the network before it is scored, such as `prune_unstructured:amount=0.8`; empty to score it as it is,
    or to continue an earlier claim."""
    confirm: int | None = None
    """Among how many of the best trials the winner is chosen, with further seeds; None to take the best one."""
    confirm_seeds: int | None = None
    """How many further seeds each of them is trained with; None for the default."""
    all_images: bool = False
    """Whether to retrain on all training images, if the study was searched on a part of them."""
    epochs: str | None = None
    """`full` to retrain for all epochs of the study, `best` or None to end after the winner's best epoch."""
    reopen: str | None = None
    """Why a test set that was scored or claimed before is scored again; None to return the stored score."""

    def __post_init__(self) -> None:
        parse_variants(self.variants)
        parse_race(self.confirm, self.confirm_seeds)
        if self.epochs not in (None, "best", "full"):
            raise UsageError(
                f"--epochs of the final step must be best (up to the winner's best epoch) or full (all epochs of the "
                f"study), but got {self.epochs!r}"
            )

    def check_measures_only(self) -> None:
        """Raise `UsageError` if the request asks for more than measuring variants."""
        if self.confirm is not None:
            raise UsageError(
                "--measure examines the best trial and scores nothing, and --confirm chooses what is scored; "
                "leave one of them out"
            )
        if self.retraining is not None:
            raise UsageError(
                "--measure examines the network of the best trial, and --all and --epochs are about its retraining; "
                "leave one of them out"
            )

    @property
    def choices(self) -> tuple[Choice, ...] | None:
        """The variants with all their options; None if the request does not name any."""
        return parse_variants(self.variants) or None

    @property
    def retraining(self) -> RetrainingPlan | None:
        """The images and epochs of the retraining; None if the request does not name any."""
        if not self.all_images and self.epochs is None:
            return None
        return RetrainingPlan(all_images=self.all_images, full=self.epochs == "full")

    @property
    def race(self) -> Race | None:
        """The race that chooses the winner; None to take the best trial."""
        return parse_race(self.confirm, self.confirm_seeds)


@dataclass(frozen=True, kw_only=True)
class FinalTask:
    """A request for the final step of a study in an open storage."""

    database: Database
    view: StudyView
    settings: Settings
    objective: str | None
    """Name or path of the study's objective; None for what the study was created with."""
    request: FinalRequest
    tell: Callable[[str], None]
    """Receives one line of progress or warning at a time."""
    decoding: Progress | None = None
    """Receives the progress of decoding a data set."""
