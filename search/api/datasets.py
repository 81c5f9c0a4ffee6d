"""`data`: the data sets, where they lie, and getting one ready."""

from __future__ import annotations

from typing import Any

from objectives.data.cache import prepare
from objectives.data.catalogue import DATASETS, find_dataset, find_own_names
from objectives.data.files.layouts import locate
from search.display.output import Decoding, document, say, table
from search.settings import Settings


def show_data(name: str | None, settings: Settings, *, as_json: bool) -> None:
    """List the data sets, or make one ready: found or downloaded, decoded, fingerprinted."""
    if name is None:
        _list(settings, as_json=as_json)
        return
    with Decoding(f"decoding {name}") as progress:
        prepared = prepare(name, settings.data, settings.cache, progress=progress)
    channels, height, width = prepared.image_shape
    found = {
        "name": prepared.name,
        "examples": prepared.examples,
        "classes": list(prepared.classes),
        "image_shape": [channels, height, width],
        "fingerprint": prepared.fingerprint,
        "folder": str(prepared.folder),
    }
    if as_json:
        document(found)
        return
    say(
        f"{prepared.name}: {prepared.examples} training images of {height}x{width}, {channels} channels, "
        f"{len(prepared.classes)} classes, decoded in {prepared.folder}"
    )


def _list(settings: Settings, *, as_json: bool) -> None:
    rows = [describe(name, settings) for name in [*DATASETS, *find_own_names(settings.data)]]
    if as_json:
        document({"folder": str(settings.data), "sets": rows})
        return
    say(f"data folder {settings.data}")
    table(("name", "here", "what"), [(row["name"], "yes" if row["here"] else "no", row["what"]) for row in rows])
    say("what is missing is downloaded when a study needs it, or now with: search data NAME")


def describe(name: str, settings: Settings) -> dict[str, Any]:
    """A data set's name, whether its training part lies here, and what it is; nothing of it is opened."""
    dataset = find_dataset(name, settings.data)
    places = [locate(layout, data_dir=settings.data, cache_dir=settings.cache) for layout in dataset.training_layouts]
    here = name == "digits" or any(found.present() for found in places)
    return {"name": name, "here": here, "what": dataset.description}
