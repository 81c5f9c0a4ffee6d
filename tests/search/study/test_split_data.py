"""The split of a study: of some classes only, and with few labels."""

import os
from pathlib import Path

import numpy as np
import pytest

from objectives.data.batches.examples import load
from objectives.data.cache import prepare
from objectives.data.files.errors import ImpossibleClasses, ImpossibleSplit
from objectives.data.files.prepared import Prepared
from objectives.data.heldout import open_heldout
from objectives.data.splits.divide import split_data
from objectives.data.splits.split import split_examples
from search.settings import load as settings
from search.study.plan import StudyRequest, resolve_new

FEW_LABELS = """
from objectives.core.objective import Objective
from spaces import Float, Space


def train(config, data, report):
    raise NotImplementedError


OBJECTIVE = Objective(
    data="digits", classes=("7", "2"), train_examples=20, train=train, space=Space(rate=Float(0.1, 1.0))
)
"""


@pytest.fixture
def digits(tmp_path: Path) -> Prepared:
    """The training part of scikit-learn's digits."""
    return prepare("digits", tmp_path / "sets", tmp_path / "cache")


def test_all_classes_and_all_labels_are_the_split_of_the_labels(digits: Prepared) -> None:
    parts, whole = split_data(digits, 0.2, 5, None), split_examples(digits.labels(), 0.2, 5)
    assert parts.fingerprint == whole.fingerprint
    assert parts.pool.tolist() == parts.train.tolist()


def test_only_the_chosen_classes_are_divided(digits: Prepared) -> None:
    labels = digits.labels()
    parts = split_data(digits, 0.2, 5, None, ("7", "2"))
    everything = np.sort(np.concatenate([parts.train, parts.validation]))
    assert everything.tolist() == [k for k, label in enumerate(labels) if label in (2, 7)]
    assert abs(len(parts.validation) - len(everything) * 0.2) <= 1
    assert split_data(digits, 0.2, 5, None, ("2", "7")).fingerprint == parts.fingerprint


def test_ten_labels_each_leave_the_others_in_the_pool(digits: Prepared) -> None:
    labels = digits.labels()
    whole, few = (split_data(digits, 0.2, 5, labelled, ("2", "7")) for labelled in (None, 20))
    assert np.bincount(labels[few.train])[[2, 7]].tolist() == [10, 10]
    assert few.pool.tolist() == whole.train.tolist()
    assert few.validation.tolist() == whole.validation.tolist()
    assert few.fingerprint != whole.fingerprint
    data = load(digits, few, "cpu", classes=("7", "2"))
    assert (len(data.train), len(data.unlabelled)) == (20, len(whole.train))
    assert sorted(data.train.labels.tolist()) == [0] * 10 + [1] * 10


@pytest.mark.parametrize(("asked", "labelled"), [(None, 20), (30, 30)])
def test_a_study_has_the_objectives_classes_and_its_number_of_labels_unless_another_is_asked_for(
    tmp_path: Path, asked: int | None, labelled: int
) -> None:
    file = tmp_path / "few_labels.py"
    file.write_text(FEW_LABELS)
    plan = resolve_new(StudyRequest(study="few", objective=str(file), train_examples=asked), settings())
    assert plan.spec.train_examples == len(plan.split.train) == labelled
    assert set(plan.prepared.labels()[plan.split.pool]) == {2, 7}
    assert plan.split.fingerprint == plan.spec.split_fingerprint
    assert plan.split.fingerprint == split_data(plan.prepared, 0.1, 0, labelled, ("2", "7")).fingerprint


def test_what_cannot_be_divided_is_refused(digits: Prepared) -> None:
    with pytest.raises(ImpossibleClasses, match="digits has no class 'seven'; its classes are 0, 1"):
        split_data(digits, 0.2, 5, None, ("2", "seven"))
    with pytest.raises(ImpossibleSplit, match=r"2 <= examples <= \d+ must hold .* but got examples=1"):
        split_data(digits, 0.2, 5, 1, ("2", "7"))


def test_t_shirts_and_pullovers_of_the_real_data(tmp_path: Path) -> None:
    folder = os.environ.get("SEARCH_TEST_DATA")
    if not folder:
        pytest.skip("SEARCH_TEST_DATA names no folder with real data sets")
    pair = ("T-shirt/top", "Pullover")
    prepared = prepare("fashion-mnist", Path(folder), tmp_path)
    parts = split_data(prepared, 0.1, 0, 20, pair)
    data = load(prepared, parts, "cpu", classes=pair)
    assert (len(data.train), len(data.validation), len(data.unlabelled)) == (20, 1200, 10_800)
    for examples, each in ((data.train, 10), (data.validation, 600)):
        assert [int((examples.labels == k).sum()) for k in (0, 1)] == [each, each]
        raw = prepared.labels()[examples.indices.numpy()]
        assert (examples.labels.numpy() == (raw == prepared.classes.index("Pullover"))).all()
    held_out = open_heldout("fashion-mnist", Path(folder), tmp_path, classes=pair)
    assert np.bincount(held_out.labels).tolist() == [1000, 1000]
    whole = open_heldout("fashion-mnist", Path(folder), tmp_path)
    of_pair = np.isin(whole.labels, [0, 2])
    assert (held_out.images == whole.images[of_pair]).all()
    assert (held_out.labels == whole.labels[of_pair] // 2).all()
