"""What people look for trials by, as it is stored with a trial's end."""

from __future__ import annotations

import socket

import torch
from torch import nn

from search.workers.attributes.trial_measures import TrialMeasures
from storage.history.confusions import Confusion


def test_every_measure_that_can_be_told_is_told() -> None:
    measures = TrialMeasures(torch.device("cpu"), "cuda:3", ["GPU-3f"])
    place = {"host": socket.gethostname(), "device": "cuda:3", "gpu": "GPU-3f"}
    assert measures.collect({}, {}) == place
    measures.note_parameters(7)
    trained = {1: {"accuracy": 0.7, "seconds": 1.0}, 2: {"accuracy": 0.6, "seconds": 2.00004}, 3: {"accuracy": 0.5}}
    told = {**place, "epoch_seconds": 1.5, "parameters": 7, "best_epoch": 1}
    assert measures.collect({0: 0.5, 1: 0.7, 2: 0.6, 3: 0.5}, trained) == told
    measures.note_network(nn.Sequential(nn.Linear(2, 3), nn.LazyLinear(1)))
    assert measures.collect({}, {})["parameters"] == 9, "parameters that were never made do not count"


def test_the_matrix_is_that_of_the_epoch_that_the_value_is_of() -> None:
    measures = TrialMeasures(torch.device("cpu"), "cpu", classes=("a", "b"))
    values = {0: 0.5, 1: 0.75, 2: 0.75}
    assert measures.find_confusion(values) is None
    measures.note_confusion(0, [[2, 0], [2, 0]])
    assert measures.find_confusion(values) is None, "another process trained the best epoch, and its matrix is lost"
    measures.note_confusion(1, [[2, 0], [2, 0]])
    assert measures.find_confusion(values) is None, "on another kind of machine, with another outcome"
    measures.note_confusion(1, [[2, 0], [1, 1]])
    assert measures.find_confusion(values) == Confusion(epoch=1, classes=("a", "b"), counts=((2, 0), (1, 1)))
    measures.note_confusion(1, [[0, 0], [0, 0]])
    assert measures.find_confusion(values) is None, "a network of other outputs than the classes is not counted"


def test_the_energy_of_all_holders_is_told() -> None:
    measures = TrialMeasures(torch.device("cpu"), "cuda:0")
    stored = {0: {"accuracy": 0.5, "energy_wh": 2.0}, 1: {"accuracy": 0.6}, 2: {"accuracy": 0.7, "energy_wh": 0.25}}
    trained = {1: {"accuracy": 0.6, "energy_wh": 9.0}, 2: {"accuracy": 0.7, "energy_wh": 0.25}}
    told = measures.collect({0: 0.5, 1: 0.6, 2: 0.7}, trained, stored, 0.125)
    assert told["energy_wh"] == 2.375, "an epoch that another holder stored counts as that one stored it"
    assert measures.collect({2: 0.7}, {2: trained[2]})["energy_wh"] == 0.25


def test_what_an_objective_measures_itself_is_believed() -> None:
    measures = TrialMeasures(torch.device("cpu"), "cpu")
    reported = {"accuracy": 0.5, "energy_wh": 3.0, "loss": float("inf")}
    assert measures.complete_epoch(reported, is_new=True) == {"accuracy": 0.5, "energy_wh": 3.0}


def test_a_cpu_has_no_uuid() -> None:
    assert TrialMeasures(torch.device("cpu"), "cpu").collect({}, {}).keys() == {"host", "device"}
