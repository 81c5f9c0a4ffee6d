"""Files of a trial and of a study's final network, made when somebody opens them; none is stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from optuna.trial import FrozenTrial
from sqlalchemy import Engine

from search.dashboard.content.pictures import Panel, Series, draw_bars, draw_matrix, draw_panels
from search.evaluation.model_card import ModelCard
from search.evaluation.results.claimed import ClaimedWinner
from search.evaluation.results.score import Score
from search.evaluation.results.stored import read_score
from search.export.outputs.toml import write_toml
from search.report.document.files import format_report
from search.report.document.reading import read_facts
from search.report.plots.style import BLUE, ORANGE
from search.statistics.curves import find_best_epoch
from search.study.outline import find_void_reasons
from search.study.spec import StudySpec
from search.study.status import StudyView
from spaces import SpaceError
from storage.database import Database
from storage.history import confusions
from storage.optuna_adapter import get_trial_id
from storage.records import ledger, networks
from storage.records.epochs import read_curve

PREFIX = "artifacts:"
"""What the names of attributes begin with in which Optuna keeps what files there are."""
LARGEST_WEIGHTS = 32 * 2**20
"""In bytes; larger ones are taken from the folder that the final step wrote."""
PNG, BYTES = "image/png", "application/octet-stream"


@dataclass(frozen=True, kw_only=True)
class MadeFile:
    """A file as it is sent."""

    content: bytes
    content_type: str


@dataclass(frozen=True, kw_only=True)
class TrialFile:
    """A file of a trial."""

    name: str
    content_type: str
    make: Callable[[Engine, StudySpec, FrozenTrial], bytes | None]
    needs_matrix: bool = False
    """Whether only a trial with a confusion matrix has it."""


@dataclass(frozen=True, kw_only=True)
class Final:
    """A study's newest score, and what it was claimed for."""

    database: Database
    view: StudyView
    score: Score
    winner: ClaimedWinner


@dataclass(frozen=True, kw_only=True)
class FinalFile:
    """A file of a study that has a score."""

    name: str
    content_type: str
    make: Callable[[Final], bytes | None]
    is_there: Callable[[Final], bool] = lambda final: True


def _draw_curves(engine: Engine, spec: StudySpec, trial: FrozenTrial) -> bytes:
    """Draw accuracy and loss over the epochs that are stored."""
    rows = read_curve(engine, get_trial_id(trial)) or [
        {"epoch": epoch, "accuracy": value} for epoch, value in sorted(trial.intermediate_values.items())
    ]
    series = {name: [row.get(name) for row in rows] for name in ("accuracy", "train_accuracy", "loss", "train_loss")}
    panels = [
        Panel(
            title=title,
            series=[
                Series(name=label, values=values, colour=colour)
                for label, values, colour in (
                    ("validation", series[name], BLUE),
                    ("training", series[f"train_{name}"], ORANGE),
                )
                if any(value is not None for value in values)
            ],
        )
        for name, title in (("accuracy", f"trial {trial.number}: accuracy"), ("loss", "loss"))
    ]
    return draw_panels([panel for panel in panels if panel.series])


def _write_configuration(engine: Engine, spec: StudySpec, trial: FrozenTrial) -> bytes:
    """Write what the trial is trained with, what the space fixes included, as far as it is still known."""
    try:
        values: Mapping[str, object] = spec.read_space().replay(trial.params).to_json()
    except SpaceError:
        values = trial.params
    best = find_best_epoch(trial.intermediate_values)
    about = {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "objective": spec.objective,
        "seed": trial.user_attrs.get("seed"),
        "epochs": len(trial.intermediate_values),
        "validation_accuracy": None if best is None else trial.intermediate_values[best],
        "best_epoch": best,
    }
    comment = "A trial of a study; epochs are counted from 0. What has no value is left out."
    return write_toml({"trial": about, "configuration": values}, comment).encode()


def _draw_confusion(engine: Engine, spec: StudySpec, trial: FrozenTrial) -> bytes | None:
    found = confusions.find(engine, get_trial_id(trial))
    if found is None:
        return None
    title = f"trial {trial.number}, epoch {found.epoch + 1}: class (row), taken for (column)"
    return draw_matrix(title, found.classes, found.counts)


def _write_card(final: Final) -> bytes:
    return ModelCard(score=final.score, winner=final.winner, spec=final.view.spec).render().encode()


