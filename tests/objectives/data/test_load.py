"""What is loaded of a split: which examples, normalized by which, with or without labels, where."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from objectives.data.batches.examples import load
from objectives.data.cache import prepare
from objectives.data.files.errors import ImpossibleClasses, ImpossibleSplit
from objectives.data.files.prepared import Prepared
from objectives.data.splits.split import Split, split_examples
from tests.objectives.data import made
from tests.objectives.data.made import EVERYTHING, normalized


def few(parts: Split, labelled: int) -> Split:
    """Return the split with this many labels, equally many of each class; the others are in the pool only."""
    step = len(parts.train) // labelled
    return replace(parts, train=parts.train[::step][:labelled])


def test_on_the_cpu_the_mapped_file_is_shared(prepared: Prepared, parts: Split) -> None:
    data = load(prepared, parts, "cpu")
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("this system does not list a process's maps")
    lines = [line for line in maps.read_text().splitlines() if str(prepared.folder / "images.npy") in line]
    assert lines
    assert len(data.train) + len(data.validation) == prepared.examples


def test_merging_trains_on_both_parts_and_leaves_validation(prepared: Prepared, parts: Split) -> None:
    merged = load(prepared, parts, "cpu", merge_validation=True)
    everything = np.arange(40)
    assert merged.train.indices.tolist() == everything.tolist()
    assert merged.validation.indices.tolist() == parts.validation.tolist()
    x_BCHW, _ = next(merged.train.batches(40, order_seed=None))
    np.testing.assert_allclose(x_BCHW, normalized(prepared, everything, everything), atol=2e-6)
    x_BCHW, _ = next(merged.validation.batches(40, order_seed=None))
    np.testing.assert_allclose(x_BCHW, normalized(prepared, parts.validation, everything), atol=2e-6)
    alone = load(prepared, parts, "cpu")
    assert merged.train.mean == merged.validation.mean == merged.unlabelled.mean != alone.train.mean
    assert merged.merged
    assert not alone.merged


def test_a_split_of_some_examples_shows_only_those(prepared: Prepared) -> None:
    some = split_examples(prepared.labels(), 0.5, 0, np.arange(15, 25))
    data = load(prepared, some, "cpu")
    assert (len(data.train), len(data.validation)) == (5, 5)
    assert set(data.train.indices.tolist()) | set(data.validation.indices.tolist()) == set(range(15, 25))


def test_unlabelled_images_are_those_of_the_pool(prepared: Prepared, parts: Split, device: str) -> None:
    some = few(parts, 6)
    data = load(prepared, some, device)
    assert len(data.train) == 6
    assert data.unlabelled.indices.tolist() == parts.train.tolist()
    batches = list(data.unlabelled.images(8, order_seed=None))
    np.testing.assert_allclose(torch.cat(batches).cpu(), normalized(prepared, parts.train, some.train), atol=2e-6)
    assert {x.device.type for x in batches} == {device}
    assert data.unlabelled.device.type == device


def test_unlabelled_images_without_a_cut_are_those_trained_on(prepared: Prepared, parts: Split) -> None:
    data = load(prepared, parts, "cpu")
    ours, theirs = (images.images(8, order_seed=4) for images in (data.unlabelled, data.train))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_no_validation_image_is_among_the_unlabelled_unless_it_is_trained_on(prepared: Prepared, parts: Split) -> None:
    for split_ in (parts, few(parts, 6)):
        seen = load(prepared, split_, "cpu").unlabelled.indices.tolist()
        assert not set(seen) & set(parts.validation.tolist())
        merged = load(prepared, split_, "cpu", merge_validation=True)
        assert merged.unlabelled.indices.tolist() == list(range(40))
        assert len(merged.train) == len(split_.train) + len(parts.validation)


def test_unlabelled_images_have_no_labels(prepared: Prepared, parts: Split) -> None:
    for split_ in (parts, few(parts, 6)):
        unlabelled = load(prepared, split_, "cpu").unlabelled
        assert not hasattr(unlabelled, "labels")
        assert not hasattr(unlabelled, "batches")
        with pytest.raises(ValueError, match="too many values to unpack"):
            for _, _ in unlabelled.images(8, order_seed=None):
                pass


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_every_device_has_the_same_batches(prepared: Prepared, parts: Split) -> None:
    for split_ in (parts, few(parts, 6)):
        cpu, gpu = load(prepared, split_, "cpu"), load(prepared, split_, "cuda")
        for ours, theirs in ((cpu.train, gpu.train), (cpu.unlabelled, gpu.unlabelled)):
            pairs = zip(
                ours.images(8, order_seed=1, augment=EVERYTHING),
                theirs.images(8, order_seed=1, augment=EVERYTHING),
                strict=True,
            )
            assert all(torch.allclose(a, b.cpu(), atol=1e-6) for a, b in pairs)


def test_batches_come_out_on_their_device_wherever_the_images_lie(prepared: Prepared, parts: Split) -> None:
    """On torch's device without memory, which every machine has and which mixes with no other."""
    data = load(prepared, few(parts, 6), "meta")
    unlabelled = list(data.unlabelled.images(8, order_seed=1, augment=EVERYTHING))
    labelled = list(itertools.chain.from_iterable(data.train.batches(4, order_seed=1, augment=EVERYTHING)))
    assert {x.device.type for x in (*unlabelled, *labelled)} == {"meta"}
    assert data.train.indices.device.type == "meta"
    # Only what is trained on and validated is moved as a whole.
    assert data.unlabelled.indices.device.type == "cpu"
    whole = load(prepared, parts, "meta")
    assert whole.unlabelled.indices is whole.train.indices


@pytest.fixture
def four(data_dir: Path, cache_dir: Path) -> Prepared:
    """Forty examples of four classes, in order: ten of a, of b, of c, of d."""
    made.write_folders(data_dir / "four" / "train", made.part(4, 10, (6, 6, 1)), ["a", "b", "c", "d"])
    return prepare("four", data_dir, cache_dir)


def test_chosen_classes_are_numbered_in_the_order_given(four: Prepared, device: str) -> None:
    members = np.flatnonzero(np.isin(four.labels(), [1, 3]))
    parts = split_examples(four.labels(), 0.3, 0, members)
    data = load(four, parts, device, classes=("d", "b"))
    assert data.classes == ("d", "b")
    for examples, chosen, each in ((data.train, parts.train, 7), (data.validation, parts.validation, 3)):
        assert examples.labels.tolist() == [0 if k >= 30 else 1 for k in chosen]
        assert torch.bincount(examples.labels).tolist() == [each, each]
        (x_BCHW, y_B), *rest = examples.batches(20, order_seed=None)
        assert rest == []
        np.testing.assert_allclose(x_BCHW.cpu(), normalized(four, chosen, parts.train), atol=2e-6)
        assert y_B.tolist() == examples.labels.tolist()


def test_a_split_of_other_classes_is_refused(four: Prepared) -> None:
    with pytest.raises(ImpossibleSplit, match="examples of other classes than d, b; split only these"):
        load(four, split_examples(four.labels(), 0.3, 0), "cpu", classes=("d", "b"))
    other_pool = Split(train=np.array([10, 30]), validation=np.array([11, 31]), pool=np.array([0, 10, 30]))
    with pytest.raises(ImpossibleSplit, match="examples of other classes than d, b; split only these"):
        load(four, other_pool, "cpu", classes=("d", "b"))
    with pytest.raises(ImpossibleClasses, match="four has no class 'e'"):
        load(four, split_examples(four.labels(), 0.3, 0), "cpu", classes=("a", "e"))
