"""A newcomer adds an optimizer, a schedule, an activation and a data set: one edit in one file each.

The edits are made to a copy of the packages, and a fresh process trains with all four.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from objectives.data.files.layouts import IdxFiles
from tests.objectives.data import made

ROOT = Path(__file__).parent.parent.parent

OPTIMIZER = """
def _wobble(
    groups: Groups, *, learning_rate: float, factor: float = 1.0, weight_decay: float = 0.01
) -> Optimizer:
    from torch.optim import RAdam

    return RAdam(_add_weight_decay(groups, weight_decay), lr=learning_rate * factor, decoupled_weight_decay=True)


OPTIMIZERS: dict[str, OptimizerEntry] = {
    "wobble": OptimizerEntry(
        build=_wobble,
        space=Space(
            learning_rate=_ADAPTIVE,
            factor=Float(1.0, 2.0, at_least=0.0),
            weight_decay=Fixed(1e-6, domain=standard.weight_decay()),
        ),
        description="a made-up optimizer",
        decays_weights=True,
    ),
"""
SCHEDULE = """
def _line(t: float, total: float, *, down_to: float = 0.5) -> float:
    return 1 - (1 - down_to) * t / total


SCHEDULES: dict[str, ScheduleEntry] = {
    "line": ScheduleEntry(
        factor=_line, space=Space(down_to=Float(0.1, 0.9, at_least=0.0)), description="a made-up schedule"
    ),
"""
ACTIVATION = """
def _soft() -> Module:
    from torch.nn import Softplus

    return Softplus()


ACTIVATIONS: dict[str, ActivationEntry] = {
    "soft": ActivationEntry(build=_soft, description="a made-up activation"),
"""
DATASET = """
_ENTRIES = (
    Dataset(
        name="stripes",
        description="made-up stripes, upright and level",
        classes=("upright", "level"),
        training=(IdxFiles(folder="stripes", images="train-images", labels="train-labels"),),
        held_out=(IdxFiles(folder="stripes", images="test-images", labels="test-labels"),),
    ),
"""
# File, the line that the edit stands in place of, the edit.
EDITS = [
    ("objectives/optimizers/catalogue.py", "OPTIMIZERS: dict[str, OptimizerEntry] = {\n", OPTIMIZER),
    ("objectives/schedules/catalogue.py", "SCHEDULES: dict[str, ScheduleEntry] = {\n", SCHEDULE),
    ("objectives/models/activations.py", "ACTIVATIONS: dict[str, ActivationEntry] = {\n", ACTIVATION),
    ("objectives/data/catalogue.py", "_ENTRIES = (\n", DATASET),
]

TRAINING = """
import sys
from dataclasses import replace
from pathlib import Path

import torch

from objectives.core.catalogue import entries
from objectives.core.objective import Objective
from objectives.base.errors import ObjectiveError
from objectives.base.registry import choose
from objectives.data.cache import prepare
from objectives.data.batches.examples import load
from objectives.data.splits.split import split_examples
from objectives.models.activations import ACTIVATIONS
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.regularizers.catalogue import REGULARIZERS
from objectives.schedules.catalogue import SCHEDULES
from objectives.core.run import train
from spaces import Fixed, Int, Space

torch.set_num_threads(1)
objective = Objective(
    data="stripes",
    model="mlp",
    space=Space(
        depth=Int(1, 2),
        width=Fixed(8),
        activation=choose(ACTIVATIONS, "soft", "relu"),
        optimizer=choose(OPTIMIZERS, "wobble", "sgd", learning_rate=Fixed(0.05)),
        schedule=choose(SCHEDULES, "line", "constant"),
        batch_size=Fixed(10),
    ),
)
config = objective.space.replay(
    {
        "depth": 1,
        "activation": "soft",
        "optimizer": "wobble",
        "wobble.factor": 1.5,
        "schedule": "line",
        "line.down_to": 0.25,
    }
)
prepared = prepare(objective.data, Path(sys.argv[1]), Path(sys.argv[2]))
data = load(prepared, split_examples(prepared.labels(), 0.25, 0), "cpu")
model = train(objective, config, data, lambda epoch, metrics: print(epoch, metrics), epochs=4, seed=0)
assert type(model.stages[0][1]).__name__ == "Softplus"
assert {"wobble", "line", "soft"} <= {name for _, name, _ in entries()}

# What shrinks weights apart from the loss may be asked to: `weight_decay` beside it is an option that it reads.
decay = Fixed(0.01, domain=REGULARIZERS["weight_decay"].space.domains["weight_decay"])
for names in (["wobble"], ["adam"], ["wobble", "adam"]):
    space = objective.space.replace(optimizer=choose(OPTIMIZERS, *names), weight_decay=decay)
    try:
        replace(objective, space=space)
        print("allowed", *names)
    except ObjectiveError as error:
        print(error)
"""


def _stripes(each: int) -> made.Part:
    """Upright and level stripes with some noise."""
    noise = np.random.default_rng(0).integers(0, 60, (2 * each, 8, 8, 1), dtype=np.uint8)
    level = np.zeros((8, 8, 1), dtype=np.uint8)
    level[::2] = 180
    pictures = np.stack([level.transpose(1, 0, 2)] * each + [level] * each)
    return made.Part(images=pictures + noise, labels=np.repeat([0, 1], each))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The two packages that a newcomer edits, each edit one contiguous piece of one file."""
    for package in ("spaces", "objectives"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, line, edit in EDITS:
        path = tmp_path / name
        text = path.read_text()
        assert text.count(line) == 1
        assert edit.count(line) == 1
        path.write_text(text.replace(line, edit.lstrip("\n")))
    return tmp_path


def test_four_edits_train_together(copy: Path) -> None:
    layout = IdxFiles(folder="stripes", images="train-images", labels="train-labels")
    made.write(layout, copy / "data", _stripes(40), ("upright", "level"))
    script = copy / "training.py"
    script.write_text(TRAINING)
    result = subprocess.run(
        [sys.executable, script, copy / "data", copy / "cache"],
        cwd=copy,
        env={"PYTHONPATH": str(copy), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == 7
    assert "'accuracy': 1.0" in lines[3]
    assert "'learning_rate': 0.05" in lines[0]
    assert "'learning_rate': 0.021875" in lines[3]
    assert lines[4] == "allowed wobble"
    for line in lines[5:]:
        assert "'weight_decay' needs optimizer wobble or sgd or momentum or nesterov or adamw or muon" in line
