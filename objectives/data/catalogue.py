"""The data sets known by name; a new one is one entry of _ENTRIES.

A data set's name is the identity under which test scores are stored, whatever layout its files have. Besides the
layouts of its entry, every data set may be given as class folders, `<name>/train/<class>/*` and
`<name>/test/<class>/*`; these take precedence, because somebody put them there. Such a folder with any other name is
the user's own data set.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from objectives.data.files.errors import UnknownDataset
from objectives.data.files.layouts import ArrayFile, CifarBatches, ClassFolder, IdxFiles, Layout
from objectives.data.sources import digits
from objectives.data.sources.remotes import Bundled, RemoteArchive, RemoteFile, RemoteFiles, Source
from spaces.suggestions import suggest_and_list


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The declaration of a data set; declaring it opens no file.

    name: the identity under which test scores are stored.
    description: one line, with the source.
    classes: names in the order of the labels; None if they are the names of the class folders.
    training: the layouts that the training part may have, besides class folders.
    held_out: the layouts of the held-out part, one for each of `training`, in the same order.
    training_source, held_out_source: where missing files of each part can be downloaded; None if nowhere.
    """

    name: str
    description: str
    classes: tuple[str, ...] | None = None
    training: tuple[Layout, ...] = ()
    held_out: tuple[Layout, ...] = ()
    training_source: Source | None = None
    held_out_source: Source | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` unless every training layout has its held-out layout."""
        if len(self.training) != len(self.held_out):
            raise ValueError(
                f"{self.name}: every training layout needs its held-out layout, "
                f"but got {len(self.training)} and {len(self.held_out)}"
            )

    @property
    def training_layouts(self) -> tuple[Layout, ...]:
        """The layouts of the training part, in the order in which they are looked for."""
        return (ClassFolder(folder=f"{self.name}/train"), *self.training)

    @property
    def held_out_layouts(self) -> tuple[Layout, ...]:
        """The layouts of the held-out part, one for each of `training_layouts`."""
        return (ClassFolder(folder=f"{self.name}/test"), *self.held_out)


def _declare_mnist_like(
    *,
    name: str,
    description: str,
    classes: tuple[str, ...],
    folder: str,
    mirrors: tuple[str, ...],
    md5s: dict[str, str],
) -> Dataset:
    """Declare four gzipped IDX files; `md5s` has keys train-images, train-labels, t10k-images and t10k-labels."""

    def layout(part: str) -> IdxFiles:
        return IdxFiles(folder=folder, images=f"{part}-images-idx3-ubyte", labels=f"{part}-labels-idx1-ubyte")

    def source(part: str) -> RemoteFiles:
        names = (f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz")
        files = tuple(RemoteFile(name=name, md5=md5s[name.split("-idx")[0]]) for name in names)
        return RemoteFiles(mirrors=mirrors, folder=folder, files=files)

    return Dataset(
        name=name,
        description=description,
        classes=classes,
        training=(layout("train"),),
        held_out=(layout("t10k"),),
        training_source=source("train"),
        held_out_source=source("t10k"),
    )


def _declare_cifar_like(
    *,
    name: str,
    description: str,
    classes: tuple[str, ...],
    archive: RemoteFile,
    training: CifarBatches,
    held_out: CifarBatches,
) -> Dataset:
    """Declare one archive of pickled batches from Krizhevsky's page."""

    def source(batches: CifarBatches) -> RemoteArchive:
        members = tuple(f"{batches.folder}/{file}" for file in batches.files)
        return RemoteArchive(mirrors=("https://www.cs.toronto.edu/~kriz/",), file=archive, members=members)

    return Dataset(
        name=name,
        description=description,
        classes=classes,
        training=(training,),
        held_out=(held_out,),
        training_source=source(training),
        held_out_source=source(held_out),
    )


# In the order of the fine labels.
_CIFAR100_CLASSES = (
    *("apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle"),
    *("bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle"),
    *("chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur"),
    *("dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard"),
    *("lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle"),
    *("mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear"),
    *("pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon"),
    *("ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail"),
    *("snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone"),
    *("television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale"),
    *("willow_tree", "wolf", "woman", "worm"),
)

_ENTRIES = (
    Dataset(
        name="digits",
        description="1,797 grayscale 8x8 digits that come with scikit-learn (Alpaydin and Kaynak 1998, UCI)",
        classes=tuple("0123456789"),
        training=(ArrayFile(file=digits.TRAINING_FILE),),
        held_out=(ArrayFile(file=digits.HELD_OUT_FILE),),
        training_source=Bundled(package="scikit-learn", write=digits.write),
        held_out_source=Bundled(package="scikit-learn", write=digits.write),
    ),
    _declare_mnist_like(
        name="mnist",
        description="70,000 grayscale 28x28 handwritten digits (LeCun et al. 1998)",
        classes=tuple("0123456789"),
        folder="MNIST/raw",
        mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
        md5s={
            "train-images": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels": "ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    _declare_mnist_like(
        name="fashion-mnist",
        description="70,000 grayscale 28x28 pictures of clothes (Xiao, Rasul and Vollgraf 2017)",
        classes=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        folder="FashionMNIST/raw",
        mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        md5s={
            "train-images": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels": "bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
    _declare_cifar_like(
        name="cifar10",
        description="60,000 colour 32x32 photographs in 10 classes (Krizhevsky 2009)",
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        archive=RemoteFile(name="cifar-10-python.tar.gz", md5="c58f30108f718f92721af3b95e74349a"),
        training=CifarBatches(folder="cifar-10-batches-py", files=tuple(f"data_batch_{k}" for k in range(1, 6))),
        held_out=CifarBatches(folder="cifar-10-batches-py", files=("test_batch",)),
    ),
    _declare_cifar_like(
        name="cifar100",
        description="60,000 colour 32x32 photographs in 100 classes (Krizhevsky 2009)",
        classes=_CIFAR100_CLASSES,
        archive=RemoteFile(name="cifar-100-python.tar.gz", md5="eb9058c3a382ffc7106e4002c42a8d85"),
        training=CifarBatches(folder="cifar-100-python", files=("train",), labels_key="fine_labels"),
        held_out=CifarBatches(folder="cifar-100-python", files=("test",), labels_key="fine_labels"),
    ),
)

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in _ENTRIES}


def find_dataset(name: str, data_dir: Path) -> Dataset:
    """Return the known data set of this name, or the user's class folders of this name under `data_dir`.

    Raises:
        UnknownDataset: there is neither; the message has close matches and all names.
    """
    if name in DATASETS:
        return DATASETS[name]
    if _is_folder_name(name) and os.path.isdir(data_dir / name / "train"):
        return Dataset(name=name, description=f"class folders under {data_dir / name}")
    names = [*DATASETS, *find_own_names(data_dir)]
    raise UnknownDataset(
        f"unknown data set {name!r}; {suggest_and_list(name, names)}; "
        f"a folder {data_dir}/<name>/train/<class>/*.png (and .../test/<class>/*.png) makes another, "
        "and --data DIR names another folder"
    )


def find_own_names(data_dir: Path) -> list[str]:
    """Return the names of the user's own data sets under `data_dir`, sorted."""
    if not os.path.isdir(data_dir):
        return []
    with os.scandir(data_dir) as entries:
        names = [entry.name for entry in entries if _is_folder_name(entry.name)]
    return sorted(name for name in names if name not in DATASETS and (data_dir / name / "train").is_dir())


def _is_folder_name(name: str) -> bool:
    """Return whether a name may be a user's data set: a visible folder, and not a known name in other letter case.

    On a file system that ignores case, `CIFAR10` would otherwise be a second identity of `cifar10`'s test set.
    """
    return bool(name) and "/" not in name and not name.startswith(".") and name.casefold() not in DATASETS
