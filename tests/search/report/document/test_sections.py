"""Pruning, cost, trials of note, faults and the way to repeat a study, against values worked out by hand."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from optuna.trial import FrozenTrial, TrialState

from objectives.diagnosis.faults import Fault
from search.report.document.content.classes import summarize_confusion
from search.report.document.content.cost import measure_cost
from search.report.document.content.diagnosis import summarize_faults
from search.report.document.content.notable import find_notable
from search.report.document.content.pruning import measure_pruning
from search.report.document.content.repetition import describe_repetition
from search.report.document.content.study_report import build_report
from search.report.document.wording.blocks import Text
from search.report.document.wording.classes import describe_classes
from search.report.document.wording.spending import describe_audit, describe_cost, describe_savings
from storage.history.confusions import Confusion
from tests.search.report.document.made import make_facts, make_score, make_spec
from tests.search.report.plots.made import make_trial, report


def stopped(number: int, curve: tuple[float, ...], reason: str = "pruner", **attributes: object) -> FrozenTrial:
    """Return a trial that ended early."""
    trial = make_trial(number, curve, TrialState.PRUNED)
    trial.user_attrs = {"reason": reason, **attributes}
    return trial


def test_pruning_spared_what_stopped_trials_had_left() -> None:
    facts = make_facts(
        make_trial(0, (0.5, 0.6, 0.7, 0.8)),
        stopped(1, (0.5,)),
        stopped(2, (0.5, 0.5)),
        make_trial(3, (0.4, 0.6, 0.8, 0.9), audited=1),  # stopping it would have been wrong
        make_trial(4, (0.4, 0.5, 0.6, 0.7), audited=2),
        stopped(5, (0.1,), "diverged"),
    )
    pruning = measure_pruning(facts)
    assert (pruning.trained, pruning.stopped, pruning.stopped_epochs, pruning.spared) == (16, 2, 3, 5)
    assert (pruning.full_trainings, pruning.spared_share) == (4.0, pytest.approx(5 / 21))
    assert (pruning.audit.audited, pruning.audit.better, pruning.audit.epochs) == (2, 1, 5)
    assert "without stopping they would have taken up to 21: 24% were spared" in describe_savings(pruning)
    text = describe_audit(pruning)
    assert "2 trials that it would have stopped ran on to the end, for 5 epochs more: 1 of them beat" in text
    assert "by up to 0.1000" in text


def test_cost_is_the_sum_of_the_stored_times() -> None:
    trials = [make_trial(0, (0.5, 0.6)), make_trial(1, (0.5, 0.9)), stopped(2, (0.5,))]
    trials[0].user_attrs = {"hardware": "A"}
    trials[1].user_attrs = {"hardware": "B"}
    reported = {0: report(900.0, 900.0), 1: report(1800.0, 3600.0, after=1800.0)}
    cost = measure_cost(make_facts(*trials, reported=reported))
    assert dict(cost.device_hours) == {"B": 1.5, "A": 0.5}
    assert list(cost.device_hours) == ["B", "A"]
    assert (cost.hours, cost.wall_hours, cost.epochs, cost.timed_epochs, cost.best_after) == (2.0, 2.0, 5, 4, 4)


def test_cost_of_a_study_that_stored_no_time_says_none() -> None:
    cost = measure_cost(make_facts(make_trial(0, (0.5,))))
    assert (cost.device_hours, cost.wall_hours, cost.timed_epochs) == ({}, None, 0)


def test_energy_is_that_of_the_trials_and_of_the_final_step() -> None:
    trials = [make_trial(0, (0.5, 0.6)), stopped(1, (0.5,), energy_wh=700.0), make_trial(2, (0.5,))]
    epochs = report(9.0, 9.0)
    measured = [replace(epochs[0], energy_wh=200.0), replace(epochs[1], energy_wh=300.0)]
    reported = {0: measured, 1: [replace(epochs[0], energy_wh=650.0)], 2: epochs[:1]}
    facts = make_facts(*trials, reported=reported, final=make_score(energy_wh=40.0))
    cost = measure_cost(facts)
    assert (cost.energy_kwh, cost.final_energy_kwh, cost.unmeasured_epochs) == (1.2, 0.04, 1)
    said = str(describe_cost(build_report(facts, lambda _: True)))
    assert "('energy of the trials' GPUs', '1.20 kWh (400.0 Wh an epoch)')" in said.replace('"', "'")
    assert "40.0 Wh" in said
    assert "1 epoch trained on devices that do not tell theirs." in said


def test_without_a_counter_nothing_is_said_of_energy() -> None:
    facts = make_facts(make_trial(0, (0.5, 0.6)), reported={0: report(9.0, 9.0)}, final=make_score())
    assert "nergy" not in str(describe_cost(build_report(facts, lambda _: True)))


def test_trials_of_note_have_reasons() -> None:
    bloomer = make_trial(0, (0.1, 0.2, 0.5, 0.95))
    others = [make_trial(number, (0.5 + number / 100, 0.6, 0.7, 0.8 + number / 1000)) for number in range(1, 10)]
    failed = [make_trial(number, (0.1,), TrialState.FAIL) for number in range(10, 15)]
    failed[-1].user_attrs = {"error": "ValueError: no"}
    memory = stopped(15, (), "out of memory", error="too large", peak_bytes=3 * 2**30)
    reported = {1: report(1.0, 1.0, tokens=(1, 2)), 2: report(1.0, 1.0, 1.0, tokens=(1, 2, 3)), 3: report(9.0)}
    found = find_notable(
        make_facts(bloomer, *others, *failed, memory, stopped(16, (0.1,), "diverged"), reported=reported)
    )
    assert [(each.kind, each.trial) for each in found] == [
        ("best", 0),
        ("diverged", 16),
        ("out of memory", 15),
        ("failed", 12),
        ("failed", 13),
        ("failed", 14),
        ("longest", 3),
        ("resumed most", 2),
        ("late bloomer", 0),
    ]
    by_kind = {each.kind: each for each in found}
    assert by_kind["out of memory"].detail == "too large (peak 3.0 GiB)"
    assert (by_kind["failed"].detail, by_kind["failed"].more) == ("ValueError: no", 2)
    assert (by_kind["resumed most"].detail, by_kind["resumed most"].more) == ("interrupted and resumed 2 times", 1)
    assert by_kind["late bloomer"].detail == "place 10 of 10 after 1 epochs (0.1000), place 1 at the end (0.9500)"


def test_faults_are_counted_by_kind() -> None:
    fault = Fault(kind="dead", epoch=0, layer="0", text="dead units")
    trials = [stopped(number, (0.1,), diagnosis=[asdict(fault)]) for number in range(2)]
    [found] = summarize_faults(make_facts(*trials, make_trial(2, (0.5,))))
    assert (found.kind, found.trials, found.example, found.text, found.is_best) == ("dead", 2, 1, "dead units", False)


def test_classes_that_are_confused_are_named_with_their_numbers() -> None:
    counts = ((341, 0, 71), (0, 100, 1), (20, 71, 409))
    matrix = Confusion(epoch=6, classes=("shirt", "bag", "T-shirt"), counts=counts)
    found = summarize_confusion(make_facts(make_trial(0, (0.5, 0.6)), make_trial(1, (0.7,)), confusion=matrix))
    assert found is not None
    assert (found.trial, found.epoch, found.images, found.wrong) == (1, 6, 1013, 163)
    named = [(each.name, each.taken_for, each.count, each.images) for each in found.mistakes]
    assert named[:2] == [("shirt", "T-shirt", 71, 412), ("T-shirt", "bag", 71, 500)]
    assert named[2:] == [("T-shirt", "shirt", 20, 500), ("bag", "T-shirt", 1, 101)]
    first, *sentences = [block.text for block in describe_classes(found).blocks if isinstance(block, Text)]
    assert first == "Trial 1 took 163 of 1013 validation images for another class, in epoch 7, that of its value."
    assert sentences[0] == "Of 412 images of class shirt, 71 were taken for T-shirt (17%)."
    assert sentences[3] == "Of 101 images of class bag, 1 was taken for T-shirt (1.0%)."
    assert summarize_confusion(make_facts(make_trial(0, (0.5,)), confusion=None)) is None
    assert summarize_confusion(make_facts()) is None


def test_a_repetition_names_command_seeds_and_digests() -> None:
    best = make_trial(0, (0.9,))
    best.user_attrs = {"seed": 123, "hardware": "A", "threads": 1}
    spec = make_spec(overrides=["width=16:64"], objective="mine", objective_files={"mine.py": "e" * 64})
    final = make_score(retraining={"full": True, "all_images": False}, variants=["fold_batch_norm"])
    made = describe_repetition(make_facts(best, spec=spec, final=final))
    assert made.commands == (
        "search run --study made --objective path/to/mine.py --trials 30 --epochs 4 --seed 7 --sampler curves "
        "--pruner rank --repeats 1 --audit 0.0 --set width=16:64 --experience none",
        "search final --study made --epochs full --variant fold_batch_norm",
    )
    assert made.seeds == {"study": 7, "trial 0": 123, "retraining of trial 0": 99}
    assert made.hardware == {"hardware": "A", "threads": "1"}
    assert made.digests["space"] == spec.space_digest
    assert {"data", "split", "file mine.py", "scored weights"} <= made.digests.keys()


def test_budget_correlation_is_spearmans_of_each_epoch_with_the_final_value() -> None:
    """Ranks after one epoch are 1 2 3 5 4, and 1 2 3 4 5 at the end: 1 - 6 x 2 / (5 x 24) = 0.9."""
    curves = [(0.10, 0.5), (0.11, 0.6), (0.12, 0.7), (0.14, 0.8), (0.13, 0.9)]
    facts = make_facts(*(make_trial(number, curve) for number, curve in enumerate(curves)))
    assert build_report(facts, lambda text: True).budget_correlation == (pytest.approx(0.9), pytest.approx(1.0))
    assert build_report(make_facts(*facts.trials[:4]), lambda text: True).budget_correlation == ()
