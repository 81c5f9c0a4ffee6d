"""Take the pictures of README.md and of docs again; `python -m tests.pictures` does so in a few minutes."""

from __future__ import annotations

import argparse
import io
import os
import tempfile
from pathlib import Path

from PIL import Image

from tests.browser.chromium import open_chromium
from tests.pictures import dashboard, learning_curves, terminal
from tests.search.serving import serving

IMAGES = Path(__file__).parent.parent.parent / "docs" / "images"
COLOURS = 160
LARGEST_BYTES = 60_000


def take(folder: Path, *, trials: int, curves: int) -> None:
    """Run studies of `trials` and of `curves` trials in a home of their own and write the pictures into the folder."""
    with tempfile.TemporaryDirectory(prefix="pictures-", dir="/tmp") as scratch:
        home = Path(scratch)
        home.chmod(0o755)  # as root, the embedded server runs as another user
        os.environ |= {"SEARCH_HOME": str(home / "home"), "SEARCH_CACHE": str(home / "cache")}
        lines = terminal.run_in_terminal(trials, home / "home")
        plot = learning_curves.draw(learning_curves.run_study(curves))
        with open_chromium(home / "profile", width=dashboard.WIDTH_PIXELS, scale=1.5) as browser:
            save(folder / "terminal.png", terminal.photograph_terminal(browser, lines, home), terminal.COLOURS)
            save(folder / "learning-curves.png", plot.photograph(browser, home))
            with serving() as shown:
                browser.get(shown.opening)
                save(folder / "dashboard.png", dashboard.photograph_dashboard(browser, shown.url))


def save(path: Path, png: bytes, colours: int = COLOURS) -> None:
    """Write a picture with a palette: a third of the size, and nothing that one sees is lost."""
    method = Image.Quantize.MAXCOVERAGE  # others lose the few pixels of a colour that matters
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(colours, method, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)
    if path.stat().st_size > LARGEST_BYTES:
        raise RuntimeError(f"{path} has {path.stat().st_size} bytes, but at most {LARGEST_BYTES} are allowed")


def main() -> None:
    """Take the pictures, with as many trials and into such a folder as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30, help="of the study in the terminal and in the dashboard")
    parser.add_argument("--curves", type=int, default=60, help="trials of the study whose curves are drawn")
    parser.add_argument("--out", type=Path, default=IMAGES)
    given = parser.parse_args()
    take(given.out, trials=given.trials, curves=given.curves)


if __name__ == "__main__":
    main()
