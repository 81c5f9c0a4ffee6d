"""Plots in a real browser, at the width of a page and of a phone: nothing lies over anything else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from search.report.plots.files import write_figure
from search.report.plots.registry import PLOTS, draw
from tests.browser.chromium import MISSING, find_chromium, open_chromium
from tests.search.report.plots.made import HTML, make_varied

pytestmark = [pytest.mark.browser, pytest.mark.long]

PARTS = ".gtitle, .legend, .colorbar, .infolayer [class$=title] text, [class$=tick] text, .annotation-text"
OVERLAPS = """
const boxes = [...document.querySelectorAll(arguments[0])]
  .map(part => [part, part.getBoundingClientRect()])
  .filter(([_, box]) => box.width && box.height);
return boxes.flatMap(([part, a], k) => boxes.slice(k + 1)
  .filter(([other, b]) => !part.contains(other) && !other.contains(part)
    && Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2)
  .map(([other]) => `${part.textContent} / ${other.textContent}`));
"""


@pytest.mark.parametrize("width", [1000, 390])
def test_nothing_overlaps_and_no_name_acts(width: int, tmp_path: Path) -> None:
    if find_chromium() is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)
    data = make_varied(60)
    found: dict[str, Any] = {}
    with open_chromium(tmp_path / "profile", width=1000, height=600) as chrome:
        resize(chrome, width)
        for kind in PLOTS:
            write_figure(draw(kind, data), tmp_path / f"{kind}.html")
            chrome.get((tmp_path / f"{kind}.html").as_uri())
            found[kind] = [*chrome.execute_script(OVERLAPS, PARTS), *map(str, chrome.get_log("browser"))]  # type: ignore[no-untyped-call]
            title = chrome.execute_script("return document.querySelector('.gtitle').textContent")  # type: ignore[no-untyped-call]
            assert title.startswith(HTML[:31]), title
    assert found == {kind: [] for kind in PLOTS}


def resize(chrome: Chrome, width: int) -> None:
    """Give the page a width that a window cannot have."""
    size = {"width": width, "height": 600, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
