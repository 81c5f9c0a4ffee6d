"""Every technique that a study may search over, grouped by registry; a new registry is one entry of CATALOGUE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from objectives.base.technique import Technique, name_of
from objectives.models.activations import ACTIVATIONS
from objectives.models.catalogue import MODELS
from objectives.models.initializers import BIASES, INITIALIZERS
from objectives.models.normalizations import NORMALIZATIONS
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.optimizers.clipping import CLIPPINGS
from objectives.regularizers.catalogue import REGULARIZERS
from objectives.reuse.catalogue import REUSES
from objectives.schedules.catalogue import SCHEDULES
from objectives.variants.catalogue import VARIANTS


@dataclass(frozen=True, kw_only=True)
class Group:
    """A registry, and how a configuration names its entries.

    field: the configuration's field that holds an entry's name; None if each entry is itself a field, which is
    switched on by any value except zero, False and None.
    searched: whether a study's space may contain it; variants are chosen at the final step instead.
    """

    title: str
    kind: str
    field: str | None
    entries: Mapping[str, Technique]
    searched: bool = True

    def field_of(self, name: str) -> str:
        """Return the configuration's field that says whether the entry called `name` is used."""
        return self.field or name

    def uses(self, value: object, name: str) -> bool:
        """Return whether the field's value means that the entry called `name` is used."""
        if self.field is None:
            return bool(value)
        return name_of(value) == name


CATALOGUE: tuple[Group, ...] = (
    Group(title="Networks", kind="model", field="model", entries=MODELS),
    Group(title="Initialization", kind="initializer", field="initializer", entries=INITIALIZERS),
    Group(title="Initial biases", kind="bias", field="biases", entries=BIASES),
    Group(title="Activations", kind="activation", field="activation", entries=ACTIVATIONS),
    Group(title="Normalization", kind="normalization", field="normalization", entries=NORMALIZATIONS),
    Group(title="Optimizers", kind="optimizer", field="optimizer", entries=OPTIMIZERS),
    Group(title="Learning-rate schedules", kind="schedule", field="schedule", entries=SCHEDULES),
    Group(title="Gradient clipping", kind="clipping", field="clipping", entries=CLIPPINGS),
    Group(title="Regularization and more", kind="regularizer", field=None, entries=REGULARIZERS),
    Group(title="Reuse", kind="reuse", field="reuse", entries=REUSES),
    Group(title="Variants of the final network", kind="variant", field="variant", entries=VARIANTS, searched=False),
)


def entries() -> Iterator[tuple[Group, str, Technique]]:
    """Yield every entry of every registry with its group and name."""
    for group in CATALOGUE:
        for name, entry in group.entries.items():
            yield group, name, entry


def entries_with_option(option: str) -> list[str]:
    """Return the entries that have an option of this name, each as `kind name`."""
    return [f"{group.kind} {name}" for group, name, entry in entries() if option in entry.space.domains]
