"""Studies made by hand, as their storage would tell them: what reports are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from search.evaluation.results.confirmation import Confirmation
from search.evaluation.results.score import Score
from search.report.document.content.facts import StudyFacts
from search.report.plots.data import ReportedEpoch
from search.strategies.pruners.audit import summarize_audit
from search.strategies.repeated.configurations import rank_configurations
from search.study.outline import count_epochs, count_states, describe_best, list_diagnoses
from search.study.spec import StudySpec
from search.study.status_types import Budget, Status
from search.study.trials import read_faults
from spaces import Categorical, Float, Int, Space
from storage.history.confusions import Confusion
from tests.search.report.plots.made import MATRIX

SPACE = Space(
    learning_rate=Float(1e-4, 1e-1, log=True),
    width=Int(16, 256),
    depth=Int(1, 4),
    dropout=Float(0.0, 0.5),
    optimizer=Categorical("sgd", "adamw"),
)


def make_spec(space: Space = SPACE, **changed: Any) -> StudySpec:
    """Return the record of a study of 4 epochs."""
    return StudySpec.from_json(
        {
            "objective": "digits-depth",
            "objective_hash": "declared:" + "a" * 64,
            "overrides": [],
            "space": space.to_json(),
            "space_digest": space.digest,
            "dataset": "digits",
            "data_fingerprint": "b" * 64,
            "split_fingerprint": "c" * 64,
            "policy": "curves/1+rank/1",
            "versions": {"depthsearch": "0.1.0", "torch": "2.14.1"},
            "git_commit": None,
            "epochs": 4,
            "seed": 7,
            "sampler": "curves",
            "pruner": "rank",
            **changed,
        }
    )


def make_facts(
    *trials: FrozenTrial,
    name: str = "made",
    spec: StudySpec | None = None,
    reported: Mapping[int, Sequence[ReportedEpoch]] | None = None,
    final: Score | None = None,
    confirmation: Confirmation | None = None,
    confusion: Confusion | None = MATRIX,
) -> StudyFacts:
    """Return what is stored about a study with these trials."""
    spec, listed = spec or make_spec(), list(trials)
    best = next(iter(rank_configurations(listed)), None)
    return StudyFacts(
        uuid="11111111-2222-3333-4444-555555555555",
        spec=spec,
        trials=listed,
        reported=reported or {},
        confirmation=confirmation,
        trial=None if best is None else best.first.number,
        confusion=None if best is None else confusion,
        status=Status(
            study=name,
            objective=spec.objective,
            direction="maximize",
            states=count_states(listed),
            reasons=dict(Counter(trial.user_attrs["reason"] for trial in trials if "reason" in trial.user_attrs)),
            budget=Budget(trials=30, left=30 - len(trials), epochs=None),
            epochs_trained=count_epochs(listed),
            best=None if best is None else describe_best(best, best.first),
            workers=(),
            final=final,
            control="run",
            stop_reason=None,
            errors=(),
            pruning=summarize_audit(trials),
            policies=spec.policy_periods,
            faults=dict(Counter(fault.kind for trial in trials for fault in read_faults(trial))),
            diagnoses=list_diagnoses(listed, best),
        ),
    )


def make_score(**changed: Any) -> Score:
    """Return a score of trial 0."""
    return Score.from_json(
        {
            "study": "made",
            "trial": 0,
            "params": {"width": 20},
            "validation_accuracy": 0.9,
            "test_accuracy": 0.875,
            "test_interval_95": [0.85, 0.9],
            "test_examples": 360,
            "epochs": 4,
            "seed": 99,
            "weights_sha256": "d" * 64,
            "look": 1,
            "scored_at": "2026-01-02T03:04:05+00:00",
            **changed,
        }
    )
