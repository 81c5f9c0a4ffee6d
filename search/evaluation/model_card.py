"""What the final step writes beside the weights: a configuration file and a model card."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from objectives.base.plurals import count_noun
from objectives.base.printable import escape_markdown, format_code
from search.errors import SearchError
from search.errors.unwritable import refuse_unwritable
from search.evaluation.reopening import format_openings
from search.evaluation.results.abstention import describe_abstention
from search.evaluation.results.claimed import ClaimedWinner
from search.evaluation.results.score import Score
from search.evaluation.variant_args import EFFECT_HEADINGS, effect_rows
from search.study.spec import StudySpec
from storage.files import write_file

WEIGHTS_FILE = "model.safetensors"
SNAPSHOTS_FILE = "snapshots.safetensors"
CONFIGURATION_FILE = "config.json"
CARD_FILE = "README.md"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """A scored network, as its folder describes it."""

    score: Score
    winner: ClaimedWinner
    """From the claim that the score completed."""
    spec: StudySpec

    def write(self, folder: Path) -> None:
        """Write the model card, then the configuration file.

        Raises:
            SearchError: a file cannot be written.
        """
        write_whole(folder / CARD_FILE, self.render().encode())
        # Last, so that a folder with this file is complete.
        write_whole(folder / CONFIGURATION_FILE, (json.dumps(self.to_json(), indent=2) + "\n").encode())

    def to_json(self) -> dict[str, object]:
        """Return the content of the configuration file."""
        return {
            "objective": self.spec.objective,
            "dataset": self.spec.dataset,
            "finished": self.winner.finished,
            "versions": self.spec.versions,
            "configuration": self.winner.configuration,
            # As a status has it: the file does not depend on which command wrote it.
            "result": replace(self.score, first_time=None).to_json(),
            "space_digest": self.spec.space_digest,
        }

    def render(self) -> str:
        """Return the model card in Markdown: what the network is, how it was found, and its score."""
        score, spec = self.score, self.spec
        low, high = score.test_interval_95
        params = "\n".join(
            f"| {escape_markdown(name)} | {escape_markdown(str(value))} |" for name, value in score.params.items()
        )
        return f"""# {escape_markdown(score.study)}

The winner of the hyperparameter study {format_code(score.study)} (objective {format_code(spec.objective)}), trial
{score.trial}, retrained on {score.retrained_images} of {format_code(spec.dataset)}.

| | |
|---|---|
| test accuracy | {score.test_accuracy:.4f} on {score.test_examples} images, scored once |
{_weak_points(score)}{_metrics(score)}| 95% interval | {low:.4f} to {high:.4f} (Wilson) |
| validation accuracy in the search | {score.validation_accuracy:.4f}, {self._choice()} |
| validation less test accuracy | {score.selection_gap:+.4f} |
| look at this test set | number {score.look} in its storage |
| scored | {escape_markdown(score.scored_at)} |
| epochs | {score.epochs} |
| seed | {score.seed} |
| weights | `{WEIGHTS_FILE}`, SHA-256 {format_code(score.weights_sha256)} |

## Configuration

| parameter | value |
|---|---|
{params}
{_variants_section(score)}{_openings_section(score)}
## Limits

The test accuracy holds for images like those of the test set. The validation accuracy tends to be too high, because
the winner was selected by it among {self._trials}; the test accuracy played no part in the selection.

Trained with {", ".join(escape_markdown(f"{name} {number}") for name, number in spec.versions.items())}.
"""

    @property
    def _trials(self) -> str:
        finished = self.winner.finished
        return "the study's trials" if finished is None else count_noun(finished, "trial")

    def _choice(self) -> str:
        """Return how the winner was chosen; after a race, with a further row for the selection optimism."""
        confirmation = self.score.confirmation
        if confirmation is None:
            return f"the best of {self._trials}"
        optimism = confirmation.optimism
        low, high = optimism.interval_95
        return (
            f"among the best {len(confirmation.candidates)} of {self._trials}, chosen by {confirmation.seeds} further "
            f"seeds each |\n| selection optimism | {optimism.value:+.4f} (95% interval {low:+.4f} "
            f"to {high:+.4f}): the search's best value less this configuration's mean over fresh seeds"
        )


def lacks_model_card(folder: Path, score: Score) -> bool:
    """Return whether the folder has the scored weights but not their description, as after a kill in between."""
    weights = folder / WEIGHTS_FILE
    if not weights.is_file() or hashlib.sha256(weights.read_bytes()).hexdigest() != score.weights_sha256:
        return False
    try:
        look = json.loads((folder / CONFIGURATION_FILE).read_bytes())["result"]["look"]
    except (OSError, ValueError, LookupError, TypeError):
        return True
    return bool(look != score.look)


def check_folder(folder: Path) -> None:
    """Raise `SearchError` if nothing can be written to a folder, or it cannot be made."""
    place = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        why = os.strerror(errno.EACCES if place.is_dir() else errno.ENOTDIR)
        raise SearchError(f"{folder} cannot be written ({why}); name another folder with --out")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file completely or not at all.

    Raises:
        SearchError: it cannot be written.
    """
    with refuse_unwritable(path, "folder", flag="--out"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, data)


def _weak_points(score: Score) -> str:
    """Return the card's rows on test images that say little or are missing; empty if there are none."""
    rows = "" if score.void_reason is None else f"| voided since | {escape_markdown(score.void_reason)} |\n"
    if score.test_examples_in_training:
        rows += f"| test images that equal a training image | {score.test_examples_in_training} |\n"
    if missing := score.classes_without_examples:
        rows += f"| classes without test images | {', '.join(missing)} |\n"
    return rows


def _metrics(score: Score) -> str:
    """Return the card's row on metrics beside the accuracy; empty if the score has none."""
    if score.macro_f1 is None or score.calibration_error is None:
        return ""
    return (
        f"| macro F1, expected calibration error | {score.macro_f1:.4f}, {score.calibration_error:.4f} |\n"
        + _certainty(score)
    )


def _certainty(score: Score) -> str:
    """Return the card's rows on answering only where the network is certain; empty if the score has none."""
    rows = ""
    if score.mean_deviation is not None:
        rows += f"| mean standard deviation of the predicted probability | {score.mean_deviation:.4f} |\n"
    if score.abstention:
        rows += f"| accuracy of the most certain images only | {describe_abstention(score.abstention)} |\n"
    return rows


def _openings_section(score: Score) -> str:
    """Return the card's section on earlier scores; empty if there are none."""
    if len(score.openings) <= 1:
        return ""
    rows = "\n".join(f"- {escape_markdown(line)}" for line in format_openings(score.openings))
    return f"""
## Openings of the test set

The study claimed this test set {len(score.openings)} times; the accuracy above is that of the last score.

{rows}
"""


def _variants_section(score: Score) -> str:
    """Return the card's section on variants; empty if the network was scored without any."""
    if not score.variants:
        return ""
    lines = [EFFECT_HEADINGS, ("---",) * len(EFFECT_HEADINGS), *effect_rows(score.variant_effects)]
    rows = "\n".join(f"| {' | '.join(map(escape_markdown, line))} |" for line in lines)
    return f"""
## Variants

The test accuracy is that of the network with {", ".join(map(format_code, score.variants))} applied;
`{WEIGHTS_FILE}` has the weights before. The effects were measured beforehand, on validation images and the
network of the trial itself:

{rows}
"""
