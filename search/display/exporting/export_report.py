"""How `export` says what it wrote."""

from __future__ import annotations

from search.display.output import say
from search.export.outputs.task import Exported
from search.export.registry import FORMATS


def show_exported(done: Exported) -> None:
    """Print where the export is and what it is."""
    size = f"{done.size / 1e6:.1f} MB" if done.size >= 1e6 else f"{done.size / 1e3:.1f} kB"
    say(f"{done.path}: {FORMATS[done.format].description} ({size})")
    if done.checked_images is not None:
        say(
            f"probabilities differ by at most {done.largest_difference:.2g} from the study's network on "
            f"{done.checked_images} validation images"
        )
