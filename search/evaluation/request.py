"""What is asked of a study's final step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from objectives.data.files.decoded import Progress
from search.evaluation.racing import Race, parse_race
from search.evaluation.variant_args import parse_variants
from search.settings import Settings
from search.study.status import StudyView
from spaces import Choice
from storage.database import Database


@dataclass(frozen=True, kw_only=True)
class FinalRequest:
    """How a study's winner is to be chosen and scored."""

    out: Path
    """The folder for the weights and their description."""
    objective: str | None = None
    """Name or path of the objective; None for the one that the study was created with."""
    variants: tuple[Choice, ...] | None = None
    """What is applied to the network before it is scored; None for nothing, or to continue an earlier claim."""
    race: Race | None = None
    """How the winner is chosen among the best trials; None to take the best one."""
    reopen: str | None = None
    """Why a test set that was scored or claimed before is scored again; None to return the stored score."""


@dataclass(frozen=True, kw_only=True)
class FinalTask:
    """A request for the final step of a study in an open storage."""

    database: Database
    view: StudyView
    settings: Settings
    request: FinalRequest
    tell: Callable[[str], None]
    """Receives one line of progress or warning at a time."""
    decoding: Callable[[], AbstractContextManager[Progress]]
    """Opens a display for the progress of decoding a data set."""


def parse_request(
    out: Path,
    *,
    objective: str | None = None,
    variants: Sequence[str] = (),
    confirm: int | None = None,
    confirm_seeds: int | None = None,
    reopen: str | None = None,
) -> FinalRequest:
    """Return the request in the words of the command line.

    Args:
        variants: as `parse_variants` reads them.
        confirm: how many of the best trials the winner is chosen among.
        confirm_seeds: how many further seeds each of them is trained with.

    Raises:
        UsageError: a variant is malformed, or the numbers of the confirmation break a rule.
        ObjectiveError: a variant is unknown or cannot be applied.
    """
    return FinalRequest(
        out=out,
        objective=objective,
        variants=parse_variants(variants) or None,
        race=parse_race(confirm, confirm_seeds),
        reopen=reopen,
    )
