"""The report in a real browser, from a file and without a network, at the width of a page and of a phone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.support.wait import WebDriverWait

from search.report.document.files import write_report
from search.report.plots.registry import PLOTS
from spaces import Categorical, Float, Int, Space
from tests.browser.chromium import MISSING, find_chromium, open_chromium
from tests.search.report.document.made import make_facts, make_score, make_spec
from tests.search.report.plots.made import HTML, make_varied

pytestmark = [pytest.mark.browser, pytest.mark.long]

SPACE = Space(learning_rate=Float(1e-4, 1.0, log=True), width=Int(16, 256), optimizer=Categorical("sgd", HTML))
RIGHT_TO_LEFT = "\u202egnp.exe"
CLASS = '<img src=x onerror="document.title=1"> class'
WIDE = """
return [...document.querySelectorAll("body *")]
  .filter(part => !part.closest(".scroll") && part.getBoundingClientRect().right > innerWidth + 1)
  .map(part => part.outerHTML.slice(0, 100));
"""


def test_opens_from_a_file_and_shows_hostile_names_as_text(tmp_path: Path) -> None:
    if find_chromium() is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)
    made = make_varied(60)
    name = f"{RIGHT_TO_LEFT} {HTML}"
    spec = make_spec(SPACE, dataset=HTML.replace("/", ""))
    score = make_score(study=name, class_accuracy={CLASS: 0.5, "other": 0.9, f"{CLASS} 2": None})
    facts = make_facts(*made.trials, name=name, spec=spec, reported=made.reported, final=score)
    page = tmp_path / "report.html"
    write_report(facts, page)
    pictures = Path(os.environ.get("SEARCH_TEST_PICTURES", tmp_path))
    with open_chromium(tmp_path / "profile", width=1280, height=900) as chrome:
        for width in (1280, 390):
            resize(chrome, width, 900)
            chrome.get(page.as_uri())
            WebDriverWait(chrome, 60).until(lambda _: run(chrome, "return document.body.dataset.drawn") == "all")
            assert run(chrome, WIDE) == []
            resize(chrome, width, run(chrome, "return document.documentElement.scrollHeight"))
            assert chrome.save_screenshot(str(pictures / f"report-{width}.png"))
        assert [str(entry) for entry in chrome.get_log("browser")] == []  # type: ignore[no-untyped-call]
        assert run(chrome, "return performance.getEntriesByType('resource').map(entry => entry.name)") == []
        assert run(chrome, "return document.querySelectorAll('.plot .main-svg').length") >= len(PLOTS)
        title = run(chrome, "return document.querySelector('h1').textContent")
        assert title == name.replace("\u202e", "\\u202e")
        assert HTML in run(chrome, "return document.querySelector('table').textContent")
        answer = run(chrome, "return document.getElementById('answer').textContent")
        assert f"0.5000 (class {CLASS})" in answer
        assert f"no image of {CLASS} 2." in answer
        assert run(chrome, "return document.querySelectorAll('main img').length") == 0
        assert run(chrome, "return document.querySelectorAll('b, i:not(.x)').length") == 0


def run(chrome: Chrome, script: str) -> Any:
    """Return what a script in the page returns."""
    return chrome.execute_script(script)  # type: ignore[no-untyped-call]


def resize(chrome: Chrome, width: int, height: int) -> None:
    """Give the page a size that a window cannot have."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
