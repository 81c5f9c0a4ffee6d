"""How `data` shows data sets."""

from __future__ import annotations

from objectives.base.plurals import count_noun
from search.api.setup.datasets import DataFolder, PreparedDataSet
from search.display.output import print_table, say


def show_folder(found: DataFolder) -> None:
    """Print every data set and whether it is here."""
    say(f"data folder {found.folder}")
    print_table(("name", "here", "what"), [(each.name, "yes" if each.here else "no", each.what) for each in found.sets])
    say("a missing data set is downloaded when a study needs it, or now with: search data NAME")


def show_dataset(prepared: PreparedDataSet) -> None:
    """Print a data set that is ready."""
    channels, height, width = prepared.image_shape
    say(
        f"{prepared.name}: {prepared.examples:,} training images of {height}x{width}, "
        f"{count_noun(channels, 'channel')}, {len(prepared.classes)} classes, decoded in {prepared.folder}"
    )
    for text in prepared.notes:
        say(f"note: {text}")
