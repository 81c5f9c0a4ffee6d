"""What the program adds to the dashboard, in a real browser, at the width of a screen and of a phone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import text_to_be_present_in_element
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser.chromium import MISSING, find_chromium, open_chromium
from tests.browser.test_dashboard import PATIENCE_S, errors
from tests.search.dashboard.content.made import CHOICE, LINK, make_study
from tests.search.serving import Dashboard, serving

pytestmark = pytest.mark.browser

PICTURES = "SEARCH_TEST_PICTURES"
"""The environment variable with a folder in which screenshots are kept, for people who look at them."""
DRAWN = """
const plots = [...document.querySelectorAll('[id^="user-defined-plot:search-"]')];
return plots.filter(each => each.querySelector('.scatterlayer .trace')).length;
"""
LOADED = """
const pictures = [...document.querySelectorAll('img[src*="/artifacts/"]')];
return pictures.length > 0 && pictures.every(each => each.complete && each.naturalWidth > 0);
"""
WIDTH = "return document.documentElement.scrollWidth"
ACTING = "return [...document.querySelectorAll('main img, main script, main a, main b')].length"


@pytest.fixture
def dashboard(database_url: str) -> Iterator[Dashboard]:
    make_study(database_url)
    with serving(SEARCH_STORAGE=database_url) as served:
        yield served


def test_note_plots_and_files_are_seen_at_both_widths_and_no_name_acts(dashboard: Dashboard, tmp_path: Path) -> None:
    if find_chromium() is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)
    folder = Path(os.environ.get(PICTURES, tmp_path))
    with open_chromium(tmp_path / "profile") as browser:
        wait = WebDriverWait(browser, PATIENCE_S)
        browser.get(dashboard.opening)
        for width, height in ((1280, 3000), (390, 5600)):
            resize(browser, width, height)
            browser.get(f"{dashboard.url}dashboard/studies/1")
            wait.until(lambda _: browser.execute_script(DRAWN) >= 4)  # type: ignore[no-untyped-call]
            wait.until(lambda _: browser.execute_script(LOADED))  # type: ignore[no-untyped-call]
            wait.until(text_to_be_present_in_element((By.TAG_NAME, "main"), "model-card.md"))
            keep(browser, folder, f"study-{width}.png", width)
            browser.get(f"{dashboard.url}dashboard/studies/1/note")
            wait.until(text_to_be_present_in_element((By.TAG_NAME, "main"), "search run --study '<img src=x"))
            text = browser.find_element(By.TAG_NAME, "main").text
            assert CHOICE in text
            assert LINK in text
            assert "\\u202ertl" in text
            assert "\u202e" not in browser.find_element(By.TAG_NAME, "body").text
            assert browser.execute_script(ACTING) == 0  # type: ignore[no-untyped-call]
            keep(browser, folder, f"note-{width}.png", width)
            browser.get(f"{dashboard.url}dashboard/studies/1/trials?numbers=0")
            wait.until(lambda _: browser.execute_script(LOADED))  # type: ignore[no-untyped-call]
            wait.until(text_to_be_present_in_element((By.TAG_NAME, "main"), "configuration.toml"))
            keep(browser, folder, f"trial-{width}.png", width)
        assert errors(browser) == []


def keep(browser: Chrome, folder: Path, name: str, width: int) -> None:
    """Keep a screenshot of a page, which is not wider than the screen."""
    browser.save_screenshot(str(folder / name))
    assert browser.execute_script(WIDTH) <= width, name  # type: ignore[no-untyped-call]


def resize(browser: Chrome, width: int, height: int) -> None:
    """Give the page a width that a window cannot have."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
