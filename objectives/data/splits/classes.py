"""Studies of only some classes: which they are, and how their labels are numbered."""

from collections.abc import Sequence

import numpy as np

from objectives.data.files.decoded import Labels
from objectives.data.files.errors import ImpossibleClasses
from spaces.suggestions import find_close

# The label of an example whose class was not chosen; a loss function refuses it.
NOT_CHOSEN = -1


def choose_classes(dataset: str, known: Sequence[str], wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of `wanted` in their order, or all `known` names if it is None.

    dataset: the data set's name, for messages.

    Raises:
        ImpossibleClasses: a name is unknown (the message has close matches and all names) or given twice, or there
            are fewer than two.
    """
    if wanted is None:
        return tuple(known)
    for name in wanted:
        if name not in known:
            raise ImpossibleClasses(f"{dataset} has no class {name!r};{_hint(str(name), known)} {_join(known)}")
        if list(wanted).count(name) > 1:
            raise ImpossibleClasses(f"every class may be named once, but {name!r} is in {list(wanted)} twice")
    if len(wanted) < 2:
        raise ImpossibleClasses(f"there must be at least two classes, but got {list(wanted)}; {_join(known)}")
    return tuple(wanted)


def find_members(dataset: str, labels: Labels, known: Sequence[str], wanted: Sequence[str] | None) -> Labels:
    """Return which examples are of the classes that `choose_classes` returns: int64, ascending.

    Raises:
        ImpossibleClasses: as in `choose_classes`; or a wanted class has no example.
    """
    numbers = [known.index(name) for name in choose_classes(dataset, known, wanted)]
    for number in () if wanted is None else numbers:
        if number not in labels:
            raise ImpossibleClasses(f"{dataset} has no training example of class {known[number]!r}")
    return np.flatnonzero(np.isin(labels, numbers))


def renumber(labels: Labels, known: Sequence[str], chosen: Sequence[str]) -> Labels:
    """Return the labels with the classes of `chosen` numbered from 0 in this order, and NOT_CHOSEN for all others.

    labels: int64, numbers of `known`. chosen: what `choose_classes` returned.
    """
    numbers = np.full(len(known), NOT_CHOSEN, dtype=np.int64)
    for number, name in enumerate(chosen):
        numbers[known.index(name)] = number
    return numbers[labels]


def _hint(name: str, known: Sequence[str]) -> str:
    close = find_close(name, known)
    return f" did you mean {' or '.join(map(repr, close))}?" if close else ""


def _join(known: Sequence[str]) -> str:
    return f"its classes are {', '.join(known)}"
