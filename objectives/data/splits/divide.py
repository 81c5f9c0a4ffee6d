"""The split of a study: by its folder of validation images, by groups, or image by image."""

from collections.abc import Sequence
from dataclasses import replace

from objectives.data.files.prepared import Prepared
from objectives.data.splits.classes import find_members
from objectives.data.splits.groups import split_groups
from objectives.data.splits.split import Indices, Split, draw_subset, split_examples, split_off_last


def split_data(
    prepared: Prepared,
    validation_fraction: float | None,
    seed: int,
    train_examples: int | None,
    classes: Sequence[str] | None = None,
) -> Split:
    """Split the examples of a study into train and validation.

    Args:
        validation_fraction: the part of every class that is for validation; not needed if the data set has a folder
            of validation images.
        train_examples: size of the stratified part of the training side that is trained on, while the whole of it
            stays the split's pool; None for all.
        classes: only their examples are used; None for all.

    Raises:
        DataError: the classes are not the data set's, have too few examples or groups, or cannot be divided.
    """
    labels = prepared.labels()
    # Labels are the data set's own numbers, so the order in which classes are named does not change the split.
    parts = _divide(prepared, validation_fraction, seed, find_members(prepared.name, labels, prepared.classes, classes))
    if train_examples is None:
        return parts
    return replace(parts, train=draw_subset(labels, parts.train, train_examples, seed))


def _divide(prepared: Prepared, validation_fraction: float | None, seed: int, indices: Indices) -> Split:
    if prepared.validation_examples:
        return split_off_last(prepared.examples - prepared.validation_examples, indices)
    assert validation_fraction is not None, "without val/, a fraction is split off"
    groups = prepared.groups()
    if groups is None:
        return split_examples(prepared.labels(), validation_fraction, seed, indices)
    return split_groups(prepared.labels(), groups, validation_fraction, seed, indices, classes=prepared.classes)