def _draw_classes(final: Final) -> bytes:
    accuracy = f"test accuracy by class ({final.score.test_accuracy:.3f} in all)"
    return draw_bars(accuracy, final.score.class_accuracy)


def _read_weights(final: Final) -> bytes | None:
    found = networks.find_for_study(final.database.engine, final.view.record.name)
    return None if found is None or found.sha256 != final.score.weights_sha256 else found.weights


def _has_weights(final: Final) -> bool:
    size = networks.measure(final.database.engine, final.score.weights_sha256)
    return size is not None and size <= LARGEST_WEIGHTS


def _write_report(final: Final) -> bytes:
    return format_report(read_facts(final.database, final.view), "html").encode()


TRIAL_FILES: tuple[TrialFile, ...] = (
    TrialFile(name="curves.png", content_type=PNG, make=_draw_curves),
    TrialFile(name="configuration.toml", content_type=BYTES, make=_write_configuration),
    TrialFile(name="confusion.png", content_type=PNG, make=_draw_confusion, needs_matrix=True),
)
"""What a trial with an epoch has; the place is part of a file's id."""

FINAL_FILES: tuple[FinalFile, ...] = (
    FinalFile(name="model-card.md", content_type=BYTES, make=_write_card),
    FinalFile(
        name="class-accuracy.png",
        content_type=PNG,
        make=_draw_classes,
        is_there=lambda final: bool(final.score.class_accuracy),
    ),
    FinalFile(name="model.safetensors", content_type=BYTES, make=_read_weights, is_there=_has_weights),
    FinalFile(name="report.html", content_type=BYTES, make=_write_report),
)
"""What a study has after its final step; the place is part of a file's id."""


def list_trial_artifacts(trial: FrozenTrial, *, has_matrix: bool) -> dict[str, str]:
    """Return the attributes that tell optuna-dashboard of a trial's files; its epochs are part of their ids."""
    epochs = len(trial.intermediate_values)
    there = [
        (place, file) for place, file in enumerate(TRIAL_FILES) if epochs and (has_matrix or not file.needs_matrix)
    ]
    return dict(_tell(place, epochs, file.name, file.content_type) for place, file in there)


def list_study_artifacts(database: Database, view: StudyView) -> dict[str, str]:
    """Return the attributes that tell optuna-dashboard of a study's files."""
    final = read_final(database, view)
    if final is None:
        return {}
    there = [(place, file) for place, file in enumerate(FINAL_FILES) if file.is_there(final)]
    return dict(_tell(place, final.score.look, file.name, file.content_type) for place, file in there)


def make_trial_file(engine: Engine, spec: StudySpec, trial: FrozenTrial, place: int) -> MadeFile | None:
    """Return a trial's file; None if it has none there."""
    if not trial.intermediate_values or place >= len(TRIAL_FILES):
        return None
    content = TRIAL_FILES[place].make(engine, spec, trial)
    return None if content is None else MadeFile(content=content, content_type=TRIAL_FILES[place].content_type)


def make_final_file(database: Database, view: StudyView, place: int) -> MadeFile | None:
    """Return a file of the network that the final step scored; None if there is none."""
    final = read_final(database, view)
    if final is None or place >= len(FINAL_FILES) or not FINAL_FILES[place].is_there(final):
        return None
    content = FINAL_FILES[place].make(final)
    return None if content is None else MadeFile(content=content, content_type=FINAL_FILES[place].content_type)


def read_final(database: Database, view: StudyView) -> Final | None:
    """Return a study's newest score with its claim; None if it has not been scored."""
    engine = database.engine
    score = read_score(engine, view.record.uuid, view.spec.dataset, find_void_reasons(view.trials()))
    if score is None:
        return None
    openings = ledger.list_openings(engine, view.record.uuid, view.spec.dataset)
    [claim] = [opening.claim for opening in openings if opening.look == score.look]
    winner = ClaimedWinner.from_json(claim.winner)
    return Final(database=database, view=view, score=score, winner=winner)


def _tell(place: int, version: int, name: str, content_type: str) -> tuple[str, str]:
    identity = f"{place:02x}-{version:x}"
    meta = {"artifact_id": identity, "filename": name, "mimetype": content_type, "encoding": None}
    return f"{PREFIX}{identity}", json.dumps(meta)
