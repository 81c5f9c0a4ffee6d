"""The data sets: which there are, which are on this machine, and getting one ready."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from objectives.data.cache import prepare
from objectives.data.catalogue import DATASETS, find_dataset, find_own_names
from objectives.data.files.decoded import Progress as Decoding
from objectives.data.files.layouts import locate
from objectives.data.notes import describe_oddities
from objectives.data.sources.remotes import Bundled
from search.settings import Settings


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set that a study may train on."""

    name: str
    here: bool
    """Whether its training part is on this machine."""
    what: str


@dataclass(frozen=True, kw_only=True)
class DataFolder:
    """The data folder of this machine."""

    folder: str
    sets: tuple[DataSet, ...]
    """Every data set that can be used, in the folder or not."""

    def to_json(self) -> dict[str, object]:
        """Return the document that `search data --json` prints."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class PreparedDataSet:
    """The training part of a data set, decoded and ready."""

    name: str
    examples: int
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    """Channels, height, width."""
    fingerprint: str
    """SHA-256 of its content."""
    folder: str
    notes: tuple[str, ...]
    """Sentences about files that are not used, and about images that are all the same."""

    def to_json(self) -> dict[str, object]:
        """Return the document that `search data NAME --json` prints."""
        return asdict(self)


def list_datasets(settings: Settings) -> DataFolder:
    """Return every data set that a study can name, without opening any file of it."""
    names = [*DATASETS, *find_own_names(settings.data)]
    return DataFolder(folder=str(settings.data), sets=tuple(describe(name, settings) for name in names))


def prepare_dataset(name: str, settings: Settings, decoding: Decoding | None = None) -> PreparedDataSet:
    """Find or download a data set's training part and decode it.

    Raises:
        DataError: there is no such data set, or it cannot be read.
    """
    prepared = prepare(name, settings.data, settings.cache, progress=decoding)
    return PreparedDataSet(
        name=prepared.name,
        examples=prepared.examples,
        classes=tuple(prepared.classes),
        image_shape=prepared.image_shape,
        fingerprint=prepared.fingerprint,
        folder=str(prepared.folder),
        notes=describe_oddities(prepared, settings.data, settings.cache),
    )


def describe(name: str, settings: Settings) -> DataSet:
    """Return a data set's description and whether its training part is here; no file of it is opened."""
    dataset = find_dataset(name, settings.data)
    places = [locate(layout, data_dir=settings.data, cache_dir=settings.cache) for layout in dataset.training_layouts]
    here = isinstance(dataset.training_source, Bundled) or any(found.exists() for found in places)
    return DataSet(name=name, here=here, what=dataset.description)
